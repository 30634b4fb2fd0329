# SPDX-License-Identifier: MIT
# Many files: 2,000 in 50 directories are made, listed, searched, renamed and removed.
rm -rf forest; mkdir forest; cd forest || exit 1
i=0
while [ $i -lt 50 ]; do
    mkdir d$i
    j=0
    while [ $j -lt 40 ]; do
        echo "$i $j" > d$i/f$j
        j=$((j + 1))
    done
    i=$((i + 1))
done
find . -type f | wc -l
find . -type d | wc -l
find . -type f -name 'f1?' | sort | md5sum
find . -type f -exec cat {} + | sort | md5sum
grep -rl '^7 ' . | sort | wc -l
for d in d*; do mv $d new_$d; done
ls | sort | md5sum
cp -r . ../forest_copy && diff -r . ../forest_copy && echo "copies agree"
du -a . | wc -l
rm -rf ../forest_copy
find . -name 'f*5' -exec rm {} +
find . -type f | wc -l
cd .. && rm -rf forest && ls -d forest 2>/dev/null || echo gone
