#!/bin/bash
# SPDX-License-Identifier: MIT
# coverage.sh [--record]: line coverage of kernel/core by its host tests, a line a file, then the whole. Fails below 95 %.
# Builds build/coverage for it. --record: the result goes to bench/results/coverage.json, with the commit.
# PITH_COVERAGE_JOBS: how many compilers at a time (2). LINES_MISSED=1: prints the lines that are never executed.
set -u -o pipefail
root=$(dirname "$(readlink -f "$0")")/../..
root=$(readlink -f "$root")
readonly least=95
build=$root/build/coverage
record=
case ${1-} in
    '') ;;
    --record) record=$root/bench/results/coverage.json ;;
    *) echo "usage: coverage.sh [--record]" >&2; exit 2 ;;
esac
cd "$root" || exit 1
[[ -e $build/build.ninja ]] || cmake --preset debug -B "$build" -DPITH_COVERAGE=ON >"$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
ninja -C "$build" -j"${PITH_COVERAGE_JOBS:-2}" host_kernel_test >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }

program=$build/tests/host/kernel/host_kernel_test
raw=$(mktemp -d)
trap 'rm -rf "$raw"' EXIT
LLVM_PROFILE_FILE=$raw/%p.profraw "$program" --gtest_brief=1 >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
llvm-profdata-19 merge -o "$build/profile" "$raw"/*.profraw || exit 1

report() { llvm-cov-19 "$1" "$program" -instr-profile="$build/profile" "${@:2}" kernel/core; }
if [[ ${LINES_MISSED-} ]]; then
    report show | awk -F'|' '/^[^ ].*:$/ { file = $0 } $2 ~ /^ *0$/ { print file $1 ":" $3 }'
fi
# Columns of the report: name, regions x3, functions x3, lines: all, missed, per cent.
table=$(report report | awk '$8 ~ /^[0-9]+$/ && $9 ~ /^[0-9]+$/ { print $1, $8, $9 }') || exit 1
[[ $table ]] || { echo "llvm-cov printed no table" >&2; exit 1; }
awk '{ printf "%-28s %5d lines %6.2f %%\n", $1, $2, $2 ? 100 * ($2 - $3) / $2 : 100 }' <<<"$table"
if [[ $record ]]; then
    {
        printf '{"suite":"coverage","commit":"%s"}\n' "$(git rev-parse --short HEAD)"
        awk '{ printf "{\"suite\":\"coverage\",\"name\":\"%s\",\"unit\":\"lines\",\"all\":%d,\"covered\":%d}\n",
            $1 == "TOTAL" ? "kernel/core" : $1, $2, $2 - $3 }' <<<"$table"
    } >"$record"
fi
awk -v least="$least" '$1 == "TOTAL" { exit !(100 * ($2 - $3) >= least * $2) }' <<<"$table" ||
    { echo "FAIL coverage: less than $least % of the lines"; exit 1; }
echo "ok coverage"
