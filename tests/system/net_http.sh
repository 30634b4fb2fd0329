# SPDX-License-Identifier: MIT
# HTTP: Debian's lighttpd and python3 -m http.server in the guest, fetched from by curl on the host; curl, wget and python3 in the guest,
# which fetch from the host and from the guest's own servers.
. "$PITH_TREE/tests/system/net_lib.sh"

mkdir -p files
: >files/empty; echo hello >files/small; seq 1 20000 >files/middle; seq 1 2000000 >files/large
serve_files files host_port
check_that http_host_server test -n "$host_port"
free_port port; free_port python_port
start_guest '
exec 2>&1
mkdir -p /srv/www && cd /srv/www && : >empty && echo hello >small && seq 1 20000 >middle && seq 1 2000000 >large
printf "server.document-root = \"/srv/www\"\nserver.port = 80\nserver.modules = (\"mod_staticfile\")\n" >/tmp/lighttpd.conf
lighttpd -D -f /tmp/lighttpd.conf & lighttpd=$!
python3 -m http.server 8000 >/tmp/python.log 2>&1 & python=$!
for port in 80 8000; do until curl -s -o /dev/null http://127.0.0.1:$port/small; do sleep 0.1; done; done
echo ready
for url in http://'$host_address:$host_port' http://127.0.0.1:80 http://'$guest_address':80 http://127.0.0.1:8000; do
    for name in empty small middle large; do
        curl -sSf $url/$name >/tmp/curl && wget -q -O /tmp/wget $url/$name && cmp /tmp/curl /tmp/wget && cmp /tmp/curl $name && echo "fetched $url/$name"
    done
done
python3 -c "
import hashlib, urllib.request
for port in 80, 8000:
    data = urllib.request.urlopen(\"http://localhost:%d/middle\" % port).read()
    print(\"python\", port, hashlib.sha256(data).hexdigest())
"
curl -s -o /dev/null http://127.0.0.1:9/; echo "curl of a closed port: $?"
curl -s -o /dev/null -w "%{http_code}\n" http://127.0.0.1/none | sed "s/^/none: /"
curl -s --max-time 20 --interface lo http://127.0.0.1/small | sed "s/^/by interface: /"
echo done
wait_for_end
kill $lighttpd $python; wait
' "$port:80" "$python_port:8000"

check_that http_ready guest_says ready 60
check_that http_guest_done guest_says 'done' 120
for url in "http://$host_address:$host_port" http://127.0.0.1:80 "http://$guest_address:80" http://127.0.0.1:8000; do
    case $url in
        *:"$host_port") name=host ;;
        http://127.0.0.1:80) name=own ;;
        *:80) name=own_address ;;
        *) name=own_python ;;
    esac
    check_that "http_guest_fetches_$name" test "$(grep -ac "^fetched $url/" guest.out)" = 4
done
sum=$(sha256sum <files/middle); sum=${sum%% *}
check_that http_guest_python test "$(grep -ac "^python [80]* $sum" guest.out)" = 2
check_that http_refused grep -aqx 'curl of a closed port: 7' guest.out
check_that http_none grep -aqx 'none: 404' guest.out
check_that http_interface grep -aqx 'by interface: hello' guest.out

for server in lighttpd:$port python:$python_port; do
    name=${server%:*} url=http://127.0.0.1:${server#*:}
    for file in empty small middle large; do
        run curl -sSf --max-time 60 "$url/$file"
        check_that "http_${name}_$file" cmp -s out "files/$file"
    done
    run curl -sS --max-time 20 -o /dev/null -w '%{http_code}' "$url/none"
    check "http_${name}_none" 0 404
    run curl -sSI --max-time 20 "$url/large"
    check_that "http_${name}_head" grep -qi "^content-length: $(stat -c %s files/large)" out
done
run curl -sSf --max-time 20 -r 1000-1999 "http://127.0.0.1:$port/large"
check_that http_range cmp -s out <(tail -c +1001 files/large | head -c 1000)
# Several on one connection; and many connections at a time.
run curl -sSf --max-time 20 -w '%{num_connects}\n' "http://127.0.0.1:$port/small" -o /dev/null "http://127.0.0.1:$port/middle" -o /dev/null
check http_kept_alive 0 '1\n0\n'
urls=()
for i in {1..30}; do urls+=("http://127.0.0.1:$port/middle" -o "parallel$i"); done
run curl -sSf --max-time 60 --no-keepalive -Z --parallel-immediate --parallel-max 30 "${urls[@]}"
same=0
for i in {1..30}; do ! cmp -s "parallel$i" files/middle || ((++same)); done
check_that http_parallel test "$status $same" = '0 30'
stop_guest http
[[ $guest_status == 0 ]] || show_guest
