# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of addresses, routes and the kernel: A01 to A08, R01 to R09, P01 to P03, S01, S02 and S04."""

from __future__ import annotations

from defect import Step, defect, fine

# ------------------------------------------------------------------------------------------------------- addresses

defect(
    "A01",
    "an address that nobody declared",
    "It is deprecated, so nothing leaves from it. No file knows it, so the next boot takes it away.",
    "www1",
    "ip -6 addr add ${www1_6%:*}:bad/64 dev eth0 nodad preferred_lft 0",
    "ip -6 addr del ${www1_6%:*}:bad/64 dev eth0",
    also=["A08 www1"],
)
defect(
    "A02",
    "another host has the link-local address",
    "The kernel gives it up, and says so for ever. What is sent to and from the global address works on.",
    "www1",
    """\
ip -6 addr add $mail1_link/64 dev eth0
i=0
until ip -6 addr show dev eth0 | grep -q dadfailed; do i=$((i + 1)); [ $i -lt 40 ]; sleep 0.1; done
""",
    "ip -6 addr del $mail1_link/64 dev eth0",
)
defect(
    "A03",
    "the address of the host is deprecated",
    "New connections would leave from any other address that there is. There is none, so only the state is wrong.",
    "mail1",
    "ip -6 addr change $mail1_6/64 dev eth0 preferred_lft 0",
    "ip -6 addr change $mail1_6/64 dev eth0 preferred_lft forever",
)
defect(
    "A06",
    "another prefix length than that of the subnet",
    "A01 says that address and length are not those of the plan, and A08 that the next boot sets another length.",
    "mail1",
    "ip -6 addr del $mail1_6/64 dev eth0; ip -6 addr add $mail1_6/80 dev eth0 nodad",
    "ip -6 addr del $mail1_6/80 dev eth0; ip -6 addr add $mail1_6/64 dev eth0",
    also=["A01 mail1", "A08 mail1"],
)
defect(
    "A07",
    "temporary addresses are switched on",
    "There is no advertisement to make one from, but the next one would.",
    "mail1",
    "sysctl -qw net.ipv6.conf.eth0.use_tempaddr=2",
    "sysctl -qw net.ipv6.conf.eth0.use_tempaddr=0",
)
defect(
    "A08",
    "the file of the interface has another address",
    "Everything works until the next boot.",
    "www1",
    """\
file=$(grep -l "$www1_6" /etc/network/interfaces /etc/network/interfaces.d/* | head -n 1)
cp -p "$file" /run/defect.file; echo "$file" >/run/defect.path
sed -i "s|$www1_6|${www1_6%:*}:81|" "$file"
""",
    'cp -p /run/defect.file "$(cat /run/defect.path)"; rm /run/defect.file /run/defect.path',
)

# ---------------------------------------------------------------------------------------------------------- routes

defect(
    "R01",
    "a default route over another router wins",
    "It works, but another one is declared, and the next boot sets that (A08).",
    "www1",
    "ip -6 route add default via fe80::2 dev eth0 metric 512",
    "ip -6 route del default via fe80::2 dev eth0 metric 512",
    before=[
        Step("router", "ip -6 addr add fe80::2/64 dev eth0 nodad", "ip -6 addr del fe80::2/64 dev eth0"),
    ],
    variables={"ipv6_gateway": "fe80::1"},
    also=["A08 www1"],
)
KNOWN = Step(
    "www1",
    """\
ping -6 -c 1 -W 3 fe80::1%eth0 >/dev/null
mac=$(ip -6 neigh show fe80::1 dev eth0 | awk '{ print $3 }')
ip -6 neigh replace fe80::1 lladdr "$mac" dev eth0 nud permanent
""",
    "ip -6 neigh del fe80::1 dev eth0",
)
SOLICITATIONS = (
    "for source in $www1_6 $www1_link; do ip6tables -%s INPUT -s $source -p icmpv6 --icmpv6-type 135 -j DROP; done"
)
defect(
    "R02",
    "the router answers no neighbour solicitation of one host",
    "The host knows the router's MAC address by heart, so packets still find their way.",
    "router",
    SOLICITATIONS % "I",
    SOLICITATIONS % "D",
    before=[KNOWN],
    expect=["R02 www1"],
)
defect(
    "R03",
    "the interface takes router advertisements",
    "Nobody sends one here, so nothing else changes.",
    "www1",
    "sysctl -qw net.ipv6.conf.eth0.accept_ra=1",
    "sysctl -qw net.ipv6.conf.eth0.accept_ra=0",
)
defect(
    "R04",
    "a stranger advertises itself as a router",
    "It sends no prefix, and no host of the fleet listens to it.",
    "legacy1",
    """\
printf 'interface eth0 { AdvSendAdvert on; IgnoreIfMissing on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; };\n' \\
    >/run/defect.conf
mkdir -p /run/radvd
systemd-run --quiet --collect --unit=defect \\
    radvd --nodaemon --config /run/defect.conf --pidfile /run/defect.pid --logmethod stderr
""",
    "systemctl stop defect; rm -f /run/defect.conf /run/defect.pid",
    expect=["R04"],
)
defect(
    "R05",
    "a learnt default route expires before the next advertisement",
    "As if advertisements had been lost. A shorter metric does not win here, since the kernel's own route has it.",
    "www1",
    "ip -6 route add default via fe80::1 dev eth0 proto ra metric 2048 expires 300",
    "ip -6 route del default via fe80::1 dev eth0 proto ra metric 2048",
    variables={"readiness_ra_interval": 600},
    also=["R03 www1"],
)
fine(
    "R05",
    "fine: a learnt default route lasts longer than one interval",
    "Advertisements are declared for this host, and the kernel takes them.",
    "www1",
    "sysctl -qw net.ipv6.conf.eth0.accept_ra=1\n"
    "ip -6 route add default via fe80::1 dev eth0 proto ra metric 2048 expires 5400",
    "ip -6 route del default via fe80::1 dev eth0 proto ra metric 2048; sysctl -qw net.ipv6.conf.eth0.accept_ra=0",
    variables={"readiness_ra_interval": 600, "interfaces_accept_ra": "{{ inventory_hostname == 'www1' }}"},
    passes="R05 www1",
)
defect(
    "R06",
    "routing headers are taken",
    "A sender could decide which way packets go.",
    "www1",
    "sysctl -qw net.ipv6.conf.all.accept_source_route=1 net.ipv6.conf.eth0.accept_source_route=1",
    "sysctl -qw net.ipv6.conf.all.accept_source_route=0 net.ipv6.conf.eth0.accept_source_route=0",
)
defect(
    "R06",
    "the host forwards, and nobody declared it",
    "The gateway alone is meant to. FORWARD is closed, so nothing gets through.",
    "mail1",
    "sysctl -qw net.ipv6.conf.all.forwarding=1",
    "sysctl -qw net.ipv6.conf.all.forwarding=0",
    variables={"readiness_forwarding": "{{ inventory_hostname == 'gw1' }}"},
)
defect(
    "R07",
    "there is no way back to the outside",
    "What comes from outside of the lab's prefix is not answered; the lab machine itself notices nothing.",
    "mail1",
    "ip -6 route add blackhole $outside_net6",
    "ip -6 route del blackhole $outside_net6",
    also=["F02 mail1", "D11 mail1", "M01 mail1"],
)
defect(
    "R08",
    "only IPv4 drops forged sources",
    "A strict reverse path filter for IPv4, and no rpfilter rule for IPv6.",
    "www1",
    "cat /proc/sys/net/ipv4/conf/all/rp_filter >/run/defect.value; sysctl -qw net.ipv4.conf.all.rp_filter=1",
    'sysctl -qw net.ipv4.conf.all.rp_filter="$(cat /run/defect.value)"; rm /run/defect.value',
)
fine(
    "R08",
    "fine: both families drop forged sources",
    "IPv6 has a rule for what IPv4 has a setting for.",
    "www1",
    "cat /proc/sys/net/ipv4/conf/all/rp_filter >/run/defect.value; sysctl -qw net.ipv4.conf.all.rp_filter=1\n"
    "ip6tables -t raw -A PREROUTING -m rpfilter --invert -j DROP; cp -p /etc/iptables/rules.v6 /run/defect.rules\n"
    "ip6tables-save >/etc/iptables/rules.v6",
    'sysctl -qw net.ipv4.conf.all.rp_filter="$(cat /run/defect.value)"; rm /run/defect.value\n'
    "cp -p /run/defect.rules /etc/iptables/rules.v6; rm /run/defect.rules; ip6tables -t raw -F PREROUTING",
    passes="R08 www1",
)
