# SPDX-License-Identifier: MIT
# Downloads from the host, one TCP connection each, until the time is over: every byte arrives once and in order.
wrong=0 n=0
want=$(seq 1 320000 | sha256sum)
end=$(($(date +%s) + FAULT_SECONDS))
while [ $(date +%s) -lt $end ]; do
    [ "$(nc 10.0.2.2 $FAULT_PORT </dev/null | sha256sum)" = "$want" ] || { echo "wrong: download $n"; wrong=1; }
    n=$((n + 1))
done
[ $wrong = 0 ] && echo "right: $n downloads"
exit $wrong
