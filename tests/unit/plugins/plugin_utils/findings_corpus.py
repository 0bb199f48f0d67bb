# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A healthy site, and for each check of zone_findings a small defect in it that this check alone finds."""

from __future__ import annotations

import ipaddress
import types
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_addresses import DECLARED, RANGES

Row = t.Tuple[str, str, t.Optional[int], str, str]  # zone, name, TTL, type, data

ZONE = "example.com."
CHILD = "lab.example.com."
V6 = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
WILD = "0.0.3.1.8.b.d.0.1.0.0.2.ip6.arpa."
V4 = "2.0.192.in-addr.arpa."
PARTS = "128/26.2.0.192.in-addr.arpa."
ZONES = [ZONE, CHILD, "example.net.", V6, WILD, V4, PARTS]
SOA = "ns1.example.com. hostmaster.example.com. 2026010100 7200 900 1209600 3600"
SLAAC = ipaddress.ip_address("2001:db8:1300:1::5:80")  # the one host with a name of its own in the wildcard's range


def reverse(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer + "."


def at(name: str, zone: str = ZONE) -> str:
    return zone if name == "@" else f"{name}.{zone}"


def add(name: str, kind: str, data: str, ttl: int | None = 3600, zone: str = ZONE) -> Row:
    return zone, at(name, zone), ttl, kind, data


def ptr(address: str, target: str, zone: str | None = None) -> Row:
    return zone or (V6 if ":" in address else V4), reverse(address), 3600, "PTR", target


def host(name: str, number: int, zone: str = ZONE, ttl: int = 3600) -> list[Row]:
    """A dual-stack host with both reverse names."""
    six, four = f"2001:db8:1200::{number:x}", f"192.0.2.{number}"
    rows = [add(name, "AAAA", six, ttl, zone), add(name, "A", four, ttl, zone), ptr(six, at(name, zone))]
    if number >= 128:
        rows += [
            (V4, reverse(four), 3600, "CNAME", f"{number}.{PARTS}"),
            (PARTS, f"{number}.{PARTS}", 3600, "PTR", at(name, zone)),
        ]
    else:
        rows.append(ptr(four, at(name, zone)))
    return rows


def apex(zone: str) -> list[Row]:
    return [
        add("@", "SOA", SOA, 3600, zone),
        add("@", "NS", "ns1.example.com.", 3600, zone),
        add("@", "NS", "ns2.example.com.", 3600, zone),
    ]


def levels(address: ipaddress.IPv6Address, zone: str) -> list[str]:
    """The names between a zone and an address in it, from the top."""
    labels = reverse(str(address)).removesuffix(f".{zone}").split(".")
    return [f"{'.'.join(labels[cut:])}.{zone}" for cut in range(len(labels) - 1, 0, -1)]


def site(hosts: int = 12, ttl: int = 3600) -> list[Row]:
    """A site without findings; h0, h1 ... are dual-stack hosts."""
    rows = [row for zone in (ZONE, "example.net.", V6, WILD, V4) for row in apex(zone)]
    for name, number in (("ns1", 53), ("ns2", 54), ("www", 80), ("mail", 25), ("mx2", 26), ("xn--bcher-kva", 130)):
        rows += host(name, number, ttl=ttl)
    for number in range(hosts):
        rows += host(f"h{number}", 150 + number, ttl=ttl)
    # A child zone with a server of its own, and its delegation with glue.
    ns = host("ns", 55, CHILD, ttl)
    child = [add("@", "SOA", SOA, 3600, CHILD), *ns, *host("box", 57, CHILD, ttl)]
    child += [add("@", "NS", target, 3600, CHILD) for target in ("ns.lab.example.com.", "ns1.example.com.")]
    rows += child
    rows += [add("lab", "NS", target) for target in ("ns.lab.example.com.", "ns1.example.com.")]
    rows += [(ZONE, name, seconds, kind, data) for zone, name, seconds, kind, data in ns if zone == CHILD]
    rows.append(add("lab", "DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"))
    # A child zone that others have.
    rows += [add("away", "NS", "ns1.away.example.com."), add("away", "NS", "ns2.example.com.")]
    rows += [add("ns1.away", "A", "203.0.113.53"), add("ns1.away", "AAAA", "2001:db8:3::53")]
    # The classless zone.
    rows += apex(PARTS)
    rows += [(V4, PARTS, 3600, "NS", f"ns{number}.example.com.") for number in (1, 2)]
    # Lab names, aliases, a name that stands for several, and services.
    rows += [add("ipv6.www", "AAAA", "2001:db8:1200::50", ttl), add("ipv4.www", "A", "192.0.2.80", ttl)]
    rows += [add("v6only", "AAAA", "2001:db8:1200::50", ttl), add("v4only", "A", "192.0.2.80", ttl)]
    rows += [add("ftp", "CNAME", "www.example.com."), add("files", "CNAME", "ftp.example.com.")]
    rows += [add("@", "A", "192.0.2.80", ttl), add("@", "AAAA", "2001:db8:1200::50", ttl)]
    rows += [add("*.pages", "A", "192.0.2.80", ttl), add("*.pages", "AAAA", "2001:db8:1200::50", ttl)]
    rows += [add("user.docs", "CNAME", "any.pages.example.com."), add("old", "DNAME", "example.net.")]
    rows += [add("_sip._tcp", "SRV", "0 5 5060 h0.example.com."), add("_imap._tcp", "SRV", "0 0 0 .")]
    rows += [add("@", "CAA", '0 issue "ca.example.net"'), add("_dmarc", "TXT", '"v=DMARC1; p=reject"')]
    # Mail.
    rows += [add("@", "MX", "10 mail.example.com."), add("@", "MX", "20 mx2.example.com.")]
    rows.append(add("@", "TXT", '"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8:1200::/48 include:_spf.example.com -all"'))
    rows.append(add("_spf", "TXT", '"v=spf1 ip6:2001:db8:3::/48 a:mail.example.com//64 mx:example.com"'))
    rows += [add("@", "MX", "0 .", 3600, "example.net."), add("@", "TXT", '"v=spf1 -all"', 3600, "example.net.")]
    # A range of hosts that name themselves: a wildcard, one host with a name, and the cure on the way to it.
    pool = str(SLAAC)
    rows += [add("pool", "AAAA", pool), ptr(pool, "pool.example.com.", WILD)]
    rows += [(WILD, f"*.{name}", 3600, "PTR", "site.example.com.") for name in (WILD, *levels(SLAAC, WILD))]
    return rows


class Defect(t.NamedTuple):
    """What is taken out, what is put in, and the name that the finding gives."""

    name: str
    drop: tuple[Row, ...] = ()
    put: tuple[Row, ...] = ()
    options: t.Mapping[str, t.Any] = types.MappingProxyType({})

    def apply(self, rows: list[Row]) -> list[Row]:
        assert all(row in rows for row in self.drop), self.drop
        return [row for row in rows if row not in self.drop] + list(self.put)

    def touches(self) -> set[str]:
        return {row[1] for row in (*self.drop, *self.put)} | {self.name}


def spf(text: str, name: str = "m1") -> Row:
    return add(name, "TXT", f'"v=spf1 {text}"')


def soa(numbers: str, zone: str) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    return (add("@", "SOA", SOA, 3600, zone),), (
        add("@", "SOA", f"ns1.example.com. hostmaster.example.com. 1 {numbers}", 3600, zone),
    )


NET = "example.net."
FREE = "2001:db8:1200::f00"  # has no name
H = [tuple(host(f"h{number}", 150 + number)) for number in range(12)]
ARPA_H0 = reverse("2001:db8:1200::96")

DEFECTS: dict[str, Defect] = {
    "outside-zone": Defect("www.example.org.", put=(("example.net.", "www.example.org.", 60, "TXT", '"x"'),)),
    "below-delegation": Defect(at("x.away"), put=(add("x.away", "TXT", '"x"'),)),
    "below-dname": Defect(at("x.old"), put=(add("x.old", "TXT", '"x"'),)),
    "two-ttls": Defect(at("two"), put=(add("two", "TXT", '"a"', 60), add("two", "TXT", '"b"', 61))),
    "ttl-too-large": Defect(at("long"), put=(add("long", "TXT", '"a"', 1 << 31),)),
    "ttl-mismatch": Defect(at("h1"), drop=(H[1][0],), put=((*H[1][0][:2], 100, *H[1][0][3:]),)),
    "glue-ttl-mismatch": Defect(
        "ns1.away.example.com.",
        drop=(add("ns1.away", "AAAA", "2001:db8:3::53"),),
        put=(add("ns1.away", "AAAA", "2001:db8:3::53", 100),),
    ),
    "duplicate-record": Defect(at("h2"), put=(H[2][0],)),
    "two-soas": Defect(WILD, put=(add("@", "SOA", SOA.replace("2026", "2025"), 3600, WILD),)),
    "soa-retry": Defect(V6, *soa("900 900 1209600 3600", V6)),
    "soa-expire": Defect(V4, *soa("7200 900 8100 3600", V4)),
    "soa-negative-ttl": Defect(NET, *soa("7200 900 1209600 86401", NET)),
    "no-ns": Defect(
        "bare.example.org.",
        put=(
            add("bare", "SOA", SOA, 60, "example.org.")[1:2]
            and ("bare.example.org.", "bare.example.org.", 60, "SOA", SOA),
        ),
    ),
    "no-glue": Defect(at("cut"), put=(add("cut", "NS", "ns.cut.example.com."), add("cut", "NS", "ns1.example.com."))),
    "glue-differs": Defect(
        "ns.lab.example.com.",
        drop=(add("ns.lab", "AAAA", "2001:db8:1200::37"),),
        put=(add("ns.lab", "AAAA", "2001:db8:1200::3700"),),
    ),
    "delegation-differs": Defect(CHILD, put=(add("lab", "NS", "ns2.example.com."),)),
    "ds-without-ns": Defect(at("h3"), put=(add("h3", "DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),)),
    "aaaa-without-ptr": Defect(at("h4"), drop=(H[4][2],)),
    "a-without-ptr": Defect(at("more"), put=(add("more", "A", "192.0.2.99"),)),
    "ptr-to-nothing": Defect(reverse(FREE), put=(ptr(FREE, "gone.example.com."),)),
    "ptr-not-confirmed": Defect(reverse("2001:db8:1200::f01"), put=(ptr("2001:db8:1200::f01", "www.example.com."),)),
    "ptr-to-alias": Defect(reverse("2001:db8:1200::f02"), put=(ptr("2001:db8:1200::f02", "ftp.example.com."),)),
    "several-ptr": Defect(reverse("2001:db8:1200::50"), put=(ptr("2001:db8:1200::50", "ipv6.www.example.com."),)),
    "ptr-target-no-host-name": Defect(
        reverse("2001:db8:1200::f03"), put=(ptr("2001:db8:1200::f03", "a_b.example.com."),)
    ),
    "ptr-target-in-arpa": Defect(
        reverse("2001:db8:1200::f04"), put=(ptr("2001:db8:1200::f04", f"www.example.com.{V6}"),)
    ),
    "nibbles-too-many": Defect(
        "1." + reverse("2001:db8:1200::f05"),
        put=((V6, "1." + reverse("2001:db8:1200::f05"), 60, "PTR", "h0.example.com."),),
    ),
    "nibbles-too-few": Defect(
        reverse("2001:db8:1200::f06")[2:], put=((V6, reverse("2001:db8:1200::f06")[2:], 60, "PTR", "h0.example.com."),)
    ),
    "label-no-nibble": Defect(
        "g." + reverse("2001:db8:1200::f07")[2:],
        put=((V6, "g." + reverse("2001:db8:1200::f07")[2:], 60, "PTR", "h0.example.com."),),
    ),
    "octet-wrong": Defect(f"256.{V4}", put=((V4, f"256.{V4}", 60, "PTR", "h0.example.com."),)),
    "octets-too-many": Defect(f"1.80.{V4}", put=((V4, f"1.80.{V4}", 60, "PTR", "h0.example.com."),)),
    "octets-too-few": Defect(V4, put=((V4, V4, 60, "PTR", "h0.example.com."),)),
    "label-no-octet": Defect(f"x.{V4}", put=((V4, f"x.{V4}", 60, "PTR", "h0.example.com."),)),
    "octet-outside-range": Defect(f"200.{PARTS}", put=((PARTS, f"200.{PARTS}", 60, "PTR", "h0.example.com."),)),
    "classless-without-cname": Defect(f"155.{PARTS}", drop=(H[5][3],)),
    "address-in-reverse-zone": Defect(
        reverse("2001:db8:1200::f08"), put=((V6, reverse("2001:db8:1200::f08"), 60, "A", "192.0.2.80"),)
    ),
    "wildcard-hidden": Defect(
        f"*.{levels(SLAAC, WILD)[4]}", drop=((WILD, f"*.{levels(SLAAC, WILD)[5]}", 3600, "PTR", "site.example.com."),)
    ),
    "owner-no-host-name": Defect(at("a_b"), put=(add("a_b", "A", "192.0.2.80"),)),
    "ipv6-name-with-a": Defect(at("ipv6.www"), put=(add("ipv6.www", "A", "192.0.2.80"),)),
    "ipv4-name-with-aaaa": Defect(at("ipv4.www"), put=(add("ipv4.www", "AAAA", "2001:db8:1200::50"),)),
    "cname-and-other-data": Defect(at("c1"), put=(add("c1", "CNAME", "www.example.com."), add("c1", "TXT", '"x"'))),
    "two-cnames": Defect(
        at("c2"), put=(add("c2", "CNAME", "www.example.com."), add("c2", "CNAME", "mail.example.com."))
    ),
    "cname-at-apex": Defect("example.org.", put=(("example.org.", "example.org.", 60, "CNAME", "www.example.com."),)),
    "cname-loop": Defect(at("c3"), put=(add("c3", "CNAME", "c4.example.com."), add("c4", "CNAME", "c3.example.com."))),
    "cname-to-nothing": Defect(at("c5"), put=(add("c5", "CNAME", "nothing.example.com."),)),
    "mx-without-address": Defect(at("m2"), put=(add("m2", "MX", "10 nothing.example.com."),)),
    "mx-to-alias": Defect(at("m3"), put=(add("m3", "MX", "10 files.example.com."),)),
    "mx-to-address": Defect(at("m4"), put=(add("m4", "MX", "10 192.0.2.25"),)),
    "mx-without-aaaa": Defect(at("m5"), put=(add("m5", "MX", "10 v4only.example.com."),)),
    "mx-without-a": Defect(at("m6"), put=(add("m6", "MX", "10 v6only.example.com."),)),
    "null-mx-beside-mx": Defect(NET, put=(add("@", "MX", "10 mail.example.com.", 3600, NET),)),
    "ns-without-address": Defect("z1.example.org.", put=()),
    "ns-to-alias": Defect("z2.example.org."),
    "ns-to-address": Defect("z3.example.org."),
    "ns-without-aaaa": Defect("z4.example.org."),
    "ns-without-a": Defect("z5.example.org."),
    "one-ns": Defect("z6.example.org."),
    "srv-without-address": Defect(at("_a._tcp"), put=(add("_a._tcp", "SRV", "0 0 80 nothing.example.com."),)),
    "srv-to-alias": Defect(at("_b._tcp"), put=(add("_b._tcp", "SRV", "0 0 80 ftp.example.com."),)),
    "srv-to-address": Defect(at("_c._tcp"), put=(add("_c._tcp", "SRV", "0 0 80 2001:db8:1200::50"),)),
    "spf-syntax": Defect(at("s1"), put=(spf("ip6:[2001:db8::1] -all", "s1"),)),
    "spf-several": Defect(at("s2"), put=(spf("-all", "s2"), spf("~all", "s2"))),
    "spf-type-99": Defect(at("s3"), put=(add("s3", "SPF", '"v=spf1 -all"'),)),
    "spf-lookups": Defect(
        at("s4"),
        put=(spf(" ".join(f"a:h{n}.example.com" for n in range(10)) + " include:_spf.example.com -all", "s4"),),
    ),
    "spf-void-lookups": Defect(
        at("s5"), put=(spf("a:x1.example.com mx:x2.example.com exists:x3.example.com -all", "s5"),)
    ),
    "spf-ptr": Defect(at("s6"), put=(spf("ptr -all", "s6"),)),
    "spf-plus-all": Defect(at("s7"), put=(spf("+all", "s7"),)),
    "spf-after-all": Defect(at("s8"), put=(spf("-all ip6:2001:db8::/48", "s8"),)),
    "spf-redirect-beside-all": Defect(at("s9"), put=(spf("-all redirect=_spf.example.com", "s9"),)),
    "spf-mapped": Defect(at("s10"), put=(spf("ip6:::ffff:192.0.2.1 -all", "s10"),)),
    "spf-mx-names": Defect(
        at("s11"), put=(spf("mx -all", "s11"), *(add("s11", "MX", f"{n} h{n}.example.com.") for n in range(11)))
    ),
    "spf-no-end": Defect(at("s12"), put=(spf("ip6:2001:db8::/48", "s12"),)),
    "spf-include-without-record": Defect(at("s13"), put=(spf("include:h0.example.com -all", "s13"),)),
    "spf-loop": Defect(
        at("s14"), put=(spf("include:s15.example.com -all", "s14"), spf("include:s14.example.com -all", "s15"))
    ),
    "spf-without-ip6": Defect(
        at("s16"), put=(spf("ip4:192.0.2.26 -all", "s16"), add("s16", "MX", "10 mx2.example.com."))
    ),
    DECLARED: Defect(
        at("n1"), put=(add("n1", "AAAA", "2001:db8:dead::1"),), options={"not_public": ["2001:db8:dead::/48"]}
    ),
}
# Zones with bad servers.
for _check, _targets in {
    "ns-without-address": ["ns1.example.com.", "nothing.example.com."],
    "ns-to-alias": ["ns1.example.com.", "ftp.example.com."],
    "ns-to-address": ["ns1.example.com.", "192.0.2.53.example.com."],
    "ns-without-aaaa": ["ns1.example.com.", "v4only.example.com."],
    "ns-without-a": ["pool.example.com.", "v6only.example.com."],
    "one-ns": ["ns1.example.com."],
}.items():
    _zone = DEFECTS[_check].name
    _rows = [add("@", "SOA", SOA, 3600, _zone), *(add("@", "NS", target, 3600, _zone) for target in _targets)]
    DEFECTS[_check] = Defect(_zone, put=tuple(_rows))
DEFECTS["no-ns"] = Defect("z0.example.org.", put=(add("@", "SOA", SOA, 3600, "z0.example.org."),))
# One address of each range that must not be public.
for _number, _range in enumerate(item for item in RANGES if item.check):
    _network = ipaddress.ip_network(_range.prefix)
    _address = str(_network[min(_network.num_addresses - 1, 1 << 20 if _network.version == 6 else 9)])
    if _range.check == "address-unassigned":
        _address = "4000::1"
    _row = add(f"x{_number}", "AAAA" if _network.version == 6 else "A", _address)
    DEFECTS.setdefault(_range.check, Defect(_row[1], put=(_row,)))


def moved(row: Row, name: str) -> Defect:
    """A record that stands at another name than it should."""
    return Defect(name, drop=(row,), put=((row[0], name, *row[2:]),))


CUT = f"7.0.0.0.{V6}"
# Other forms of the same classes, which must not show themselves in other findings as well.
MORE: list[tuple[str, Defect]] = [
    ("nibbles-too-many", moved(H[6][2], f"0.{H[6][2][1]}")),
    ("nibbles-too-few", moved(H[6][2], H[6][2][1][2:])),
    ("label-no-nibble", moved(H[6][2], f"9c.{H[6][2][1][4:]}")),
    ("octets-too-many", moved(host("www", 80)[3], f"0.80.{V4}")),
    ("octet-wrong", moved(host("www", 80)[3], f"080.{V4}")),
    ("label-no-octet", moved(host("www", 80)[3], f"www.{V4}")),
    (
        "several-ptr",
        Defect(ARPA_H0, put=(add("h0b", "AAAA", "2001:db8:1200::96"), ptr("2001:db8:1200::96", at("h0b")))),
    ),
    ("cname-and-other-data", Defect(at("www"), put=(add("www", "CNAME", "mail.example.com."),))),
    ("cname-at-apex", Defect(ZONE, put=(add("@", "CNAME", "www.example.com."),))),
    (
        "cname-loop",
        Defect(at("c6"), put=(add("c6", "CNAME", "c6.example.com."), add("c7", "CNAME", "c6.example.com."))),
    ),
    (
        "cname-to-nothing",
        Defect(
            at("c9"),
            put=(add("c8", "CNAME", "c9.example.com."), add("c9", "CNAME", "x.example.net."), add("c9", "RRSIG", "x")),
        ),
    ),
    ("two-ttls", Defect(at("h7"), put=(add("h7", "AAAA", "2001:db8:1200::9d", 60),))),
    ("two-ttls", Defect(H[7][2][1], put=((*H[7][2][:2], 60, *H[7][2][3:]),))),
    ("ttl-too-large", Defect(at("h7"), drop=(H[7][1],), put=((*H[7][1][:2], 4000000000, *H[7][1][3:]),))),
    ("mx-to-address", Defect(at("m7"), put=(add("m7", "MX", "10 [192.0.2.25]"),))),
    ("mx-to-address", Defect(at("m8"), put=(add("m8", "MX", "10 192.0.2.25.example.com."),))),
    ("spf-syntax", Defect(at("t1"), put=(spf("ip4:2001:db8::1 -all", "t1"),))),
    (
        "spf-syntax",
        Defect(at("t2"), put=(spf("ip6:2001:db8::/129 -all", "t2"), spf("include:t2.example.com -all", "t3"))),
    ),
    ("spf-syntax", Defect(at("t4"), put=(spf("a/33 -all", "t4"),))),
    ("spf-syntax", Defect(at("t5"), put=(spf("redirect=a.example redirect=b.example", "t5"),))),
    (
        "spf-several",
        Defect(at("t6"), put=(spf("-all", "t6"), spf("a -all", "t6"), spf("include:t6.example.com -all", "t7"))),
    ),
    (
        "spf-lookups",
        Defect(
            at("t8"),
            put=(
                spf("include:t8.example.com -all", "t9"),
                spf("a mx " * 5 + "a -all", "t8"),
                add("t8", "A", "192.0.2.80"),
                add("t8", "AAAA", "2001:db8:1200::50"),
                add("t8", "MX", "1 h0.example.com."),
            ),
        ),
    ),
    (
        "spf-without-ip6",
        Defect(
            at("ta"),
            put=(
                spf("ip4:192.0.2.0/24 ip6:2001:db8::/48 -all", "ta"),
                add("u.ta", "A", "192.0.2.80"),
                add("u.ta", "AAAA", "2001:db8:1200::50"),
            ),
        ),
    ),
    (
        "below-delegation",
        Defect(
            reverse("2001:db8:1200:7::1"),
            put=(
                add("far", "AAAA", "2001:db8:1200:7::1"),
                ptr("2001:db8:1200:7::1", at("far")),
                *((V6, CUT, 3600, "NS", f"ns{number}.example.com.") for number in (1, 2)),
                *apex(CUT),
            ),
        ),
    ),
]


def records(rows: t.Iterable[Row]) -> list[dict[str, t.Any]]:
    """Rows as zone_findings takes them."""
    return [dict(zip(("zone", "name", "ttl", "type", "data"), row, strict=True)) for row in rows]
