# SPDX-License-Identifier: MIT
# Debian's grep, sed, gawk and mawk on some text.
PATH=/usr/bin:/bin
[ "${BASH_VERSION-}" ] || exec bash "$0"  # busybox's shell would take its own applets
export PATH LC_ALL=C
i=0
while [ $i -lt 1000 ]; do echo "line $i: the quick brown fox $((i * 7919 % 1000)) jumps over the lazy dog $((i % 13))"; i=$((i + 1)); done > text
grep -c fox text; grep -E 'fox (1|2)[0-9]{2} ' text | wc -l; grep -n 'dog 12$' text | tail -n 2; grep -v 'dog [0-9]$' text | head -n 2; grep -o 'fox [0-9]*7 ' text | sort | uniq -c | sort -rn | head -n 3
grep -F 'line 999:' text; grep -i -w QUICK text | wc -l; grep -P 'fox (?=99\d)' text | wc -l; grep -q nothing text; echo $?; grep -r fox . | wc -l; grep -A1 -B1 'line 500:' text | wc -l; grep x nowhere; echo $?
sed -n '5,7p;$p' text; sed -E 's/([a-z]+) ([a-z]+) fox/\2 \1 cat/; s/[0-9]+/<&>/2' text | sed -n '1p;999p'; sed '/dog 3$/d' text | wc -l; sed -i 's/lazy/busy/g' text; grep -c busy text; sed -n '/line 10:/,/line 12:/{s/ .*//;p}' text; echo abc | sed 'y/abc/xyz/;G;a\
after'; printf 'a\nb\nc\n' | sed -n 'H;${x;s/\n/,/g;p}'; sed --version | head -n 1
for awk in gawk mawk; do
    $awk '{ sum += $8; count[$NF]++ } END { print sum, length(count); for (k = 0; k < 13; k++) printf "%s=%d ", k, count[k]; print "" }' text
    $awk -F: 'NR % 250 == 0 { gsub(/o/, "0"); print toupper(substr($2, 2, 9)), length($0) }' text
    $awk 'BEGIN { for (i = 0; i < 5; i++) printf "%.6f %s %c\n", sin(i) * exp(1), i ^ 3, 65 + i; print index("hello", "l"), match("foobar", /o+/), RSTART, RLENGTH, split("a,b,c", p, ","), p[3] }'
    $awk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } BEGIN { print f(15) }'
    $awk 'BEGIN { "echo from a pipe" | getline x; print x; print "sorted 2\nsorted 1" | "sort"; close("sort"); system("exit 3"); while (("cat text" | getline line) > 0) n++; print n }'
    echo "3 4" | $awk '{ $3 = $1 * $2; print; exit 9 }'; echo $?
done
gawk 'BEGIN { a["x"] = 1; a["c"] = 2; n = asorti(a, b); print n, b[1], b[2]; print strftime("%Y-%m-%d", 0, 1), gensub(/(b)(c)/, "\\2\\1", "g", "abcbc"); print and(12, 10), lshift(1, 10); printf "%'"'"'d\n", 1234567 }'
rm text
