# SPDX-License-Identifier: MIT
# An ssh server for ssh_visitor.sh, whose last command ends it.
mkdir -p /run/sshd /root/.ssh && chmod 700 /root/.ssh && echo "$FAULT_KEY" >/root/.ssh/authorized_keys
ssh-keygen -A >/dev/null
/usr/sbin/sshd -D -e -o UsePAM=no -o PermitRootLogin=yes 2>/tmp/sshd.log &
until [ -e /tmp/end ]; do sleep 0.2; done
kill $!
wait
