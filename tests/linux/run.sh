# SPDX-License-Identifier: MIT
# Runs the tests of suite linux, on the host and on Pith alike, by busybox's shell: run.sh PROGRAMS WORK BUSYBOX SCALE.
# Each gets an empty directory WORK/NAME, is run there as ./NAME, and has five minutes. The only commands are busybox's.
# Tests that move much data divide it by SCALE. For each: "=== NAME STATUS SIZE", a newline, what it printed (SIZE bytes),
# a newline. LOCK: a folder of the host that is locked while a test runs, for those of other runs at the same time: they
# would meet where the host has one name for all (abstract names of sockets).
programs=$1 work=$2 busybox=$3 lock=$LOCK flock=$(command -v flock)
unset LOCK
export SCALE=$4
ulimit -c 0
umask 022
rm -rf "$work"
mkdir -p "$work/out" "$work/bin" || exit 1
for applet in $("$busybox" --list); do ln -s "$busybox" "$work/bin/$applet"; done
export PATH=$work/bin
run_it() {
    case $name in
        *.sh) timeout 300 "$busybox" sh "./$name" ;;
        *) timeout 300 "./$name" ;;
    esac </dev/null >"$work/out/$name" 2>&1
}
for program in "$programs"/*; do
    [ -f "$program" ] || continue
    name=${program##*/}
    mkdir "$work/$name" || exit 1
    cd "$work/$name" || exit 1
    cp "$program" "./$name"
    case $name in
        dyn_*) cp -r "$programs/lib" . ;;
    esac
    if [ "$lock" ]; then ("$flock" 9 && run_it 9<&-) 9<"$lock"; else run_it; fi
    status=$?
    cd /
    echo "=== $name $status $(wc -c <"$work/out/$name")"
    cat "$work/out/$name"
    echo
    rm -rf "${work:?}/$name"
done
exit 0
