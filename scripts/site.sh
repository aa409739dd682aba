#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes one static site of all pages, in build/site: docs/, the pages at the top, the manual. mkdocs and mandoc do the
# work (packages of Debian). Nothing in it is fetched from elsewhere, so that it can be read from a disk.
set -euo pipefail
cd "$(dirname "$0")/.."
pages=$PWD/build/site-pages site=$PWD/build/site
for command in mkdocs mandoc; do
    command -v $command >/dev/null || {
        echo "scripts/site.sh: $command is missing: scripts/setup.sh site" >&2
        exit 1
    }
done
rm -rf "$pages" "$site" && mkdir -p "$pages/man"

# Pages link to each other, and to sources, as they do here: what they may link to keeps its place.
find . -maxdepth 1 -type f ! -name '.*' -exec cp {} "$pages" \;
cp -R docs examples include packaging bench ctest scripts bindings src cmake pkgconfig "$pages"
find "$pages" \( -name target -o -name '*.rs' -o -name __pycache__ \) -prune -exec rm -rf {} +
# A directory without a page of its own gets a list of its files.
while read -r directory; do
    [ -e "$pages/$directory/README.md" ] || {
        printf '# %s\n\n' "$directory"
        (cd "$pages/$directory" && find . -type f ! -name README.md | sed 's|^\./||' | LC_ALL=C sort | sed 's|.*|- [&](&)|')
    } >"$pages/list" && { [ -e "$pages/$directory/README.md" ] || mv "$pages/list" "$pages/$directory/README.md"; }
done < <(grep -rhoE '\]\([^)#:]+\)' ./*.md docs packaging --include=*.md | sed 's/^](//; s/)$//; s|^\(\.\./\)*||; s|/$||' | sort -u |
    while read -r target; do [ -d "$target" ] && echo "$target"; done)
rm -f "$pages/list"
# Links to directories are made links to their pages: without a server there is no other way to it.
find "$pages" -name '*.md' | while read -r page; do
    (
        cd "$(dirname "$page")"
        { grep -oE '\]\([^)#:]+\)' "$page" || true; } | sed 's/^](//; s/)$//' | sort -u | while read -r target; do
            if [ -d "$target" ]; then printf 's|](%s)|](%s/README.md)|g\n' "$target" "${target%/}"; fi
        done
    ) >"$pages/edits"
    sed -i -f "$pages/edits" "$page"
done
rm -f "$pages/edits"
# mkdocs knows a block by its language alone.
find "$pages" -name '*.md' -exec sed -i 's/^\( *```[a-z0-9]*\) .*$/\1/' {} +

# The manual: a page for each file, and the index by function.
title() { sed -n "s/^# //p" "$1" | head -n 1 | tr -d '`'; }
{
    echo "# Manual"
    echo
    echo "| name | page |"
    echo "|---|---|"
} >"$pages/man/README.md"
for source in man/*.[1-8]; do
    name=${source#man/}
    target=$(sed -n '1s/^\.so man[0-9]\///p' "$source")
    echo "| ${name%.*} | [${target:-$name}](${target:-$name}.md) |" >>"$pages/man/README.md"
    [ -z "$target" ] || continue
    { echo "# ${name%.*}(${name##*.})" && echo && (cd man && mandoc -Thtml -O 'fragment,man=%N.%S.html;https://manpages.debian.org/%N.%S' "$name"); } >"$pages/man/$name.md"
done

cat >"$pages/memkind.css" <<'CSS'
.wy-nav-content { max-width: 1000px; }
.rst-content table { margin-bottom: 24px; }
.rst-content table td, .rst-content table th { padding: 4px 8px; vertical-align: top; }
table.head, table.foot { display: none; }
.manual-text h1 { font-size: 150%; }
.rst-content dl dd { margin-left: 24px; }
CSS

entry() { [ ! -e "$pages/$1" ] || printf '      - "%s": %s\n' "$(title "$pages/$1")" "$1"; }
section() { # section NAME PAGES...
    printf '  - %s:\n' "$1"
    shift
    for page; do entry "$page"; done
}
{
    cat <<CONFIG
site_name: memkind
site_url: ""
docs_dir: $pages
site_dir: $site
use_directory_urls: false
theme:
  name: readthedocs
  highlightjs: false
  locale: en
extra_css: [memkind.css]
plugins: [search]
markdown_extensions: [tables, fenced_code, md_in_html, toc]
nav:
  - memkind: README.md
CONFIG
    section Guide docs/{start,choosing,migrating,compared,tuning,troubleshooting,reliability,portability}.md
    cd "$pages"
    section Performance docs/benchmarks/README.md docs/benchmarks/[!R]*.md bench/README.md
    section Reference man/README.md docs/environment.md docs/compatibility.md man/*.[1-8].md
    cd "$OLDPWD"
    section Languages docs/languages.md bindings/rust/memkind/README.md bindings/rust/memkind-sys/README.md
    section Project packaging/README.md CHANGELOG.md RELEASE.md CONTRIBUTING.md ARCHITECTURE.md SECURITY.md \
        CODE_OF_CONDUCT.md ctest/numa/README.md
} >build/mkdocs.yml
mkdocs build -q -f build/mkdocs.yml
# For servers only: its links begin at the server's root.
rm "$site/404.html"
# Debian 12's theme asks for jquery by another version's name, and for a script that the package has not.
jquery=$(find "$site/js" -name 'jquery-*.min.js' | head -n 1)
grep -rhoE --include='*.html' 'js/jquery-[0-9.]+\.min\.js' "$site" | sort -u | while read -r wanted; do
    [ -e "$site/$wanted" ] || cp "$jquery" "$site/$wanted"
done
[ -e "$site/js/theme_extra.js" ] || find "$site" -name '*.html' -exec sed -i '/theme_extra\.js/d' {} +
if grep -rl --include='*.html' '```' "$site"; then
    echo "scripts/site.sh: these pages have blocks that were not recognised" >&2
    exit 1
fi
scripts/check-links.py "$site"
echo "$site/index.html"
