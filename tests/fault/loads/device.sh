# SPDX-License-Identifier: MIT
# Blocks of the disk FAULT_DEVICE are written, flushed and compared until the time is over.
wrong=0 n=1
content() { seq $1 3 $(($1 + 600000)) | head -c 1048576; }
end=$(($(date +%s) + FAULT_SECONDS))
while [ $(date +%s) -lt $end ]; do
    content $n | dd of=$FAULT_DEVICE bs=64k seek=$((n % 32 * 16)) conv=fsync 2>/dev/null || { echo "wrong: write of $n failed"; wrong=1; }
    [ "$(dd if=$FAULT_DEVICE bs=64k skip=$((n % 32 * 16)) count=16 2>/dev/null | sha256sum)" = "$(content $n | sha256sum)" ] ||
        { echo "wrong: block $n"; wrong=1; }
    n=$((n + 1))
done
i=$((n > 32 ? n - 32 : 1))
while [ $i -lt $n ]; do
    [ "$(dd if=$FAULT_DEVICE bs=64k skip=$((i % 32 * 16)) count=16 2>/dev/null | sha256sum)" = "$(content $i | sha256sum)" ] ||
        { echo "wrong: block $i at the end"; wrong=1; }
    i=$((i + 1))
done
[ $wrong = 0 ] && echo "right: $((n - 1)) MiB"
exit $wrong
