# SPDX-License-Identifier: MIT
# A redis server for redis_visitor.sh, which ends it.
redis-server --save "" --protected-mode no --port 6379 --dir /tmp --logfile /tmp/redis.log
status=$?
[ $status = 0 ] || { echo "wrong: redis-server ends with $status"; tail -5 /tmp/redis.log; }
exit $status
