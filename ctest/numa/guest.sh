#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs in the test machine: does what the lines of a plan say and prints a line
# "=== WORDS" before the output of each. compare.py makes the plan and reads this.
#
# usage: guest.sh PLAN
here=$(dirname "$0")
export LD_LIBRARY_PATH="$here/lib"
echo "=== kernel $(uname -r)"
while IFS= read -r line; do
    word=${line%% *}
    rest=${line#* }
    case $word in
    with) echo "=== ${line%% : *}" ;;
    *) echo "=== $line" ;;
    esac
    case $word in
    kinds) "$here/kinds" 2>&1 ;;
    with)
        # Lists of words: variables before the colon, kinds behind it.
        # shellcheck disable=SC2086
        env ${rest%% : *} "$here/kinds" ${rest##* : } 2>&1
        ;;
    tool | match)
        # Variables and arguments, in any order, behind the program.
        program=${rest%% *}
        variables='' arguments=''
        for each in ${rest#"$program"}; do
            case $each in
            *=*) variables="$variables $each" ;;
            *) arguments="$arguments $each" ;;
            esac
        done
        [ -x "$here/$program" ] || {
            echo "no such program"
            continue
        }
        # shellcheck disable=SC2086
        env $variables "$here/$program" $arguments 2>&1
        status=$?
        [ $status = 0 ] || echo "status $status"
        ;;
    run)
        "$here/$rest" 2>&1
        echo "status $?"
        ;;
    esac
    echo "=== uptime $(cut -d' ' -f1 /proc/uptime)"
done <"$1"
