# SPDX-License-Identifier: BSD-2-Clause
"""A recipe for Spack: copy it to packages/memkind/package.py of a repository of yours."""

from spack.package import *


class Memkind(MakefilePackage):
    """A heap manager for many kinds of memory: high-bandwidth memory, CXL and persistent memory as NUMA nodes,
    huge pages, files. ABI drop-in for the original memkind."""

    license("BSD-2-Clause")

    # A release archive (make dist) brings all crates along, so nothing is fetched while building.
    url = "file:///path/to/memkind-1.15.0.tar.gz"

    version("1.15.0")

    depends_on("c", type="build")
    depends_on("rust@1.85:", type="build")
    depends_on("gmake", type="build")
    depends_on("binutils", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("hwloc@2.3:", type=("run"))

    conflicts("platform=darwin")

    def build(self, spec, prefix):
        make("SETUP=no")

    def install(self, spec, prefix):
        make("install", "SETUP=no", f"PREFIX={prefix}")
