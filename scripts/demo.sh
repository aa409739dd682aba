#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Shows the library at work: this machine's kinds of memory, a program built with pkg-config, and a
# program that was built for the distribution's memkind. `make demo` builds first.
set -eu
cd "$(dirname "$0")/.."
. scripts/testlib.sh
work=$root/build/demo
stage=$root/build/stage
mkdir -p "$work"

title() { printf '\n== %s\n' "$1"; }

# show COMMAND: prints it as one would type it, without the long name of this directory, and runs it.
show() {
    printf '$ %s\n' "${1//"$root/"/}"
    bash -c "$1"
}

"${MAKE:-make}" -s --no-print-directory install PREFIX="$stage" LIBDIR="$stage/lib" INCLUDEDIR="$stage/include" \
    BINDIR="$stage/bin" MANDIR="$stage/share/man" DESTDIR= >"$work/install.log"
export PKG_CONFIG_PATH=$stage/lib/pkgconfig

title "1. The kinds of memory of this machine"
if [ -x "$stage/bin/memkind-info" ]; then
    show "$stage/bin/memkind-info"
else
    show "${cc[*]} -o $work/kinds examples/kinds.c \$(pkg-config --cflags --libs memkind)"
    show "LD_LIBRARY_PATH=$stage/lib $work/kinds"
fi

title "2. A program built with pkg-config against this library (installed in build/stage)"
show "${cc[*]} -o $work/first_steps examples/first_steps.c \$(pkg-config --cflags --libs memkind)"
show "LD_LIBRARY_PATH=$stage/lib $work/first_steps"

title "3. A program built for the distribution's memkind, running on this library"
dist=$(distribution_libdir)
if [ -z "$dist" ] || [ ! -e /usr/include/memkind.h ]; then
    echo "The distribution's memkind is not here: scripts/setup.sh installs it (package libmemkind-dev)."
    exit 0
fi
show "${cc[*]} -o $work/existing -I/usr/include examples/first_steps.c -L$dist -lmemkind"
echo "# as it is installed:"
show "LD_LIBRARY_PATH=$dist $work/existing"
echo "# the same file, on this library:"
show "LD_LIBRARY_PATH=$root/build/lib ldd $work/existing | grep memkind"
show "LD_LIBRARY_PATH=$root/build/lib $work/existing"
