# SPDX-License-Identifier: MIT
# Processes, pipes and their ends: each round starts sixty and adds up what they say; some end by a signal.
wrong=0 n=0
end=$(($(date +%s) + FAULT_SECONDS))
while [ $(date +%s) -lt $end ]; do
    sum=$(i=0; while [ $i -lt 30 ]; do (echo $i) & i=$((i + 1)); done | { s=0; while read x; do s=$((s + x)); done; echo $s; })
    [ "$sum" = 435 ] || { echo "wrong: sum $sum in round $n"; wrong=1; }
    [ "$(seq 1 2000 | sort -rn | tac | awk '{ s += $1 } END { print s }')" = 2001000 ] || { echo "wrong: pipeline in round $n"; wrong=1; }
    sh -c 'kill -9 $$'
    [ $? = 137 ] || { echo "wrong: status in round $n"; wrong=1; }
    n=$((n + 1))
done
[ $wrong = 0 ] && echo "right: $n rounds"
exit $wrong
