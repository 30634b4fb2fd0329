# SPDX-License-Identifier: MIT
# The everyday tools on a deterministic file of 32 MiB (less where run.sh says SCALE): seq, dd, md5sum, wc, sort, awk, sed,
# grep, gzip, tar, find, cmp, tail.
rm -rf tools_work
mkdir tools_work && cd tools_work || exit 1
seq 1 4500000 | dd of=big bs=1M count=$((32 / ${SCALE:-1})) iflag=fullblock 2>/dev/null
ls -l big | awk '{print $5}'
md5sum big
wc big
head -n 1000000 big | sort -r | md5sum
head -n 300000 big | sort -n -k1 | tail -n 1
awk '{ s += $1 % 7; n++ } END { print n, s }' big
sed -n '/99999/s/9/N/gp' big | md5sum
grep -c '77' big
gzip -c big | gunzip -c | md5sum
gzip -k big && gzip -t big.gz && echo "gzip ok"
zcat big.gz | cmp - big && echo "same"
rm big.gz
mkdir -p tree/a/b tree/c
for f in tree/one tree/a/two tree/a/b/three tree/c/four; do head -c 100000 big > $f; done
ln -s one tree/link
ln tree/one tree/c/hard
chmod 640 tree/a/two
find tree | sort
find tree -type f -size +50k | wc -l
tar cf tree.tar tree && tar tf tree.tar | sort | md5sum
mkdir out && tar xf tree.tar -C out && find out -type f -exec md5sum {} + | sort
ls -l out/tree/a/two | cut -c1-10
readlink out/tree/link
[ out/tree/one -ef out/tree/c/hard ] && echo "hard link kept"
tar czf tree.tgz tree && tar tzf tree.tgz | wc -l
tail -c 1000 big | od -c | md5sum
dd if=big bs=4k skip=100 count=10 2>/dev/null | md5sum
dd if=big of=copy bs=1M conv=notrunc 2>/dev/null; cmp big copy && echo "copied"
cut -c1-3 big | sort | uniq -c | sort -rn | head -n 5
tr -d '13579\n' < big | wc -c
sha1sum big
rev big | head -n 3
head -n 10000 big | xargs -n 100 echo | tail -n 1 | md5sum
cd .. && rm -rf tools_work
echo done
