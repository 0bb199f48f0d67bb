# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of the DNS: D01 to D13 and P04."""

from __future__ import annotations

from pathlib import Path

from defect import Step, defect

RELAY = Path(__file__).with_name("relay.py").read_text(encoding="utf-8")
# Secondary servers are told at once, and fetch a moment later.
SETTLED = """
for zone in $zones; do
    i=0
    until [ "$(dig +short @127.0.0.1 $zone SOA)" = "$(dig +short @$ns2_4 $zone SOA)" ]; do
        i=$((i + 1)); [ $i -lt 100 ]; sleep 0.1
    done
done
"""


def update(*lines: str) -> str:
    """Return a script for ns1 that changes records of one zone."""
    return "\n".join(["nsupdate -k /etc/bind/rollout.key <<END", "server 127.0.0.1", *lines, "send", "END"])


def zone(check: str, name: str, why: str, seed: str, undo: str, expect: tuple[str, ...]) -> None:
    """Add a defect of the records themselves, which both servers have."""
    defect(
        check,
        name,
        why,
        "ns1",
        update(*seed.splitlines()) + SETTLED,
        update(*undo.splitlines()) + SETTLED,
        expect=expect,
    )


def relay(host: str, mode: str, port: str, server: str) -> tuple[str, str]:
    """Return how a name server that spoils answers is started and stopped."""
    start = f"""
cat >/run/defect.py <<'END'
{RELAY}END
systemd-run --quiet --collect --unit=defect python3 /run/defect.py {mode} {port} {server}
i=0
until ss -Hlnt | grep -q '\\*:{port} '; do i=$((i + 1)); [ $i -lt 100 ]; sleep 0.1; done
"""
    return start, "systemctl stop defect; rm /run/defect.py"


# Where ns2 gets its zones from; without that it keeps what it has.
STALE = Step(
    "ns2",
    "cp -p /etc/bind/named.conf.local /run/defect.named\n"
    'sed -i "s/primaries { $ns1_4 /primaries { 192.0.2.99 /" /etc/bind/named.conf.local; rndc -q reconfig',
    "cp -p /run/defect.named /etc/bind/named.conf.local; rm /run/defect.named; rndc -q reconfig\n"
    "for zone in $zones; do rndc -q refresh $zone; done\n"
    'for zone in $zones; do i=0; until [ "$(dig +short @127.0.0.1 $zone SOA)" = "$(dig +short @$ns1_4 $zone SOA)" ]; do'
    " i=$((i + 1)); [ $i -lt 100 ]; sleep 0.1; done; done",
)

zone(
    "A04",
    "an address that is not public is published",
    "A unique local address beside the right one: the name has not the addresses of the plan (D01).",
    "update add shop.$domain 600 AAAA fd00::80",
    "update delete shop.$domain AAAA fd00::80",
    ("A04 www1", "D01 www1"),
)
zone(
    "D01",
    "a published name has lost its AAAA record",
    "The other name of the host still has it, so the PTR record stays right.",
    "update delete shop.$domain AAAA",
    "update add shop.$domain 600 AAAA $www1_6",
    ("D01 www1",),
)
defect(
    "D01",
    "one of two servers has another address",
    "The secondary server gets no transfers any more, and the primary changes.",
    "ns1",
    update("update add shop.$domain 600 AAAA $mail1_6"),
    update("update delete shop.$domain AAAA $mail1_6"),
    before=[STALE],
    expect=("D01 www1", "D12"),
)
zone(
    "D02",
    "A and AAAA have different TTLs",
    "The AAAA record is gone from caches first.",
    "update delete shop.$domain AAAA\nupdate add shop.$domain 60 AAAA $www1_6",
    "update delete shop.$domain AAAA\nupdate add shop.$domain 600 AAAA $www1_6",
    ("D02 www1",),
)
zone(
    "D03",
    "an address has no PTR record",
    "That of a name server, which sends no mail.",
    "update delete $ns2_ptr PTR",
    "update add $ns2_ptr 3600 PTR ns2.$domain.",
    ("D03",),
)
zone(
    "D04",
    "a PTR record leads to a name that has another address",
    "There is one, but it lies.",
    "update delete $ns2_ptr PTR\nupdate add $ns2_ptr 600 PTR www.$domain.",
    "update delete $ns2_ptr PTR\nupdate add $ns2_ptr 3600 PTR ns2.$domain.",
    ("D04",),
)
defect(
    "D05",
    "a reverse zone is not on all of its servers",
    "The secondary server does not know it.",
    "ns2",
    "cp -p /etc/bind/named.conf.local /run/defect.named\n"
    'sed -i "/^zone \\"$zone6\\" {/,/^};/d" /etc/bind/named.conf.local; rndc -q reconfig',
    "cp -p /run/defect.named /etc/bind/named.conf.local; rm /run/defect.named; rndc -q reconfig\n"
    'i=0; until [ "$(dig +short @127.0.0.1 $zone6 SOA)" = "$(dig +short @$ns1_4 $zone6 SOA)" ]; do'
    " i=$((i + 1)); [ $i -lt 100 ]; sleep 0.1; done",
    expect=("D05",),
)
zone(
    "D06",
    "a zone has one name server only",
    "A reverse zone: it answers as before, until that server is gone.",
    "update delete $zone6 NS ns2.$domain.",
    "update add $zone6 600 NS ns2.$domain.",
    ("D06",),
)
defect(
    "D07",
    "the zone above has an old address of a name server",
    "Whoever comes from above asks an address where nobody is.",
    "legacy1",
    "cp -p /etc/bind/net.zone /run/defect.zone; sed -i 's/ AAAA 2001:db8:.*::54$/ AAAA 2001:db8:dead::54/'"
    " /etc/bind/net.zone; sed -i 's/ 1 3600 / 2 3600 /' /etc/bind/net.zone; rndc -q reload net",
    "cp -p /run/defect.zone /etc/bind/net.zone; rm /run/defect.zone; touch /etc/bind/net.zone; rndc -q reload net",
    expect=("D07",),
)
START, STOP = relay("ns2", "nxdomain", "53", "$ns1_4")
defect(
    "D08",
    "names without IPv6 do not exist for one who asks for it",
    "A server in front of the real one, as some load balancers were.",
    "ns2",
    f"systemctl stop named\n{START}",
    f"{STOP}; systemctl start named",
    expect=("D08",),
)
zone(
    "D09",
    "a mail exchanger has IPv4 only",
    "A second one, with a worse preference.",
    "update add $domain 600 MX 20 legacy.$domain.",
    "update delete $domain MX 20 legacy.$domain.",
    ("D09",),
)
zone(
    "D10",
    "the SPF record does not have the IPv6 address",
    "M07 judges the same for the address that mail really leaves from.",
    'update delete $domain TXT "$spf"\nupdate add $domain 600 TXT "v=spf1 ip4:$mail1_4 -all"',
    'update delete $domain TXT "v=spf1 ip4:$mail1_4 -all"\nupdate add $domain 600 TXT "$spf"',
    ("D10 mail1", "M07 mail1"),
)
zone(
    "M07",
    "a key for DKIM is not published",
    "Signatures with it can't be checked.",
    "update delete lab._domainkey.$domain TXT",
    'update add lab._domainkey.$domain 600 TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="',
    ("M07 mail1",),
)
defect(
    "D11",
    "a declared service behind a published name does not answer",
    "The name is public, and nobody has ever proved the service: nothing listens (L04).",
    expect=("D11 www1", "L04 www1"),
    variables={
        "ipv6_services": "{{ {'www1': ['http', 'https', {'name': 'api', 'port': 8443}], 'mail1': ['smtp'],"
        " 'web6': ['http', 'https'], 'ns1': ['dns'], 'ns2': ['dns']}[inventory_hostname] | default([]) }}"
    },
)
defect(
    "D12",
    "the secondary server is behind",
    "It gets no transfers any more. What has changed is a text that nobody looks at.",
    "ns1",
    update("update add note.$domain 600 TXT changed"),
    update("update delete note.$domain TXT"),
    before=[STALE],
    expect=("D12",),
)
zone(
    "D13",
    "the lab name has an A record",
    "Who tests IPv6 by it may get there over IPv4.",
    "update add ipv6.shop.$domain 300 A $www1_4",
    "update delete ipv6.shop.$domain A",
    ("D13 www1",),
)
START, STOP = relay("ns2", "no-long", "53", "$ns1_4")
defect(
    "P04",
    "a large answer does not arrive",
    "The server cuts it off over UDP, and says nothing over TCP, as behind a filter for large packets.",
    "ns2",
    f"systemctl stop named\n{START}",
    f"{STOP}; systemctl start named",
    expect=("P04 ns2",),
)
