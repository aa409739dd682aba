#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What can be said of packages without making one: notices, versions, Spack's recipe.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

check "packaging/THIRD-PARTY tells of the crates of both lock files (else: scripts/notices.py copy)" scripts/notices.py diff

# Everything that is released has the version of Cargo.toml: the rest of the libraries and tools, the crate that the
# crate memkind needs, and the manual pages in their first line.
one_version() {
    local file found wrong=0
    for file in bindings/rust/memkind/Cargo.toml man/*.[1-8]; do
        grep -qE "^\.so |^\.TH .* \"memkind ${version//./\\.}\" |^memkind-sys = .* version = \"${version//./\\.}\"" "$file" || {
            echo "$file does not name version $version"
            wrong=1
        }
    done
    for file in preload/Cargo.toml bindings/rust/Cargo.toml bindings/python/pyproject.toml packaging/spack/package.py; do
        found=$(sed -n 's/^version = "\(.*\)"/\1/p; s/^    version("\([0-9.]*\)".*/\1/p' "$file" | head -n 1)
        [ "$found" = "$version" ] || {
            echo "$file has version '$found', Cargo.toml has $version"
            wrong=1
        }
    done
    return $wrong
}
check "one version everywhere" one_version

# Names of the release must be those that Spack's url says.
check "Spack: the recipe builds and installs with this Makefile" python3 -B ctest/packages/spack_recipe.py
