#!/bin/bash
# SPDX-License-Identifier: MIT
# fuzz.sh [RUNS [SEED]]: the system-call fuzzer of the host's kernel (tests/host/fuzz), so many inputs (default 5000) from a
# seed (default 1): prints "ok syscall_fuzz", or "FAIL syscall_fuzz" and the input that fails.
# fuzz.sh --record SECONDS [SEED]: a long run on the corpus in build/fuzz-corpus, which it adds to; its log goes to
# bench/results/syscall_fuzz.log and its figures (commit, seed, executions, coverage) to bench/results/syscall_fuzz.json.
# PITH_BUILD: the build with the program (default build/debug).
set -u -o pipefail
root=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
program=${PITH_BUILD:-$root/build/debug}/tests/host/kernel/syscall_fuzz
readonly common=(-max_len=600 -len_control=0 -print_final_stats=1 -timeout=20 -rss_limit_mb=2048)
usage() { echo "usage: fuzz.sh [RUNS [SEED]] | fuzz.sh --record SECONDS [SEED]" >&2; exit 2; }
[[ -x $program ]] || { echo "FAIL syscall_fuzz: build the target syscall_fuzz first"; exit 1; }

if [[ ${1-} != --record ]]; then
    [[ ${1-1} =~ ^[1-9][0-9]*$ && ${2-1} =~ ^[0-9]+$ ]] || usage
    directory=$(mktemp -d)
    trap 'rm -rf "$directory"' EXIT
    log=$("$program" "${common[@]}" -runs="${1-5000}" -seed="${2-1}" -artifact_prefix="$directory/" 2>&1)
    status=$?
    grep -E '^(stat::number_of_executed_units|#.*DONE)' <<<"$log"
    if ((status != 0)); then
        grep -v -E '^#' <<<"$log" | tail -60
        echo "FAIL syscall_fuzz: seed ${2-1}"
        exit 1
    fi
    echo "ok syscall_fuzz"
    exit 0
fi

[[ ${2-} =~ ^[1-9][0-9]*$ && ${3-1} =~ ^[0-9]+$ ]] || usage
corpus=$root/build/fuzz-corpus log=$root/bench/results/syscall_fuzz.log
mkdir -p "$corpus"
commit=$(git -C "$root" rev-parse --short HEAD)
{
    echo "commit $commit, seed ${3-1}, $2 seconds"
    "$program" "${common[@]}" -max_total_time="$2" -seed="${3-1}" -artifact_prefix="$corpus/../" "$corpus" 2>&1 |
        grep -v -E '^#[0-9]+\s+(NEW|REDUCE|pulse|RELOAD)|NEW_FUNC' | sed "s#$root/##g"
    echo "status ${PIPESTATUS[0]}"
} | tee "$log" | tail -12
grep -q '^status 0$' "$log" || { echo "FAIL syscall_fuzz: see $log"; exit 1; }
awk -v commit="$commit" -v seed="${3-1}" -v seconds="$2" '
    /DONE/ { for (i = 1; i < NF; i++) { if ($i == "cov:") edges = $(i + 1); if ($i == "corp:") corpus = $(i + 1) } }
    /^stat::number_of_executed_units/ { runs = $2 }
    END { sub("/.*", "", corpus)
        printf "{\"suite\":\"syscall_fuzz\",\"commit\":\"%s\"}\n", commit
        printf "{\"suite\":\"syscall_fuzz\",\"name\":\"executions\",\"unit\":\"inputs\",\"value\":%d,\"seed\":%d,\"seconds\":%d,\"edges\":%d,\"corpus\":%d}\n",
            runs, seed, seconds, edges, corpus }' "$log" >"$root/bench/results/syscall_fuzz.json"
echo "ok syscall_fuzz"
