# SPDX-License-Identifier: MIT
# The tools on files: copying, linking, moving, finding, archiving, permissions, times, comparing, splitting.
umask 022
mkdir -p a/b/c && echo hello > a/b/c/file && ln -s file a/b/c/link && ln a/b/c/file a/hard
ls a/b/c; cat a/b/c/link
stat -c '%A %h %s %F' a/b/c/file a/b/c/link; stat -c '%A %h %F' a
cp -a a copy && diff -r a copy && echo "copies agree"
[ copy/hard -ef copy/b/c/file ] && echo "hard link kept"
readlink copy/b/c/link; readlink -f a/b/c/link | grep -c 'a/b/c/file$'
mv copy/b copy/moved && ls copy copy/moved
rm -r copy && ls -d copy 2>/dev/null || echo removed
chmod 4751 a/hard && stat -c '%a' a/hard; chmod u-s,g+w a/hard && stat -c '%a' a/b/c/file
chmod -R go-rwx a && find a | sort | xargs stat -c '%a %n'
chown 12:34 a/hard && stat -c '%u:%g' a/hard
touch -d '2001-02-03 04:05:06' a/hard && stat -c '%Y' a/hard && date -u -r a/hard +%F
touch new && [ new -nt a/hard ] && echo newer
find a -type f -newer a/b -o -type l | sort
find a -name 'f*' -exec echo found {} \; | sort
find . -perm 0660 -o -links 2 -type f | sort
printf 'b\na\nc\n' > list; sort list | tee sorted; sort -c sorted && echo "is sorted"
head -c 100000 /dev/zero | tr '\0' 'z' > big; wc -c < big; md5sum big | cut -c1-32
dd if=big of=part_a bs=30000 count=2 2>/dev/null; tail -c +60001 big > part_b; cat part_a part_b | cmp - big && echo "pieces agree"
dd if=big of=sparse bs=1000 count=1 seek=500 2>/dev/null; wc -c < sparse
dd if=big of=big bs=1000 skip=1 count=2 conv=notrunc 2>/dev/null; wc -c < big
truncate -s 10 big && cat big; echo
tar cf t.tar a list && tar tf t.tar | sort && mkdir x && tar xf t.tar -C x && diff -r a x/a && echo "archive agrees"
gzip -c list | gunzip | cmp - list && echo "gzip agrees"
cpio -o -H newc 2>/dev/null < sorted | wc -c
mkfifo pipe && (cat list > pipe &) && cat pipe; wait
t=$(mktemp -d tmp.XXXXXX); echo ${#t}; rmdir $t
ln -s loop loop; cat loop 2>/dev/null || echo "loop fails"
ln -s nowhere dangling; [ -e dangling ] || echo dangling; [ -L dangling ] && echo "is a link"
cat nothing 2>/dev/null; echo "missing $?"
mkdir list 2>/dev/null; echo "exists $?"
rmdir a 2>/dev/null; echo "not empty $?"
rm a 2>/dev/null; echo "a directory $?"
echo x > a/b/new; mv a/b/new a/b/c/file; cat a/b/c/file
for i in 1 2 3; do echo $i; done > lines; while read l; do printf '%s-' "$l"; done < lines; echo
sed -i s/2/two/ lines; awk '{print NR, $1}' lines
du -a x/a/b | wc -l
ls -R x | head -n 5
cat < /proc/self/comm
rm -rf x a part_* && ls | sort | tr '\n' ' '; echo
