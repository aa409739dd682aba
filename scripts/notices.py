#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes packaging/THIRD-PARTY: whose code the libraries and tools contain, under which license, with the notices that
the licenses ask for. The crates are those of the two lock files that are linked in; their copyright lines come from the
license files of their sources.

usage: scripts/notices.py copy | diff
  copy   writes packaging/THIRD-PARTY and the part of packaging/copyright below "Comment:"
  diff   prints how they differ from that; exit status 1 when they do
"""

import difflib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Which license is chosen where a crate offers several. Another one needs a look, and its text in this file.
CHOSEN = {"MIT": "MIT", "BSD-2-Clause": "BSD-2-Clause"}

HEAD = """\
The libraries and tools contain code of these projects. Their licenses allow that, and ask for these notices.
"""
STANDARD_LIBRARY = """\
The Rust standard library, MIT OR Apache-2.0, used under MIT
  Copyright (c) The Rust Project Contributors
"""


def linked_crates(manifest):
    """The packages from registries that are linked into what this manifest builds."""
    cargo = shlex.split(os.environ.get("CARGO") or subprocess.check_output([ROOT / "scripts/cargo-env.sh"], text=True))
    command = [*cargo, "metadata", "--locked", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"]
    data = json.loads(subprocess.check_output([*command, f"--manifest-path={ROOT / manifest}"], text=True))
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    waiting, seen = list(data["workspace_members"]), set()
    while waiting:
        package = waiting.pop()
        if package in seen:
            continue
        seen.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return [packages[package] for package in seen if packages[package]["source"]]


def license_files(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    return sorted(folder.glob("LICENSE*")) + sorted(folder.glob("COPYING*"))


def copyright_lines(texts):
    lines = []
    for text in texts:
        for line in text.splitlines():
            line = line.strip()
            if re.match(r"Copyright (\(c\)|©|[12])", line, re.IGNORECASE) and line not in lines:
                lines.append(line)
    return lines


def chosen_license(package):
    offered = re.split(r"\s+OR\s+|/", package["license"].strip("()"))
    for name in CHOSEN:
        if name in offered:
            return name
    sys.exit(f"scripts/notices.py: {package['name']} is under {package['license']}: decide in CHOSEN")


def block(package):
    chosen = chosen_license(package)
    used = "" if package["license"] == chosen else f", used under {chosen}"
    texts = [file.read_text() for file in license_files(package) if "APACHE" not in file.name.upper()]
    lines = copyright_lines(texts)
    title = f"The crate {package['name']} {package['version'].split('+')[0]}, {package['license']}{used}"
    return "\n".join([title] + [f"  {line}" for line in lines]) + "\n"


def jemalloc(package):
    """jemalloc's own file is short, and goes in whole."""
    text = (pathlib.Path(package["manifest_path"]).parent / "jemalloc/COPYING").read_text()
    body = "".join(f"  {line}\n" if line.strip() else "\n" for line in text.strip().splitlines())
    return "jemalloc, in the crate tikv-jemalloc-sys, BSD-2-Clause\n" + body


def mit_text(packages):
    """The text of the MIT license, from a crate's file, without a copyright line."""
    for package in packages:
        for file in license_files(package):
            text = file.read_text()
            if "MIT" in file.name and "Permission is hereby granted" in text:
                text = text[text.index("Permission is hereby granted"):].strip()
                return "".join(f"  {line}\n" if line.strip() else "\n" for line in text.splitlines())
    sys.exit("scripts/notices.py: no crate brings the text of the MIT license")


def notices():
    found = {}
    for manifest in ("Cargo.toml", "preload/Cargo.toml"):
        for package in linked_crates(manifest):
            found[package["name"], package["version"]] = package
    packages = [found[key] for key in sorted(found)]
    allocator = next(package for package in packages if package["name"] == "tikv-jemalloc-sys")
    parts = [HEAD, jemalloc(allocator), STANDARD_LIBRARY] + [block(package) for package in packages]
    return "\n".join(parts) + "\nThe MIT license:\n" + mit_text(packages)


def debian_copyright(text, present):
    """Debian's file: the library's own license, and these notices as a comment."""
    own = present[: present.index("Comment:\n")] + "Comment:\n"
    return own + "".join(f" {line}\n" if line else " .\n" for line in text.splitlines())


def main():
    mode = sys.argv[1] if len(sys.argv) == 2 else ""
    if mode not in ("copy", "diff"):
        sys.exit(__doc__[__doc__.index("usage:"):])
    text = notices()
    debian = ROOT / "packaging/copyright"
    status = 0
    for file, wanted in ((ROOT / "packaging/THIRD-PARTY", text), (debian, debian_copyright(text, debian.read_text()))):
        present = file.read_text()
        if mode == "copy" and present != wanted:
            file.write_text(wanted)
            print(file.relative_to(ROOT))
        elif mode == "diff" and present != wanted:
            sys.stdout.writelines(difflib.unified_diff(
                present.splitlines(True), wanted.splitlines(True), str(file.relative_to(ROOT)), "generated"))
            status = 1
    sys.exit(status)


main()
