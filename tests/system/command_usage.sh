# SPDX-License-Identifier: MIT
# ./pith itself: usage errors are one line and status 2, and nothing is installed or built for them.
. "$PITH_TREE/tests/system/lib.sh"

# A copy without a build directory: whatever is installed or built would show.
mkdir -p copy/systems
cp "$tree/pith" copy/
mkdir -p copy/tools/runner
cp "$tree/tools/runner/needed_libraries.sh" copy/tools/runner/
cp "$tree"/systems/{default,bare,storage,share,ethernet}.toml copy/systems/
pith=copy/pith
mkdir directory
touch file 'with:colon'

usage() {
    local name=$1 pattern=$2; shift 2
    run "$pith" "$@" </dev/null
    check_line "usage_$name" 2 "$pattern"
}
usage unknown_option "unknown option '--frobnicate'" run --frobnicate
usage unknown_command "unknown command 'frobnicate'" frobnicate
usage stray_argument "unexpected argument 'ls'" run ls
usage no_command "no command behind" run --
usage smp_zero '--smp 0' run --smp 0
usage smp_many '--smp 9' run --smp=9
usage smp_word '--smp two' run --smp two
usage smp_missing '--smp needs a value' run --smp
usage mem_word '--mem lots' run --mem lots
usage mem_small '--mem 1M' run --mem 1M
usage timeout_zero '--timeout 0' run --timeout 0
usage timeout_negative '--timeout -1' run --timeout -1
usage add_missing "no such file: 'nowhere'" run --add nowhere -- true
usage add_relative 'guest path' run --add file:relative
usage add_outside 'guest path' run --add file:/../x
# Dynamic programs whose library or interpreter is nowhere; the names are those of a program that is everywhere.
sed 's/libc\.so\.6/libq.so.6/g' /usr/bin/env >no_library
sed 's/ld-linux-x86-64/ld-linux-none-64/g' /usr/bin/env >no_interpreter
usage add_no_library 'no_library needs the library libq.so.6' run --add no_library -- true
usage add_no_interpreter 'its interpreter .*ld-linux-none-64.so.2' run --add no_interpreter -- true
usage build_type '--build fast' run --build fast
usage arch '--arch vax' run --arch vax
usage system '--system none' run --system none
usage system_path '--system' run --system ../default
usage flag_value '--icount takes no value' run --icount=yes
usage disk_memory 'it takes 48M' run --mem 47M --disk file -- true
usage disk_missing '--disk nowhere: no such file' run --disk nowhere -- true
usage disk_directory '--disk directory: neither' run --disk directory -- true
usage nvme_disk_missing '--nvme-disk nowhere: no such file' run --nvme-disk nowhere -- true
usage nvme_disk_driver "--nvme-disk: system 'default' has no driver" run --system default --nvme-disk file -- true
usage disk_value '--disk needs a value' run --disk
usage rootfs_missing '--rootfs nowhere: no such file' run --rootfs nowhere -- true
usage rootfs_twice 'only one' run --rootfs file --rootfs directory -- true
usage rootfs_and_add 'not together' run --rootfs directory --add file -- true
usage share_missing '--share nowhere: no such directory' run --share nowhere -- true
usage share_file '--share file: not a directory' run --share file -- true
usage share_twice 'only one' run --share directory --share directory -- true
usage share_value '--share needs a value' run --share
# A port of this machine's that somebody listens to, for as long as the script runs.
coproc listener { exec perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) && bind(S, sockaddr_in(0, INADDR_LOOPBACK)) && listen(S, 1) or die;
    $| = 1; print +(sockaddr_in(getsockname(S)))[0], "\n"; <STDIN>'; }
listener_process=$listener_PID
read -r used <&"${listener[0]}"
chaos() { usage "chaos_$1" "$2" run "${@:3}"; }
chaos missing '--chaos needs a value' --chaos
chaos zero '--chaos 0: must be from 1 to' --chaos 0
chaos word '--chaos soon: must be from 1 to' --chaos soon
chaos alone '--chaos-target and --chaos-seed go with --chaos only' --chaos-target log
chaos seed_alone '--chaos-target and --chaos-seed go with --chaos only' --chaos-seed 5
chaos seed_word '--chaos-seed x: must be from 1 to' --chaos 5 --chaos-seed x
chaos nobody '--chaos-target nobody: not a component of system' --chaos 5 --chaos-target nobody
chaos disk "--chaos-target virtio_blk: not a component of system 'default'" --chaos 5 --chaos-target virtio_blk
chaos root '--chaos-target root: it may not be killed' --chaos 5 --chaos-target root
forward() { usage "forward_$1" "$2" run --system ethernet "${@:3}"; }
forward missing '-p needs a value' -p
forward word '-p http:80: must be HOSTPORT:GUESTPORT' -p http:80
forward one '-p 8080: must be HOSTPORT:GUESTPORT' -p 8080
forward three '-p 127:0:1: must be' -p 127:0:1
forward negative '-p -1:80: must be' -p -1:80
forward host_zero '-p 0:80: ports are from 1 to 65535' -p 0:80
forward guest_zero '-p 8080:0: ports are from 1 to 65535' -p 8080:0
forward host_large '-p 65536:80: ports are' -p 65536:80
forward guest_large '-p 8080:65536: ports are' -p 8080:65536
forward in_use "-p $used:80: port $used of this machine: Address already in use" -p "$used:80" -- true
exec {listener[1]}>&-
wait "$listener_process"
forward twice "-p $used:81: port $used of this machine is forwarded already" -p "$used:80" -p "$used:81" -- true
forward no_network '-p: not together with --no-network' -p "$used:80" --no-network -- true
forward little_memory '--mem 63M: with -p it takes 64M' -p "$used:80" --mem 63M -- true
forward little_memory_disk '--mem 95M: with -p it takes 96M' -p "$used:80" --mem 95M --disk file -- true
usage forward_bare "-p: system 'bare' has no network" run --system bare -p "$used:80" -- true
usage no_network_value '--no-network takes no value' run --no-network=yes
usage image 'not there yet' image file
usage trace_output 'no such directory' trace --output nowhere/file -- true
usage trace_output_empty 'no such directory' trace --output= -- true
usage trace_ring '--ring 3' trace --ring 3 -- true
usage trace_only 'option of trace' run --output file -- true
usage trace_command "no command behind" trace --
usage suite "unknown test suite 'everything'" test everything
usage bench_suite "unknown benchmark suite 'everything'" bench everything
usage bench_json 'no such directory' bench boot --json nowhere/file
usage graph_system '--system none' graph none
check_that usage_builds_nothing test ! -e copy/build

run "$pith"
check_that no_argument_is_an_error test $status -eq 2
run "$pith" --help
check_that help test $status -eq 0 -a -s out -a ! -s err
run "$pith" --version
check_that version test $status -eq 0 -a -s out -a ! -s err
run "$pith" run --help
check_that run_help test $status -eq 0 -a -s out -a ! -s err
run "$pith" trace --help
check_that trace_help test $status -eq 0 -a -s out -a ! -s err

# What the runner itself checks, for those that call it directly.
run "$tools/pith_run" --bundle x
check_line runner_missing_kernel 2 kernel
run "$tools/pith_run" --kernel x --bundle nowhere
check_line runner_missing_bundle 2 'nowhere: No such file'
run "$tools/pith_run" --kernel x --bundle file --disk nowhere
check_line runner_missing_disk 2 'nowhere: No such file'
run "$tools/pith_run" --kernel x --bundle file --forward 80:81
check_line runner_forward_alone 2 'there is no network'
run "$tools/pith_run" --kernel x --bundle file --network --forward 80:65536
check_line runner_forward 2 'must be HOSTPORT:GUESTPORT'
run "$tools/pith_run" --kernel x --bundle file --add directory:relative
check_line runner_guest_path 2 'guest path'
