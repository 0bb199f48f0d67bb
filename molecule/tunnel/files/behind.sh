#!/bin/sh
# A network behind the client, with the usual MTU of 1500: get a page from there, and tell the MSS that was asked for.
set -eu
prefix=$1 page=$2
unshare --net sleep 60 &
inside=$!
trap 'kill $inside; ip link del behind0 2>/dev/null || true' EXIT
i=0
while [ "$(readlink /proc/$inside/ns/net)" = "$(readlink /proc/$$/ns/net)" ] && [ $i -lt 1000 ]; do i=$((i + 1)); done
ip link add behind0 type veth peer name behind1 netns $inside
ip -6 addr add "$prefix::1/64" dev behind0 nodad
ip link set behind0 up
nsenter --net=/proc/$inside/ns/net sh -euc "
    ip -6 addr add $prefix::2/64 dev behind1 nodad
    ip link set behind1 up
    ip -6 route add default via $prefix::1
    ip -o link show behind1 | sed 's/.* mtu \([0-9]*\) .*/\1/'
    curl -6 -sS --max-time 30 --retry 5 --retry-connrefused --retry-all-errors -o /dev/null -w '%{size_download}\n' '$page'
"
