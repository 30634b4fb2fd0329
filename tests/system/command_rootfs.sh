# SPDX-License-Identifier: MIT
# ./pith rootfs: usage errors come before all else; an image has what it should have, with the right owners and modes;
# nothing is left behind by one that could not be made. What takes the package archive is tested where that is reached.
. "$PITH_TREE/tests/system/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

mkdir -p copy/tools files/directory tmp
cp "$tree/pith" copy/
cp -r "$tree/tools/rootfs" copy/tools/
touch files/there
ln -s nowhere files/link

usage() {
    local name=$1 pattern=$2; shift 2
    run copy/pith rootfs "$@" </dev/null
    check_line "rootfs_usage_$name" 2 "$pattern"
}
usage no_file 'needs the FILE'
usage option "unknown option '--frobnicate'" files/new --frobnicate
usage directory "no such directory: 'nowhere'" nowhere/new
usage is_directory 'is a directory' files/directory --force
usage exists '--force replaces it' files/there
usage exists_link '--force replaces it' files/link
usage exists_device 'not a file' /dev/null --force
usage package "'Bash': not a name" files/new Bash
usage package_option "'-y': not a name" files/new -- -y
usage package_path "'./x.deb': not a name" files/new bash ./x.deb
usage size_word '--size lots' files/new --size lots
usage size_small '--size 10M' files/new --size 10M
usage size_large '--size' files/new --size=2000000G
usage size_missing '--size needs a value' files/new --size
check_that rootfs_usage_builds_nothing test ! -e copy/build -a ! -e files/new
run copy/pith rootfs --help
check_that rootfs_help test $status -eq 0 -a -s out -a ! -s err

archive_there || { echo 'not tested further: the package archive is not reached'; exit 0; }

# unfinished NAME STATUS FILE COMMAND...: ends with this status, and leaves neither FILE nor anything else.
unfinished() {
    local name=$1 wanted=$2 left; shift 2
    TMPDIR=$work/tmp run "$@"
    left=$(ls -A tmp; ls -A files)
    if ((status != wanted)); then
        fail_test "$name" "status $status, not $wanted"
    elif [[ $left != "$before" ]]; then
        fail_test "$name" "left behind: $left"
    else
        pass "$name"
    fi
}
before=$(ls -A tmp; ls -A files)
unfinished rootfs_package_missing 1 "$tree/pith" rootfs --force files/there less no-such-package
check_that rootfs_package_old_file_kept test ! -s files/there
check_that rootfs_package_named grep -q 'no package no-such-package$' err
check_that rootfs_package_line test "$(grep -vc ': making ' err)" = 1

# ended_by SIGNAL: once mmdebstrap is at work.
ended_by() {
    "$tree/pith" rootfs files/new &
    local pid=$!
    for ((i = 0; i < 300; ++i)); do
        compgen -G 'tmp/*/root/var' >/dev/null && break
        sleep 0.1
    done
    kill -"$1" $pid
    wait $pid
}
unfinished rootfs_terminated 143 ended_by TERM
unfinished rootfs_hung_up 129 ended_by HUP

if debian_root; then pass rootfs_made; else fail_test rootfs_made "status $?"; exit; fi

run e2fsck -fn "$debian_root"
check_that rootfs_file_system_clean test $status -eq 0

# field NAME: of the superblock.
dumpe2fs -h "$debian_root" >header 2>/dev/null
field() { sed -n "s/^$1: *//p" header; }

# has NAME PATH MODE: of root, with this mode, as debugfs says it.
has() {
    local found
    found=$(debugfs -R "stat $2" "$debian_root" 2>/dev/null |
        sed -nE 's/.*Mode: +([0-7]+).*/\1/p; s/^User: +([0-9]+) +Group: +([0-9]+).*/\1:\2/p' | paste -sd' ')
    if [[ $found == "$3 0:0" ]]; then pass "$1"; else fail_test "$1" "$2: '$found', not '$3 0:0'"; fi
}
has rootfs_root / 0755
has rootfs_setuid /usr/bin/su 04755
has rootfs_tmp /tmp 01777
has rootfs_home /root 0700
has rootfs_hostname_mode /etc/hostname 0644
for program in bash ls grep sed perl tar find diff dpkg; do has "rootfs_$program" "/usr/bin/$program" 0755; done

# contains NAME PATH PATTERN: a line of the file matches.
contains() {
    if debugfs -R "cat $2" "$debian_root" 2>/dev/null | grep -Eq "$3"; then
        pass "$1"
    else
        fail_test "$1" "no '$3' in $2"
    fi
}
contains rootfs_hostname /etc/hostname '^pith$'
# Its name servers come with the network, at each start.
contains rootfs_resolv_conf /etc/resolv.conf '^# From the network, at the start$'
contains rootfs_hosts /etc/hosts pith
contains rootfs_fstab /etc/fstab "^UUID=$(field 'Filesystem UUID') / ext4 "
contains rootfs_no_password /etc/passwd '^root::0:0:root:/root:/bin/bash$'

# entries PATH: the names in a directory.
entries() { debugfs -R "ls -p $1" "$debian_root" 2>/dev/null | cut -d/ -f6 | grep -Evx '\.|\.\.|' | paste -sd' '; }
check_that rootfs_no_apt test -z "$(entries /var/cache | grep -w apt)$(entries /var/lib | grep -w apt)"
check_that rootfs_no_sources test "$(entries /etc/apt)" = apt.conf.d
check_that rootfs_no_leftovers test -z "$(entries /tmp)$(entries /dev)"

free=$((($(field 'Free blocks') - $(field 'Reserved block count')) * $(field 'Block size')))
check_that rootfs_room test $free -ge $((512 << 20)) -a $free -le $((1 << 30))
check_that rootfs_sparse test $(($(stat -c %b "$debian_root") * 512)) -lt $((300 << 20))
