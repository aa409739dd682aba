#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The shell scripts are clean, and every file of C, C++, Python or shell names its license.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh

if have git && git rev-parse --git-dir >/dev/null 2>&1; then
    files=$(git ls-files)
else
    files=$(find . \( -name target -o -path ./build -o -path ./vendor \) -prune -o -type f -print | sed 's|^\./||')
fi

grep -E '\.sh$|^\.ci/run$' <<<"$files" | while IFS= read -r script; do
    if have shellcheck; then
        check "shellcheck $script" shellcheck --severity=warning "$script"
    else
        skip "shellcheck $script" "shellcheck is not installed"
    fi
done

license_missing() {
    local missing
    # src/ and tests/ are the crate's: Cargo.toml names their license.
    missing=$(grep -vE '^tests/' <<<"$files" | grep -E '\.(c|cc|cpp|h|hpp|sh|py)$|(^|/)Makefile$|^\.ci/run$' | while IFS= read -r file; do
        [ ! -e "$file" ] || head -n 5 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' || echo "$file"
    done)
    [ -z "$missing" ] && return 0
    echo "without SPDX-License-Identifier in the first lines:"
    echo "$missing"
    return 1
}
check "every source file but the crate's names its license" license_missing
exit 0
