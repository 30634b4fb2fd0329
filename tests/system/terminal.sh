# SPDX-License-Identifier: MIT
# The interactive shell on a terminal: prompt, line editing, job control, signals from keys, window size, vi.
. "$PITH_TREE/tests/system/lib.sh"

# talk NAME STATUS: the script on stdin, on a pseudo-terminal; it must succeed and end with STATUS.
talk() {
    local name=$1 wanted=$2; shift 2
    cat >script
    TERM=xterm "$tools/pith_expect" script "${runner[@]}" "$@" >out 2>err
    local status=$?
    if ((status == wanted)); then pass "$name"; else fail_test "$name" "status $status, not $wanted"; fi
}

talk prompt 5 <<'E'
expect #
send echo $((6*7))\r
expect 42
expect #
send exit 5\r
E
talk erase 0 <<'E'
expect #
send echo abcX\x7fd\r
expect abcd\r\n
send exit\r
E
talk history 0 <<'E'
expect #
send echo one$((1+1))\r
expect one2
expect #
send \e[A\r
expect one2
send exit\r
E
talk interrupt 0 <<'E'
expect #
send sleep 100\r
pause 500
send \x03
expect #
send echo alive$((1+1))\r
expect alive2
send exit\r
E
talk job_control 0 <<'E'
expect #
send sleep 100\r
pause 500
send \x1a
expect Stopped
expect #
send jobs\r
expect sleep 100
send bg\r
expect #
send kill %1\r
expect #
send wait; echo gone$((1+1))\r
expect gone2
send exit\r
E
talk end_of_file 3 <<'E'
expect #
send (exit 3)\r
expect #
send \x04
E
talk is_a_terminal 0 -- sh -c 'test -t 0 && test -t 1 && test -t 2 && tty && stty size && echo $TERM' <<'E'
expect /dev/
expect 24 80
expect xterm
E
talk window_size 0 <<'E'
expect #
send stty size\r
expect 24 80
size 50 132
send stty size\r
expect 50 132
send exit\r
E
talk top 0 <<'E'
expect #
send top\r
expect PID
send q
expect #
send exit\r
E
talk vi 0 <<'E'
expect #
send vi /tmp/f\r
expect ~
send i
expect I /tmp/f
send hello vi
expect hello vi
send \e
expect - /tmp/f
send :wq\r
expect #
send cat /tmp/f | tr a-z A-Z\r
expect HELLO VI
send exit\r
E
talk raw_mode 0 <<'E'
expect #
send stty raw -echo; dd bs=1 count=3 2>/dev/null | od -An -c; stty sane\r
pause 700
send \x03\x1a\x04
expect 003 032 004
send exit\r
E
talk escape_key 130 -- sh -c 'trap "" INT TERM; echo ready; while :; do sleep 1; done' <<'E'
expect ready
send \x1dx
E
talk poweroff 0 <<'E'
expect #
send poweroff\r
E
talk reboot 0 <<'E'
expect #
send echo first$((1+1)) >/tmp/mark; cat /tmp/mark\r
expect first2
expect #
send reboot\r
expect #
send cat /tmp/mark; echo second$((1+1))\r
expect second2
send exit\r
E
