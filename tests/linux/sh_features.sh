# SPDX-License-Identifier: MIT
# The shell's own features, which lean on the kernel: redirections, here-documents, subshells, substitutions, traps, wait,
# background jobs, exit statuses, signals, pipes that break, read with a timeout.
echo one > f; echo two >> f; cat < f
cat <<END
here $((6 * 7)) $(echo substituted)
END
cat <<'END' | tr a-z A-Z
quoted $HOME
END
(cd / && pwd); pwd | grep -c .
x=1; (x=2); echo "x $x"
{ echo out; echo err >&2; } 2>&1 | sort
exec 3> g; echo three >&3; exec 3>&-; cat g
exec 4< f; read a <&4; read b <&4; echo "$a-$b"; exec 4<&-
false; echo "false $?"
sh_missing_command 2>/dev/null; echo "missing $?"
: > noexec; ./noexec 2>/dev/null; echo "not executable $?"
(exit 42); echo "exit $?"
true | false; echo "last of the pipe $?"
! true; echo "negated $?"
(kill -TERM $(exec sh -c 'echo $PPID')) 2>/dev/null; echo "kill in a subshell $?"
sleep 30 & pid=$!
kill $pid; wait $pid; echo "killed job $?"
(sleep 0.1; exit 9) & wait $!; echo "waited $?"
for i in 1 2 3; do (exit $i) & done; wait; echo "all $?"
trap 'echo trapped USR1' USR1; kill -USR1 $$; echo after
trap 'echo trapped TERM' TERM; kill -TERM $$; trap - TERM
(trap 'echo in the subshell; exit 3' INT; kill -INT $(exec sh -c 'echo $PPID'); sleep 1); echo "status $?"
yes | head -n 2
seq 1 100000 | head -n 1
cat /dev/zero | head -c 5 | od -An -tx1
set -- a "b c" d; echo "$# $2"; shift; echo "$*"
f() { local y=5; echo "f $1 $y"; return 6; }; f arg; echo "returned $?"
case abc in a*c) echo match;; esac
i=0; while :; do i=$((i + 1)); [ $i -ge 5 ] && break; done; echo "i $i"
echo "${x:-none} ${unset_one:-none} ${#x}"
ulimit -n 64; ulimit -n
umask 077; touch h; ls -l h | cut -c1-10
mkfifo p; (echo through the fifo > p) & cat p; wait
command -v cd > /dev/null && echo "builtin"
echo $(echo nested $(echo deeper))
printf '%s\n' c a b | sort | tr '\n' ' '; echo
[ -t 0 ] || echo "stdin is no terminal"
set -e; trap 'echo "exit trap $?"' EXIT
rm -f f g h p noexec
false
echo "not reached"
