# SPDX-License-Identifier: MIT
# Transactions of sqlite3 until the time is over; each that was acknowledged is there at the end, and the data base is whole.
mount -t ext4 /dev/vda /mnt || { echo "wrong: no file system"; exit 1; }
wrong=0 n=0
sql() { sqlite3 /mnt/base "$1"; }
sql 'create table t(id integer primary key, half int, text);' || { echo "wrong: create"; exit 1; }
end=$(($(date +%s) + FAULT_SECONDS))
while [ $(date +%s) -lt $end ]; do
    sql "begin; insert into t values($n, $n / 2, hex($n)); insert into t values($n + 1, $n / 2, hex($n + 1));
        update t set half = half + 1 where id < 20; update t set half = half - 1 where id < 20; commit;" ||
        { echo "wrong: transaction $n failed"; wrong=1; }
    n=$((n + 2))
done
umount /mnt && mount -t ext4 /dev/vda /mnt || { echo "wrong: not mounted again"; wrong=1; }
[ "$(sql 'pragma integrity_check;')" = ok ] || { echo "wrong: integrity"; wrong=1; }
[ "$(sql 'select count(*) from t where half = id / 2 and text = hex(id);')" = $n ] || { echo "wrong: rows"; wrong=1; }
[ $wrong = 0 ] && echo "right: $((n / 2)) transactions"
exit $wrong
