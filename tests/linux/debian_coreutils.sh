# SPDX-License-Identifier: MIT
# Debian's coreutils, findutils, diffutils, tar and gzip: dynamic programs that read, sort, count, hash and copy.
PATH=/usr/bin:/bin
[ "${BASH_VERSION-}" ] || exec bash "$0"  # busybox's shell would take its own applets
export PATH LC_ALL=C TZ=UTC
seq 1 20000 > numbers; wc numbers; sha256sum numbers; md5sum numbers; cksum numbers
sort -R --random-source=numbers numbers | sort -n | cmp - numbers && echo "sorted again"
sort -r numbers | head -n 3; sort -u -k1.1,1.1 numbers | tail -n 2; tac numbers | head -n 2; shuf -i 1-100 --random-source=numbers | sort -n | uniq | wc -l
ls --version | head -n 1; mkdir -p d/e/f; cp -r d d2; touch -d '2020-02-03 04:05:06' d/x; ln -s x d/link; ln d/x d/hard
ls -ln --time-style=+%Y d | gawk '/^[-l]/ {print $1, $2, $5, $6, $7}'; stat -c '%n %F %s %h %a %y' d/x; stat -c '%N' d/link; readlink -f d/link | sed 's/.*d.x/d\/x/'
date -d @86400 '+%F %T %j %a'; date -d '2024-02-29 +1 year' +%F; numfmt --to=iec 1048576 123456789; factor 1234567 600851475143
printf 'b 2\na 1\nc 3\n' > left; printf 'a x\nc z\n' > right; join <(sort left) right
paste left right | expand -t 8; cut -d' ' -f2 left | paste -sd+; tr a-z A-Z < left; fold -w 4 numbers | head -n 3; nl left; comm -12 numbers numbers | wc -l
head -c 64 numbers | od -An -tx1 | head -n 2; head -c 100 numbers | base64 | base64 -d | cmp - <(head -c 100 numbers); head -c 30 numbers | base64
dd if=numbers of=copy bs=1000 count=3 skip=2 2> errors; wc -c < copy; grep -c records errors; truncate -s 1M hole; du --apparent-size -k hole; stat -c %s hole; rm hole copy errors
split -l 7000 numbers part.; wc -l part.* | tail -n 1; cat part.* | cmp - numbers && echo "joined"; rm part.*
tar cf archive.tar d numbers; tar tf archive.tar | sort; mkdir out; tar xf archive.tar -C out; cmp numbers out/numbers && diff -r d out/d && echo "unpacked"
tar czf archive.tar.gz numbers && gzip -t archive.tar.gz && gzip -dc archive.tar.gz | tar xO | sha256sum; gzip -9 -n < numbers | sha256sum; rm -r archive.tar archive.tar.gz out
find . -type f | sort; find d -newer d/x | sort; find . -name 'l*' -exec basename {} \; | sort; find . -maxdepth 1 -type d | sort; printf '%s\n' 1 2 3 4 5 | xargs -n 2 -P 2 echo | sort
diff -u left right | tail -n +3; cmp left right; diff -q left left && echo "no difference"; env -i A=b /usr/bin/env; expr 6 \* 7; test 5 -gt 3 && echo yes; id -u | wc -l; uname -s -m
mktemp -u tmp.XXXXXX | cut -c1-4; tee one two < left > /dev/null; cat one two | wc -l; cp -p d/x kept; stat -c %y kept; mv kept moved; ls moved; rm -r d d2; ls
timeout 0.1 sleep 5; echo "timeout $?"; cat nowhere; echo $?; rm nowhere; ls nowhere; echo $?
rm -f numbers left right one two moved
