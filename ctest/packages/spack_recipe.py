# SPDX-License-Identifier: BSD-2-Clause
"""Runs packaging/spack/package.py on a stand-in for Spack's module, as Spack itself is not packaged: its directives are
well formed, and what build() and install() give to make are targets and variables of the Makefile."""

import pathlib
import re
import runpy
import subprocess
import sys
import tempfile
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
directives, calls = [], []


def directive(name):
    def record(*positional, **named):
        directives.append((name, positional, named))
    return record


class Prefix(str):
    pass


def main():
    module = types.ModuleType("spack.package")
    names = ("version", "depends_on", "conflicts", "license", "variant", "maintainers")
    for name in names:
        setattr(module, name, directive(name))
    module.MakefilePackage = type("MakefilePackage", (), {})
    module.make = lambda *arguments: calls.append(arguments)
    module.__all__ = [*names, "MakefilePackage", "make"]
    sys.modules.update({"spack": types.ModuleType("spack"), "spack.package": module})
    package = runpy.run_path(str(ROOT / "packaging/spack/package.py"))["Memkind"]

    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    assert ("version", (version,), {}) in [d if d[0] != "version" else (d[0], d[1][:1], {}) for d in directives], directives
    assert package.url.endswith(f"/memkind-{version}.tar.gz"), package.url
    assert package.__doc__, "Spack shows the docstring"
    rust = re.search(r'^rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    needs = {positional[0]: named for name, positional, named in directives if name == "depends_on"}
    assert f"rust@{rust}:" in needs, needs
    for spec, named in needs.items():
        assert re.fullmatch(r"[a-z0-9-]+(@[0-9.]+:?)?", spec), spec
        kinds = named["type"] if isinstance(named["type"], tuple) else (named["type"],)
        assert set(kinds) <= {"build", "link", "run"}, named

    with tempfile.TemporaryDirectory() as directory:
        recipe = package()
        recipe.build(None, Prefix(directory))
        recipe.install(None, Prefix(directory))
        assert [call for call in calls if "install" in call], calls
        # What would be done, without doing it: unknown targets and variables of others fail here.
        for call in calls:
            subprocess.run(["make", "-n", "-C", ROOT, *call], check=True, stdout=subprocess.DEVNULL)
        listed = subprocess.run(["make", "-s", "--no-print-directory", "-C", ROOT, "list-installed", *calls[-1][1:]],
                                check=True, capture_output=True, text=True).stdout.split()
        outside = [name for name in listed if not name.startswith(directory + "/")]
        assert listed and not outside, f"not below the prefix: {outside}"


main()
