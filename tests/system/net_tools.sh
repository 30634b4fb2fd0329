# SPDX-License-Identifier: MIT
# netcat (OpenBSD's), socat, ip, getent, ping and python3's sockets in the guest: TCP, UDP and UNIX, with the host and within the guest.
. "$PITH_TREE/tests/system/net_lib.sh"

seq 1 700000 >large
sum=$(sha256sum <large)
for name in port echo_port; do free_port "$name"; done
for name in sink_port source_port busy_port udp_port; do free_port "$name"; done
nc -l -N 127.0.0.1 "$source_port" <large >/dev/null & children+=("$!")
nc -l -N 127.0.0.1 "$busy_port" <large >/dev/null & children+=("$!")
nc -l 127.0.0.1 "$sink_port" >from_guest & children+=("$!")
socat "UDP4-RECVFROM:$udp_port,bind=127.0.0.1,fork" 'SYSTEM:tr a-z A-Z' & children+=("$!")
start_guest '
exec 2>&1
seq 1 700000 >/tmp/large
sum() { sha256sum | cut -d" " -f1; }
is() { [ "$2" = "$3" ] && echo "is $1" || echo "not $1: $2"; }
sum=$(sum </tmp/large)
nc -l 7000 | sum >/tmp/received & receiver=$!
socat TCP-LISTEN:7001,fork,reuseaddr EXEC:cat & echoer=$!
# With the host.
is from_host "$(nc -d '"$host_address $source_port"' | sum)" $sum
nc -N '"$host_address $sink_port"' </tmp/large >/dev/null && echo "is to_host"
# A program that never waits holds nobody up.
while :; do :; done & busy=$!
is from_host_busy "$(nc -d '"$host_address $busy_port"' | sum)" $sum
kill $busy
is udp_host "$(echo datagram | socat -t 5 - UDP4:'$host_address:$udp_port')" DATAGRAM
# Within the guest.
nc -l 127.0.0.1 7002 >/tmp/nc & nc=$!
until nc -N 127.0.0.1 7002 </tmp/large; do sleep 0.1; done; wait $nc
is nc_tcp "$(sum </tmp/nc)" $sum
nc -lU /tmp/socket >/tmp/nc & nc=$!
until nc -NU /tmp/socket </tmp/large 2>/dev/null; do sleep 0.1; done; wait $nc
is nc_unix "$(sum </tmp/nc)" $sum
socat UNIX-LISTEN:/tmp/echo,fork EXEC:cat & unix=$!
until [ -S /tmp/echo ]; do sleep 0.1; done
is socat_unix "$(socat -t 30 - UNIX-CONNECT:/tmp/echo </tmp/large | sum)" $sum
socat UNIX-RECVFROM:/tmp/datagrams,fork EXEC:cat & unixd=$!
until [ -S /tmp/datagrams ]; do sleep 0.1; done
is socat_unix_datagram "$(echo one | socat -t 5 - UNIX-SENDTO:/tmp/datagrams,bind=/tmp/mine)" one
socat ABSTRACT-LISTEN:name,fork EXEC:cat & abstract=$!
until echo | socat -t 5 - ABSTRACT-CONNECT:name >/dev/null 2>&1; do sleep 0.1; done
is socat_abstract "$(echo two | socat -t 5 - ABSTRACT-CONNECT:name)" two
socat UDP4-RECVFROM:7003,fork EXEC:cat & udp=$!
until [ "$(echo up | socat -t 1 - UDP4:127.0.0.1:7003 2>/dev/null)" = up ] || ! kill -0 $udp 2>/dev/null; do sleep 0.1; done
is socat_udp "$(echo three | socat -t 5 - UDP4:127.0.0.1:7003)" three
socat TCP6-LISTEN:7004,fork,ipv6only=1 EXEC:cat & six=$!
until echo | socat -t 5 - TCP6:[::1]:7004 >/dev/null 2>&1 || ! kill -0 $six 2>/dev/null; do sleep 0.1; done
is socat_tcp6 "$(socat -t 30 - TCP6:[::1]:7004 </tmp/large | sum)" $sum
is socat_tcp "$(socat -t 30 - TCP4:127.0.0.1:7001 </tmp/large | sum)" $sum
nc -z 127.0.0.1 7009 || echo "is refused"
nc -z 127.0.0.1 7001 && echo "is open"
# What there is.
ip -o addr show dev lo | grep -q "inet 127.0.0.1/8 " && echo "is ip_lo"
ip -o -4 addr | grep -q "eth0 .*inet '$guest_address'/24 brd 10.0.2.255" && echo "is ip_eth0"
ip link show eth0 | grep -q "BROADCAST,MULTICAST,UP,LOWER_UP" && echo "is ip_up"
ip link show eth0 | grep -q "link/ether 52:54:00:" && echo "is ip_hardware"
ip route | grep -q "^default via '$host_address' dev eth0" && echo "is ip_default"
ip route | grep -q "^10.0.2.0/24 dev eth0 .*src '$guest_address'" && echo "is ip_on_link"
ip route get 10.0.2.2 | grep -q "^10.0.2.2 dev eth0 src '$guest_address'" && echo "is ip_route_get"
ip route get 192.0.2.1 | grep -q "^192.0.2.1 via '$host_address' dev eth0 src '$guest_address'" && echo "is ip_route_get_far"
ip neigh >/tmp/neigh && echo "is ip_neigh"
ip link set lo up && echo "is lo_up"
ip link show dev none 2>&1 | grep -q "does not exist" && echo "is ip_none"
busybox ip addr | grep -q "inet '$guest_address'/24" && echo "is busybox_ip"
busybox ip route | grep -q "^default via '$host_address'" && echo "is busybox_route"
busybox ifconfig eth0 | grep -q "inet addr:'$guest_address' .*Mask:255.255.255.0" && echo "is busybox_ifconfig"
busybox route -n | grep -q "^0.0.0.0 *'$host_address' *0.0.0.0 *UG" && echo "is busybox_route_n"
grep -q "^ *eth0:" /proc/net/dev && echo "is proc_dev"
busybox netstat -tln | grep -q ":7001 .*LISTEN" && echo "is netstat"
busybox ping -c 2 -w 20 '$host_address' | grep -q "2 packets received" && echo "is ping_gateway"
busybox ping -c 1 -w 20 127.0.0.1 | grep -q "1 packets received" && echo "is ping_lo"
is getent "$(getent ahostsv4 localhost | head -1 | cut -d" " -f1)" 127.0.0.1
python3 -c "
import socket
print(\"is python_names\" if \"lo\" in [name for _, name in socket.if_nameindex()] else \"not\")
print(\"is python_config\" if socket.getaddrinfo(\"127.0.0.1\", 80, flags=socket.AI_ADDRCONFIG) else \"not\")
a, b = socket.socketpair()
socket.send_fds(a, [b\"x\"], [0])
print(\"is python_fds\" if len(socket.recv_fds(b, 10, 1)[1]) == 1 else \"not\")
s = socket.create_server((\"\", 0))
c = socket.create_connection(s.getsockname())
d, name = s.accept()
print(\"is python_tcp\" if name == c.getsockname() and d.getpeername() == name else \"not\")
"
echo done
wait $receiver
is from_host_client "$(cat /tmp/received)" $sum
echo received
wait_for_end
kill $echoer $unix $unixd $abstract $udp $six
wait
' "$port:7000" "$echo_port:7001"

check_that tools_done guest_says 'done' 120
for name in from_host from_host_busy to_host udp_host nc_tcp nc_unix socat_unix socat_unix_datagram socat_abstract socat_udp socat_tcp6 socat_tcp refused open \
    ip_lo ip_eth0 ip_up ip_hardware ip_default ip_on_link ip_route_get ip_route_get_far ip_neigh lo_up ip_none busybox_ip busybox_route \
    busybox_ifconfig busybox_route_n proc_dev netstat ping_gateway ping_lo getent python_names python_config python_fds python_tcp; do
    check_that "tools_$name" grep -aqx "is $name" guest.out
done
grep -a '^not\|rror' guest.out | head -20 | cut -c1-150 | sed 's/^/    /'
check_that tools_to_host_whole until_ok 20 cmp -s from_guest large
run timeout 60 nc -N 127.0.0.1 "$port" <large
guest_says received 60
check_that tools_to_guest grep -aqx 'is from_host_client' guest.out
# An echo of each, five at a time: what goes in comes out, and half-closed connections stay open for the answer.
for i in 1 2 3 4 5; do timeout 60 socat -t 30 - "TCP:127.0.0.1:$echo_port" <large >"echo$i" & echoes[i]=$!; done
wait "${echoes[@]}"
same=0
for i in 1 2 3 4 5; do ! cmp -s "echo$i" large || ((++same)); done
check_that tools_echoes test "$same" = 5
stop_guest tools
[[ $guest_status == 0 ]] || show_guest
