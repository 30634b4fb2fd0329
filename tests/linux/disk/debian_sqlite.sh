# SPDX-License-Identifier: MIT
# sqlite3: databases in files, with each kind of journal, and what two connections see of each other.
PATH=/usr/bin:/bin
[ "${BASH_VERSION-}" ] || exec bash "$0"  # busybox's shell would take its own applets
export PATH LC_ALL=C
for mode in delete truncate persist wal memory; do
    sqlite3 $mode.db "pragma journal_mode = $mode;" "create table t(k integer primary key, v text, w real);" \
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t select i, 'value ' || (i * 7919 % 2000), i / 7.0 from n;" \
        "create index tv on t(v);" "select count(*), sum(k), round(sum(w), 3), min(v), max(v) from t;"
    sqlite3 $mode.db "begin; delete from t where k % 2; update t set v = upper(v) where k < 100; rollback; select count(*) from t;"
    sqlite3 $mode.db "begin; delete from t where k % 2; update t set v = upper(v) where k < 100; commit; vacuum; select count(*), sum(length(v)) from t; pragma integrity_check;"
    sqlite3 -separator , $mode.db "select k, v, round(w, 2) from t order by v desc limit 3;"
done
sqlite3 shared.db "pragma journal_mode = wal; create table t(x);"
for i in 1 2 3 4; do
    for j in 1 2 3 4 5; do sqlite3 -cmd '.timeout 60000' shared.db "insert into t values($i * 10 + $j);"; done &
done
wait
sqlite3 shared.db 'select count(*), sum(x) from t; pragma integrity_check;'
printf 'a,b\n1,2\n3,"four, five"\n' > in.csv
sqlite3 :memory: '.mode csv' '.import in.csv t' 'select b, a from t order by a desc;'
sqlite3 delete.db .schema
sqlite3 delete.db .dump | sqlite3 copy.db
sqlite3 copy.db 'select count(*) from t;'
sqlite3 delete.db 'select nothing from nowhere;'; echo $?
head -c 4096 /dev/zero > broken.db; sqlite3 broken.db 'select * from t;' 2>&1; echo $?
rm -f ./*.db ./*.db-* in.csv
