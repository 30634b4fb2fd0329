# SPDX-License-Identifier: MIT
# The default root file system and what a command finds around it.
. "$PITH_TREE/tests/system/lib.sh"

run boot -- sh -c 'id -u; id -un; pwd; echo $HOME; echo $PATH; hostname; uname -s; uname -m' </dev/null
check identity 0 '0\nroot\n/root\n/root\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\npith\nLinux\nx86_64\n'
run boot -- sh -c 'stat -c "%a %U %F" / /tmp /root /dev/null /proc /bin/busybox /etc/passwd' </dev/null
check modes 0 '755 root directory\n1777 root directory\n700 root directory\n666 root character special file\n555 root directory\n755 root regular file\n644 root regular file\n'
run boot -- sh -c 'cat /etc/passwd /etc/group /etc/hosts /etc/resolv.conf /etc/hostname | wc -l; readlink /bin/cat' </dev/null
check files 0 "$(cat "$tree"/systems/rootfs/etc/{passwd,group,hosts,resolv.conf,hostname} | wc -l)\n/bin/busybox\n"
run boot --add "$tree/build/busybox/bin/busybox" -- cmp /bin/busybox /root/busybox </dev/null
check unmodified_busybox 0 ''
run boot -- sh -c 'busybox --list | while read -r applet; do command -v "$applet" >/dev/null || echo "$applet"; done' </dev/null
check applets 0 ''
run boot -- sh -c 'echo text >/root/new; mkdir /root/d; mv /root/new /root/d/; cat /root/d/new; rm -r /root/d; ls /root' </dev/null
check writable 0 'text\n'

printf '#!/bin/sh\necho "script: $*"\n' >script
chmod 750 script
printf 'plain\n' >plain
chmod 604 plain
mkdir -p folder/inner
printf 'deep\n' >folder/inner/file
run boot --add script --add plain:/etc/plain --add plain:/data/dir/ --add folder:/folder -- sh -c \
    './script a b; stat -c %a script /etc/plain /data/dir/plain; cat /data/dir/plain /folder/inner/file' </dev/null
check added 0 'script: a b\n750\n604\n604\nplain\ndeep\n'
run boot --add plain --add script:/root/plain -- ./plain </dev/null
check added_last_wins 0 'script: \n'

before=$(date +%s)
run boot -- date +%s </dev/null
after=$(date +%s)
check_that clock test "$(cat out)" -ge "$before" -a "$(cat out)" -le "$after"
run boot --icount -- sh -c 'date +%Y; head -c 16 /dev/urandom | md5sum' </dev/null
cp out first
run boot --icount -- sh -c 'date +%Y; head -c 16 /dev/urandom | md5sum' </dev/null
check_that icount_repeats cmp -s out first
check_that icount_clock grep -q '^2023$' out
run boot -- sh -c 'nproc; grep -c ^processor /proc/cpuinfo' </dev/null
check processors 0 "$PITH_SMP\n$PITH_SMP\n"
run boot --mem 32M -- sh -c 'echo small' </dev/null
check memory_32 0 'small\n'
run boot --log -- true </dev/null
check_that log_on_stderr test $status -eq 0 -a -s err -a ! -s out
