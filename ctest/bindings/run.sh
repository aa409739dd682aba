#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The bindings for other languages, on this library.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH=$libdir

python() { PYTHONPATH=$root/bindings/python PYTHONDONTWRITEBYTECODE=1 "$1" "$root/ctest/bindings/test_memkind.py"; }
# The distribution's Python has the distribution's numpy.
interpreter=/usr/bin/python3
[ -x "$interpreter" ] || interpreter=python3
if have "$interpreter"; then
    check "Python" python "$interpreter"
else
    skip "Python" "no python3"
fi

fortran() {
    cd "$work" && gfortran -std=f2008 -Wall -Wextra -Werror -o test "$root/bindings/fortran/memkind.f90" \
        "$root/ctest/bindings/test_memkind.f90" -L"$libdir" -lmemkind && ./test
}
if have gfortran; then
    check "Fortran" fortran
else
    skip "Fortran" "no gfortran"
fi
