# SPDX-License-Identifier: MIT
# Debian's own bash, a dynamic program: its shell language, and processes, pipes, signals and jobs from it.
PATH=/usr/bin:/bin
[ "${BASH_VERSION-}" ] || exec bash "$0"  # busybox's shell would take its own applets
export PATH LC_ALL=C
cat > script <<'END'
echo "$BASH_VERSION" | grep -c '^5'
shopt -s extglob nullglob
declare -A map=([one]=1 [two]=2); list=(a b c "d e")
echo "${#list[@]} ${list[3]} ${map[two]} ${list[@]:1:2} ${!map[@]}" | tr ' ' '\n' | sort | tr '\n' ' '; echo
text="hello world"; echo "${text^^} ${text/world/there} ${text:0:5} ${#text} ${text%o*}"
[[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo "${BASH_REMATCH[1]}-${BASH_REMATCH[2]}"
fib() { (($1 < 2)) && echo "$1" || echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); }
fib 7
printf '%05d %x %s|%-5s|%q\n' 42 255 str ab "a b"
while read -r -a words; do echo "${#words[@]}:${words[1]-}"; done <<< $'a b c\nd\n\ne f'
mapfile -t lines < <(printf '%s\n' x y z); echo "${lines[@]@Q}"
exec 5<>file; echo written >&5; exec 5>&-; cat file; rm file
trap 'echo "trapped USR1"' USR1; kill -USR1 $$; trap - USR1
trap 'echo leaving' EXIT
(exit 7); echo "status $?"; false | true; echo "${PIPESTATUS[@]}"; set -o pipefail; false | true; echo $?
sleep 0.05 & wait $!; echo "waited $?"; (sleep 5 & pid=$!; kill $pid; wait $pid; echo "killed $?") 2>&1 | sed 's/.*Terminated.*/Terminated/'
coproc { read -r line; echo "got $line"; }; echo "to the coprocess" >&"${COPROC[1]}"; read -r answer <&"${COPROC[0]}"; echo "$answer"; wait
echo $((16#ff + 2 ** 10)) $(( (1 << 40) % 1000 )) $RANDOM | gawk '{print $1, $2, ($3 >= 0)}'
for ((i = 0; i < 3; i++)); do echo -n "$i "; done; echo {1..5} {a..e..2}
cat <<< "here string" | while read -r a b; do echo "$b $a"; done
select_case() { case $1 in a*) echo A ;& b*) echo B ;; *) echo other ;; esac; }; select_case abc; select_case x
diff <(echo same) <(echo same) && echo "process substitution"
ulimit -n 100; ulimit -n; umask 027; umask; type -t cd ls fib; hash -r; enable -n test; type -t test; enable test
touch f1 f2 g1; echo !(f*)  f?(1|2) z*; rm f1 f2 g1
bash -c 'echo "$0 $1"' zero one; bash -c 'kill -9 $$' 2> /dev/null; echo "signal status $?"
bash -c nothing_like_this; echo $?; ./script2; echo $?; echo 'echo run as a script' > script2; chmod +x script2; ./script2; rm script2
echo "#!$(type -P bash) -e
false; echo not reached" > script3; chmod +x script3; ./script3; echo $?; rm script3
timeout_word=$(read -t 0.05 -r x < <(sleep 0.3; echo late); echo $?); ((timeout_word > 128)) && echo "read timed out"
END
bash ./script 2>&1 | sed 's/line [0-9]*: //; s/ *[0-9]* *Killed.*/ Killed/'
rm script
