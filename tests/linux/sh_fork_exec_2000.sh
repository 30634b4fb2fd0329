# SPDX-License-Identifier: MIT
# 2,000 times fork and exec of `busybox true`, each waited for, statuses counted; then 200 at a time in the background.
exe=$(readlink /proc/self/exe)
i=0 good=0
while [ $i -lt 2000 ]; do
    "$exe" true && good=$((good + 1))
    i=$((i + 1))
done
echo "good $good"
i=0
while [ $i -lt 200 ]; do
    "$exe" true &
    i=$((i + 1))
done
wait
echo "background: $?"
"$exe" false
echo "false: $?"
