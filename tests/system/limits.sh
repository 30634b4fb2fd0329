# SPDX-License-Identifier: MIT
# Programs that misbehave: what they do is theirs, and the shell goes on.
. "$PITH_TREE/tests/system/lib.sh"
programs=$tree/build/debug/system-programs

run boot --add "$programs/wild_pointer" -- ./wild_pointer </dev/null
check wild_pointer 139 ''
run boot --add "$programs/wild_pointer" -- ./wild_pointer stack </dev/null
check stack_is_not_executable 139 ''
run boot --add "$programs/wild_pointer" -- sh -c './wild_pointer; echo "first $?"; ./wild_pointer stack; echo "second $?"' </dev/null
check_that shell_survives_faults grep -q 'second 139' out

# A machine too small for its system says what could not be, and ends.
run boot --bundle "$build/storage-offline.bundle" --mem 24M -- true </dev/null
check_that too_little_memory_status test $status -eq 125
check_that too_little_memory_report grep -q '^root: [a-z0-9_]* needs [0-9]* pages of memory, [0-9]* are left$\|^root: .*: .*memory\|^root: linux is given up: cannot be started' err
check_that too_little_memory_line grep -qx 'pith: the system has stopped' err

run boot --mem 128M --add "$programs/fork_forever" -- sh -c './fork_forever 2>/dev/null; echo "status $?"; echo alive | tr a-z A-Z' \
    </dev/null
check_that fork_without_end grep -qx refused out
check_that fork_without_end_shell grep -qx ALIVE out

run boot --mem 128M --add "$programs/allocate_forever" -- sh -c \
    './allocate_forever 2>/dev/null; s=$?; test $s -eq 0 -o $s -eq 137 && echo refused; echo alive | tr a-z A-Z' </dev/null
check_that allocate_without_end grep -qx refused out
check_that allocate_without_end_shell grep -qx ALIVE out

# Programs that spin, more than there are CPUs: fifty small commands still get their turn.
run boot --timeout 150 -- sh -c 'for i in 1 2 3 4 5; do while :; do :; done & done
    i=0; while [ $i -lt 50 ]; do true | true; i=$((i + 1)); done; echo responsive' </dev/null
check responsive_under_spinning 0 'responsive\n'

# Two programs that spin each get a CPU of their own, where there are two.
if ((PITH_SMP > 1)); then
    run boot --timeout 150 -- sh -c 'while :; do :; done & a=$!; while :; do :; done & b=$!
        cpu() { awk "{ print \$39 }" "/proc/$1/stat"; }
        until [ "$(cpu $a)" != "$(cpu $b)" ]; do sleep 0.01; done; echo apart' </dev/null
    check spinning_programs_spread 0 'apart\n'
fi

head -c 1000 "$tree/build/busybox/bin/busybox" >truncated
head -c 1000 /dev/urandom >garbage
printf '\177ELF garbage' >short
chmod +x truncated garbage short
for file in truncated garbage short; do
    run boot --add $file -- ./$file </dev/null
    check_that "elf_$file" test $status -eq 126 -a ! -s out
done
