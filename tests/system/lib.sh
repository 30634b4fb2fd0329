# SPDX-License-Identifier: MIT
# What the scripts of suite system share. PITH_TREE, PITH_TYPE and PITH_SMP say what is tested. A script prints
# "ok NAME" or "FAIL NAME: why" for each of its tests, and nothing else is a test.
set -u
readonly tree=$PITH_TREE build=$PITH_TREE/build/$PITH_TYPE
readonly tools=$build/tools small=$PITH_TREE/build/debug/tests/system
readonly work=$(mktemp -d /tmp/pith-test-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work"

# The runner with what ./pith run --no-network would give it; later options win.
runner=("$tools/pith_run" --kernel "$build/kernel/pith-kernel.elf" --bundle "$build/bare.bundle"
    --smp "$PITH_SMP" --timeout 60)
boot() {
    if [[ " $* " == *' --disk '* || " $* " == *' --rootfs '* ]]; then set -- --bundle "$build/storage-offline.bundle" "$@"; fi
    "${runner[@]}" "$@"
}

pass() { echo "ok $1"; }
fail_test() {
    local name=$1; shift
    for file in out err; do
        [[ -s $work/$file ]] && { echo "$file:"; tail -c 1500 "$work/$file" | tr -c "[:print:]\n" . | fold -w 150 | tail -20; }
    done
    echo "FAIL $name: $*"
}

# run COMMAND...: its streams go to the files out and err, its status to $status. stdin is the caller's.
run() {
    "$@" >"$work/out" 2>"$work/err"
    status=$?
}

# check NAME STATUS OUTPUT: the last run's status, and exactly this output (printf's escapes), and nothing on stderr.
check() {
    if ((status != $2)); then
        fail_test "$1" "status $status, not $2"
    elif ! printf '%b' "$3" | cmp -s - "$work/out"; then
        fail_test "$1" "other output than wanted"
    elif [[ -s $work/err ]]; then
        fail_test "$1" "output on stderr"
    else
        pass "$1"
    fi
}

# check_line NAME STATUS PATTERN: this status, nothing on stdout, and one line on stderr that matches the pattern.
check_line() {
    if ((status != $2)); then
        fail_test "$1" "status $status, not $2"
    elif [[ -s $work/out ]]; then
        fail_test "$1" "output on stdout"
    elif (($(wc -l <"$work/err") != 1)) || ! grep -Eq -- "$3" "$work/err"; then
        fail_test "$1" "not one line on stderr that matches '$3'"
    else
        pass "$1"
    fi
}

# check_that NAME CONDITION...: a command that must succeed.
check_that() {
    local name=$1; shift
    if "$@"; then pass "$name"; else fail_test "$name" "not so: $*"; fi
}

# archive_there: whether the machine's apt reaches its archive of Debian.
archive_there() {
    local uri
    uri=$(apt-get indextargets --format '$(BASE_URI)InRelease' 'Created-By: Packages' 'Origin: Debian' | head -1)
    [[ $uri ]] && timeout 60 /usr/lib/apt/apt-helper download-file "$uri" "$work/archive" >/dev/null 2>&1
}

# debian_root PACKAGE...: sets $debian_root to an image that ./pith rootfs made of these packages; fails where it can't
# be made. It is kept in build/rootfs until what makes it changes: to read, or to copy.
debian_root() {
    local name=essential key
    (($# == 0)) || name=$(printf '%s\n' "$@" | sort -u | paste -sd+)
    key=$(cat "$tree"/tools/rootfs/* "$tree"/systems/rootfs/etc/* | sha256sum | cut -c1-16)
    debian_root=$tree/build/rootfs/$name-$key.img
    mkdir -p "$tree/build/rootfs"
    (
        flock 8
        [[ ! -e $debian_root ]] || exit 0
        rm -f "$tree/build/rootfs/$name"-????????????????.img
        "$tree/pith" rootfs "$debian_root" "$@" >"$work/out" 2>"$work/err"
    ) 8>"$tree/build/rootfs/.lock"
}

taken_ports=()
# free_port VARIABLE: a port of this host that nobody listens on; none of those that the host gives to who connects.
free_port() {
    local chosen_port
    while :; do
        chosen_port=$((20000 + RANDOM % 12000))
        [[ " ${taken_ports[*]} " != *" $chosen_port "* ]] || continue
        grep -Eq "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$chosen_port") " /proc/net/{tcp,tcp6,udp,udp6} || break
    done
    taken_ports+=("$chosen_port")
    printf -v "$1" %s "$chosen_port"
}
