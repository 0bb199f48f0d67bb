#!/bin/sh
# What a host is, seen with other means than the guard's own; two looks must be equal. The first line is the time.
LC_ALL=C
export LC_ALL
read -r now rest </proc/uptime
echo "uptime $now"
plain() { sed 's/^\[[0-9]*:[0-9]*\] //; s/ \[[0-9]*:[0-9]*\]$//' | grep -v '^#'; }
# Legacy tables stay once they were used; an empty one does nothing.
full() { awk '/^\*/ { text = ""; real = 0 } { text = text $0 "\n" } /^-/ || /^:.* (DROP|-)$/ { real = 1 } /^COMMIT/ && real { printf "%s", text }'; }
ip -o addr show | sed -E 's/^[0-9]+: //; s/ tentative//; s/[0-9]+sec/finite/g' | sort | sed 's/^/address /'
ip -o link show | sed -E 's/^[0-9]+: //; s/@if[0-9]+//; s/ state [A-Z]+//' | sort | sed 's/^/link /'
for family in 4 6; do
    ip -o -$family route show table all | sed -E 's/ expires [0-9]+sec//' | sort | sed "s/^/route $family /"
    ip -$family rule show | sed "s/^/policy $family /"
    ip -o -$family neigh show nud permanent | sort | sed "s/^/neighbour $family /"
    ip -o -$family neigh show proxy | sort | sed "s/^/neighbour $family /"
done
# Those of one network in their order.
ip -o -4 addr show | awk '{ print "order", $2, $4 }'
ip -o -6 addr show scope global -dynamic | awk '{ print "order", $2, $4 }'
ip nexthop show | sed 's/^/nexthop /'
for program in iptables ip6tables; do
    $program-save | plain | full | sed "s/^/rule $program /"
    $program-legacy-save 2>/dev/null | plain | full | sed "s/^/rule $program-legacy /"
done
# The order of the tables means nothing.
nft list tables | sort | while read -r line; do
    # shellcheck disable=SC2086 # words
    nft -s list $line | sed "s/^/nft /"
done
find /proc/sys/net -type f ! -path '*/nf_conntrack_count' -exec grep -sH '' {} + | sort | sed 's/^/sysctl /'
# The note that tells the next run of the rollback is no trace of the guard at work.
if [ -e /var/lib/ipv6-rollout-guard.result ]; then echo note; fi
places='/etc /usr/bin/python3 /var/lib/ipv6-rollout* /var/lib/.ipv6-rollout* /run/systemd/transient'
# shellcheck disable=SC2086 # words and wildcards
find $places ! -path '*-guard.result' -type f -exec sha256sum {} + 2>/dev/null | sort -k 2 | sed 's/^/content /'
# shellcheck disable=SC2086 # words and wildcards
find $places ! -path '*-guard.result' ! -path /run/systemd/transient -printf '%p %M %U %G %l\n' 2>/dev/null | sort | sed 's/^/file /'
ss -Hlntup | sed -E 's/(pid|fd)=[0-9]+,?//g' | awk '{print $1, $5, $7}' | sort | sed 's/^/socket /'
sed 's/^/daemon /' /run/fault-daemon.read
systemctl list-units --all --plain --no-legend 'ipv6-rollout*' | sed 's/^/trace /'
systemctl list-units --all --failed --plain --no-legend | awk '{ print "failed " $1, $3, $4 }' | sort
pgrep -af 'guard[.]sh ' | sed 's/^/trace /'
exit 0
