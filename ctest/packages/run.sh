#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The packages as their users have them: each is made, installed in a root of its own, used and removed.
#
# usage: ctest/packages/run.sh short | full
#   short  from what is built already, in empty roots without a system: seconds
#   full   as released: a bare Debian from debootstrap, the source archive built there without a network, the container
#          file; as root, with a network, in about twenty minutes
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/packages/lib.sh
mode=${1:-short}
work=$(new_workdir "packages-$mode") || exit 2
export PACKAGES=$work

case $mode in
short)
    export PACKAGE_AS_BUILT=yes
    ctest/packages/recipes.sh
    ctest/packages/empty.sh
    ;;
full)
    ctest/packages/recipes.sh
    ctest/packages/empty.sh
    ctest/packages/other_machine.sh
    ctest/packages/debian.sh
    ctest/packages/container.sh
    ;;
*)
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
    ;;
esac
exit 0
