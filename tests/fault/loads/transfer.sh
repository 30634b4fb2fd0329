# SPDX-License-Identifier: MIT
# 64 MiB from the host over one TCP connection, again and again until the time is over: every byte arrives once and in order.
wrong=0 n=0
end=$(($(date +%s) + FAULT_SECONDS))
while [ $n = 0 ] || [ $(date +%s) -lt $end ]; do
    [ "$(nc 10.0.2.2 $FAULT_PORT </dev/null | sha256sum)" = "$FAULT_SUM  -" ] || { echo "wrong: transfer $n"; wrong=1; }
    n=$((n + 1))
done
[ $wrong = 0 ] && echo "right: $n transfers"
exit $wrong
