# SPDX-License-Identifier: MIT
# On the host: one ssh session that writes lines until the time is over, and another that sends back what it is sent; every line arrives once and in
# order. FAULT_FORWARD: the port.
if [[ $1 == prepare ]]; then
    ssh-keygen -q -t ed25519 -N '' -f key && echo "FAULT_KEY=$(<key.pub)"
    exit
fi
wrong() { echo "wrong: $*"; exit 1; }
remote() {
    ssh -i key -p "$FAULT_FORWARD" -o UserKnownHostsFile=known -o StrictHostKeyChecking=accept-new -o BatchMode=yes -o LogLevel=ERROR \
        -o ConnectTimeout=60 root@127.0.0.1 "$@"
}
until remote true </dev/null 2>/dev/null; do
    ((SECONDS < 100)) || wrong "sshd does not answer"
    sleep 0.2
done
seq 1 60000 >sent
remote cat <sent >back & echoes=$!
remote "i=0 end=\$((\$(date +%s) + $FAULT_SECONDS))
    while [ \$(date +%s) -lt \$end ]; do
        k=0; while [ \$k -lt 100 ]; do i=\$((i + 1)) k=\$((k + 1)); echo \"line \$i\"; done
    done
    echo \"end \$i\"" </dev/null >lines || wrong "the session ends with $?"
n=$(sed -n '$s/^end //p' lines)
[[ $n ]] || wrong "the session's end is missing"
{ seq -f 'line %.0f' 1 "$n"; echo "end $n"; } | cmp - lines || wrong "other lines than were written"
wait "$echoes" || wrong "the session with cat ends with $?"
cmp sent back || wrong "other lines than were sent"
remote 'echo >/tmp/end' </dev/null || wrong "the last session ends with $?"
echo "right: $n lines"
