# SPDX-License-Identifier: BSD-2-Clause
"""Takes apart what a kernel package holds; standard library only.

kernel.py vmlinux BZIMAGE OUT
    the uncompressed kernel, which boots faster than the one that unpacks itself
kernel.py modules MODDIR OUT GROUP NAME...
    the modules named and those they depend on, uncompressed, into OUT, with their
    loading order in OUT/GROUP.list; a name without a file is built into the kernel
"""

import gzip
import lzma
import os
import re
import struct
import subprocess
import sys


def run(tool, data):
    done = subprocess.run([tool, "-dcq"], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout


def vmlinux(image, out):
    with open(image, "rb") as file:
        data = file.read()
    # The boot protocol of Linux on x86: sectors of set-up code, then the payload.
    start = ((data[0x1F1] or 4) + 1) * 512 + struct.unpack_from("<I", data, 0x248)[0]
    payload = data[start : start + struct.unpack_from("<I", data, 0x24C)[0]]
    for magic, tool in (
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zX", "xz"),
        (b"\x02\x21\x4c\x18", "lz4"),
        (b"\x1f\x8b", "gzip"),
    ):
        if payload.startswith(magic):
            kernel = run(tool, payload)
            if kernel[:4] != b"\x7fELF":
                sys.exit(f"{image}: {tool} does not yield a kernel")
            with open(out, "wb") as file:
                file.write(kernel)
            return
    sys.exit(f"{image}: unknown compression")


def modules(moddir, out, group, *wanted):
    def plain(name):
        return name.replace("-", "_")

    files = {
        plain(name.split(".ko")[0]): os.path.join(directory, name)
        for directory, _, names in os.walk(moddir)
        for name in names
        if ".ko" in name
    }
    order = []

    def load(name):
        name = plain(name)
        if name in order or name not in files:
            return
        path = files[name]
        with open(path, "rb") as file:
            data = file.read()
        if path.endswith(".xz"):
            data = lzma.decompress(data)
        elif path.endswith(".gz"):
            data = gzip.decompress(data)
        elif path.endswith(".zst"):
            data = run("zstd", data)
        # What it needs stands in the module itself: no depmod is needed.
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in depends.group(1).decode().split(",") if depends and depends.group(1) else []:
            load(other)
        with open(os.path.join(out, name + ".ko"), "wb") as file:
            file.write(data)
        order.append(name)

    for name in wanted:
        load(name)
    with open(os.path.join(out, group + ".list"), "w", encoding="ascii") as file:
        file.writelines(name + ".ko\n" for name in order)


if __name__ == "__main__":
    {"vmlinux": vmlinux, "modules": modules}[sys.argv[1]](*sys.argv[2:])
