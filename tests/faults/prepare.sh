#!/bin/sh
# Runs on each target before its first fault: something of everything that the guard covers, live and for each boot.
set -eu
device=$(ip -o route show | sed -n 's/.* dev \([^ ]*\) .*/\1/p' | head -n 1)
mkdir -p /etc/iptables /usr/local/sbin
cat >/etc/iptables/rules.v4 <<'RULES'
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:known - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -p tcp -m comment --comment "let [ssh] in" -j known
-A INPUT -j REJECT
-A known -p tcp --dport 22 -j ACCEPT
COMMIT
RULES
sed 's/-p icmp /-p ipv6-icmp /' /etc/iptables/rules.v4 >/etc/iptables/rules.v6
cat >/etc/nftables.conf <<'RULES'
table inet own {
	set banned {
		type ipv4_addr
		elements = { 192.0.2.66, 192.0.2.67 }
	}
	chain input {
		type filter hook input priority -10; policy accept;
		ip saddr @banned counter drop
		tcp dport 25 limit rate 5/second accept
	}
}
RULES
cat >/usr/local/sbin/fault-base <<BASE
#!/bin/sh
ip rule add pref 1000 to 192.0.2.0/24 lookup 100
ip route add 192.0.2.0/24 dev $device table 100
ip -6 rule add pref 1000 to 2001:db8:dead::/48 lookup 100
ip -6 route add blackhole 2001:db8:dead::/48 table 100
ip route add 192.0.2.128/25 dev $device metric 50
ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:09 nud permanent dev $device
ip neigh replace 2001:db8:dead::9 lladdr 02:00:00:00:00:09 nud permanent dev $device
# What has an order: addresses of one network, routes to one destination, policy rules of one priority.
for last in 80 81 82; do
    ip addr add 203.0.113.\$last/24 dev $device
    ip addr add 2001:db8:dead:1::\$last/64 dev $device nodad
done
ip route add 198.51.100.128/25 via 203.0.113.1
ip route append 198.51.100.128/25 via 203.0.113.2
ip rule add pref 2000 from 203.0.113.80 lookup 100
ip rule add pref 2000 from 203.0.113.81 lookup 100
ip nexthop add id 9 via 203.0.113.3 dev $device
ip route add 192.0.2.64/26 nhid 9
ip route add local 192.0.2.32/27 dev lo table 100
ip neigh add proxy 2001:db8:dead::7 dev $device
BASE
chmod +x /usr/local/sbin/fault-base
cat >/etc/systemd/system/fault-base.service <<'UNIT'
[Unit]
After=networking.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/fault-base
[Install]
WantedBy=multi-user.target
UNIT
# A daemon that reads its file when it starts and when it is told to: what it has read last lies in /run.
echo first >/etc/fault-daemon.conf
cat >/etc/systemd/system/fault-daemon.service <<'UNIT'
[Service]
ExecStartPre=cp /etc/fault-daemon.conf /run/fault-daemon.read
ExecStart=sleep infinity
ExecReload=cp /etc/fault-daemon.conf /run/fault-daemon.read
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --quiet nftables fault-base fault-daemon netfilter-persistent
