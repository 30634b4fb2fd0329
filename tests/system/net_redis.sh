# SPDX-License-Identifier: MIT
# Debian's redis-server in the guest, and redis-cli and redis-benchmark on the host and in the guest.
. "$PITH_TREE/tests/system/net_lib.sh"

readonly requests=20000
free_port port
start_guest '
redis-server --save "" --protected-mode no --port 6379 --dir /tmp --logfile /tmp/redis.log --daemonize no &
until [ "$(redis-cli ping 2>/dev/null)" = PONG ]; do sleep 0.1; done
for pipelined in 1 16; do
    redis-benchmark -q --csv -n '$requests' -P $pipelined -t ping,set,get >/tmp/$pipelined.csv && echo "benchmark $pipelined: $(wc -l </tmp/$pipelined.csv)"
done
redis-cli -s /tmp/none.sock ping 2>&1 | sed "s/^/unix: /"
echo done
wait_for_end
redis-cli shutdown nosave
wait
' "$port:6379"

cli() { redis-cli -h 127.0.0.1 -p "$port" "$@"; }
alive() { [[ $(cli ping) == PONG ]]; }
check_that redis_answers until_ok 60 alive
guest_says done 200
check_that redis_benchmark_in_guest grep -aqx 'benchmark 1: 5' guest.out
check_that redis_benchmark_in_guest_pipelined grep -aqx 'benchmark 16: 5' guest.out
check_that redis_unix_absent grep -aq 'unix: Could not connect.*No such file' guest.out

# What is stored comes back: from one byte to a megabyte.
cli flushall >/dev/null
for size in 1 1000 100000 1000000; do
    head -c "$size" /dev/urandom >value
    cli -x set "key$size" <value >out 2>err && cli get "key$size" >found 2>err
    check_that "redis_value_$size" cmp -s <(cat value; echo) found
done
check_that redis_strlen test "$(cli strlen key1000000)" = 1000000

# benchmark NAME COMMAND...: each of so many requests is answered.
benchmark() {
    local name=$1; shift
    run timeout 120 redis-benchmark -h 127.0.0.1 -p "$port" -q --csv -n "$requests" "$@"
    check_that "$name" test "$status" = 0 -a ! -s err
}
for pipelined in 1 16; do
    benchmark "redis_benchmark_$pipelined" -P "$pipelined" -t ping,set,get
    check_that "redis_benchmark_${pipelined}_rows" test "$(wc -l <out)" = 5
    sed 's/^/    /' out
done
cli set counter 0 >/dev/null
benchmark redis_counted -c 100 incr counter
check_that redis_counts test "$(cli get counter)" = "$requests"
stop_guest redis
[[ $guest_status == 0 ]] || show_guest
