# SPDX-License-Identifier: MIT
# On the host: sets keys and counts, over one TCP connection, until the time is over; then every key that was acknowledged is there, and nothing was
# done twice. FAULT_FORWARD: the port.
[[ $1 == visit ]] || exit 0
wrong() { echo "wrong: $*"; exit 1; }
until exec 3<>"/dev/tcp/127.0.0.1/$FAULT_FORWARD" && printf 'PING\r\n' >&3 && read -r -t 30 line <&3 && [[ $line == +PONG* ]]; do
    ((SECONDS < 100)) || wrong "redis does not answer"
    sleep 0.2
done 2>/dev/null
readonly batch=50 most=20000
# answer WANTED: the next line.
answer() {
    read -r -t 100 line <&3 || wrong "no answer, $1 was due"
    [[ $line == "$1"$'\r' ]] || wrong "answer '$line', not '$1'"
}
value() { printf -v "$1" '%d-%0100d' "$2" "$2"; }
# look_up FROM TO: what was set is there.
look_up() {
    for ((i = $1; i < $2; i++)); do printf 'GET key%d\r\n' "$i"; done >&3 || wrong "the connection has ended"
    for ((i = $1; i < $2; i++)); do
        value text "$i"
        answer "\$${#text}"
        answer "$text"
    done
}
n=0 end=$((SECONDS + FAULT_SECONDS))
while ((SECONDS < end)); do
    if ((n == most)); then  # all are looked up at the end, which is to take its time too
        k=$(((RANDOM << 15 | RANDOM) % (n - batch)))
        look_up "$k" "$((k + batch))"
        continue
    fi
    for ((i = n; i < n + batch; i++)); do
        value text "$i"
        printf 'SET key%d %s\r\nINCR count\r\n' "$i" "$text"
    done >&3 || wrong "the connection has ended"
    for ((i = 0; i < batch; i++)); do
        answer +OK
        answer ":$((n + i + 1))"
    done
    n=$((n + batch))
done
for ((k = 0; k < n; k += batch)); do look_up "$k" "$((k + batch))"; done
printf 'DBSIZE\r\n' >&3
answer ":$((n + 1))"
printf 'SHUTDOWN NOSAVE\r\n' >&3
echo "right: $n keys"
