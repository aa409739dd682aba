#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Links between pages lead somewhere: to a file of this tree, and to a heading that it has. Links to other hosts are
left alone.

usage: scripts/check-links.py [DIRECTORY]
  default: every Markdown page that git knows; with a directory, every HTML page in it
"""

import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def markdown(page):
    """The links of a page, and the names of its headings as they are linked to."""
    text = page.read_text()
    prose = without_code(text)
    links = re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", prose)
    links += re.findall(r"^\[[^\]]+\]:\s*(\S+)", prose, flags=re.M)
    links += re.findall(r"\b(?:src|href)=\"([^\"]+)\"", prose)
    names = set()
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), flags=re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        names.add(re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-"))
    return links, names


class Page(html.parser.HTMLParser):
    """Gathers links and names of an HTML page."""

    def __init__(self):
        super().__init__()
        self.links, self.names = [], set()

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.names.add(value)


def web(page):
    parser = Page()
    parser.feed(page.read_text())
    return parser.links, parser.names


def main():
    if len(sys.argv) > 2:
        sys.exit(__doc__[__doc__.index("usage:"):])
    if len(sys.argv) == 2:
        read, pages = web, sorted(pathlib.Path(sys.argv[1]).resolve().rglob("*.html"))
    else:
        command = ["git", "-C", ROOT, "ls-files", "*.md"]
        # A source archive is no repository, and may be unpacked where there is no git.
        names = subprocess.run(command, capture_output=True, text=True, check=False).stdout if shutil.which("git") else ""
        found = [ROOT / name for name in names.split()] or ROOT.rglob("*.md")
        skipped = {"target", "build", "vendor", ".git"}
        read, pages = markdown, sorted(page for page in found if not skipped & set(page.relative_to(ROOT).parts))
    if not pages:
        sys.exit("scripts/check-links.py: no pages")
    contents = {page: read(page) for page in pages}
    wrong = 0
    for page, (links, own) in contents.items():
        for link in links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else page
            names = own if target == page else contents.get(target, (None, None))[1]
            if not target.exists():
                problem = "does not exist"
            elif parts.fragment and names is not None and urllib.parse.unquote(parts.fragment) not in names:
                problem = "has no such heading"
            else:
                continue
            print(f"{page.relative_to(pathlib.Path.cwd()) if page.is_relative_to(pathlib.Path.cwd()) else page}: {link} {problem}")
            wrong += 1
    print(f"{sum(len(links) for links, _ in contents.values())} links in {len(contents)} pages, {wrong} lead nowhere")
    sys.exit(1 if wrong else 0)


main()
