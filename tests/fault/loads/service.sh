# SPDX-License-Identifier: MIT
# A service that is begun again whenever the Linux server has died: it appends lines to a file and acknowledges each when it is on the disk. Each
# life first looks for all that was ever acknowledged ("found N": the runner compares). When the time is over, counted from the first life, it ends.
mount -t ext4 /dev/vda /mnt || { echo "wrong: no file system"; exit 1; }
cd /mnt || exit 1
[ -s end ] || { echo $(($(date +%s) + FAULT_SECONDS)) >end.new && sync && mv end.new end && sync; }
[ -e lines ] || : >lines
# A line that was being written when the last life ended is not whole, or was not acknowledged: both are right.
whole=$(wc -l <lines)
head -n $whole lines >lines.new && sync && mv lines.new lines && sync
seq 1 $whole | cmp -s - lines || { echo "wrong: other lines than were written"; exit 1; }
[ "$(ls | grep -vx 'end\|lines\|lost+found' | wc -l)" = 0 ] || { echo "wrong: other names than there should be"; exit 1; }
echo "found $whole"
# Gone with this life, however it ends.
exec 5>unlinked && rm unlinked && seq 1 20000 >&5
n=$whole
while [ $(date +%s) -lt $(cat end) ]; do
    n=$((n + 1))
    echo $n | dd of=lines oflag=append conv=notrunc,fsync 2>/dev/null || { echo "wrong: line $n not written"; exit 1; }
    echo "acknowledged $n"
done
seq 1 $n | cmp -s - lines || { echo "wrong: other lines than were written, at the end"; exit 1; }
exec 5>&-
cd / && umount /mnt || { echo "wrong: not unmounted"; exit 1; }
echo "right: $n lines"
