# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of audits that never were: random but valid, of any size, healthy or not, with hostile texts or without."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import random
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_compare import compare

STATUSES = ("pass", "fail", "unknown", "not_applicable")
PREFIX = "2001:db8:1200::/48"
SITES = ("ams", "fra", "lon")
WEB = (("https", 443, "tcp"), ("http", 80, "tcp"), ("ssh", 22, "tcp"))
MAIL = (("smtp", 25, "tcp"), ("submission", 587, "tcp"), ("imaps", 993, "tcp"), ("ssh", 22, "tcp"))
NAMES = (("dns", 53, "udp"), ("dns-tcp", 53, "tcp"), ("ssh", 22, "tcp"))
KINDS = {"www": WEB, "mail": MAIL, "ns": NAMES}

# id, title, view, of, hurts, rule, source, per service
CHECKS: tuple[tuple[str, str, str, str, int, str, str, bool], ...] = (
    ("A01", "The planned address is on its interface", "inside", "host", 4, "Each address of the plan is on its "
     "interface with its prefix length, and no other global address is.", "RFC 4291, section 2.8", False),
    ("A02", "Duplicate address detection is done", "inside", "host", 4, "No address is tentative after five seconds, "
     "and none has failed.", "RFC 4862, section 5.4", False),
    ("A05", "The prefix plan holds together", "control", "site", 5, "Each subnet is inside the delegation, and no two "
     "overlap.", "RFC 5453", False),
    ("R01", "There is one default route", "inside", "host", 4, "The main table has a default route over the declared "
     "router, and one of them wins.", "RFC 4191, section 3.1", False),
    ("R02", "The router answers neighbour solicitations", "inside", "host", 4, "The neighbour entry of the router is "
     "reachable within three seconds.", "RFC 4861, section 7.3", False),
    ("R06", "No redirects and no source routing", "inside", "host", 3, "The kernel takes neither.", "RFC 9099, "
     "section 2.3", False),
    ("F01", "Nothing is open over IPv6 only", "outside", "host", 5, "The ports that answer over IPv6 are those that "
     "answer over IPv4, or are declared.", "RFC 7123, section 2", False),
    ("F02", "What is open over IPv4 is open over IPv6", "outside", "host", 4, "Each declared port answers over both.",
     "RFC 6883, section 4", False),
    ("F03", "The default policies are the same", "inside", "host", 5, "INPUT and FORWARD drop in IPv6 where they drop "
     "in IPv4.", "ip6tables(8)", False),
    ("F05", "The ICMPv6 that IPv6 needs comes in", "outside", "host", 4, "Packet Too Big, neighbour discovery and "
     "echo are let in.", "RFC 4890, section 4.3.1", False),
    ("L01", "Only what is declared listens", "inside", "host", 3, "Each listening socket is of a declared service.",
     "ss(8)", False),
    ("L04", "Dual-stack services listen in both families", "inside", "host", 4, "Each declared service has a socket in "
     "each family.", "RFC 4038, section 4", True),
    ("D01", "The AAAA records are those of the plan", "dns", "host", 4, "Each authoritative server has exactly them.",
     "RFC 3596, section 2", False),
    ("D03", "Each address has one PTR record", "dns", "host", 3, "One name for each published address.",
     "RFC 1912, section 2.1", False),
    ("D06", "Two name servers answer over IPv6", "dns", "site", 4, "Two at least, over UDP and TCP.",
     "RFC 3901, section 3", False),
    ("W01", "Each address answers", "outside", "host", 5, "A connection to each address and port over each family.",
     "RFC 9110, section 3.3", True),
    ("W03", "The page is the same over both families", "outside", "host", 3, "The lines of both bodies differ in no "
     "more than a tenth.", "Internet.nl, IPv6 test", False),
    ("W04", "The certificate is the same over both families", "outside", "host", 4, "The same public key.",
     "RFC 6125, section 6", False),
    ("M01", "The greeting names the host", "outside", "host", 2, "The first word is myhostname.", "RFC 5321, "
     "section 4.2", False),
    ("M06", "The relay is closed over IPv6", "outside", "host", 5, "A strange recipient of a strange sender is "
     "refused.", "RFC 5321, section 7.9", False),
    ("P02", "The maximum segment size fits the path", "outside", "host", 3, "It is no more than the path's MTU less "
     "60.", "RFC 8200, section 8.3", True),
    ("S01", "Names are sorted as RFC 6724 wants it", "inside", "host", 2, "getaddrinfo gives the planned order.",
     "RFC 6724, section 6", False),
    ("Z01", "IPv4 is not harmed", "control", "site", 5, "What was fine over IPv4 before is fine now.", "RFC 4213, "
     "section 2", False),
)  # fmt: skip
INTERNET_NL = {
    "web": ("IPv6 addresses of name servers", "IPv6 reachability of name servers", "IPv6 addresses of the web server",
            "IPv6 reachability of the web server", "Same web site over IPv6 and IPv4"),
    "mail": ("IPv6 addresses of name servers", "IPv6 reachability of name servers", "IPv6 addresses of mail servers",
             "IPv6 reachability of mail servers"),
}  # fmt: skip
WRONG = {
    "W01": ("no connection: the packet was rejected by the firewall of the host", "ip6_services",
            "add the service to ip6tables_services and run the role ip6tables"),
    "F03": ("INPUT accepts by default over IPv6 and drops over IPv4", "ip6tables_policy",
            "run the role ip6tables; it gives IPv6 the policy of IPv4"),
    "M06": ("the server took a strange recipient over IPv6", "postfix_mynetworks",
            "write the networks as [2001:db8:1200::]/48 in postfix_mynetworks"),
    "D03": ("there is no PTR record", "ipv6_names", "run the role ptr"),
}  # fmt: skip

# What a network could answer to somebody who puts it on a page, into a terminal or through a template.
HOSTILE = (
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=\"document.title='owned'\">",
    "</pre></details><h1>Ready</h1><style>body{display:none}</style>",
    "{{ lookup('pipe', 'id') }}{% for x in y %}{{ 7 * 7 }}",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\x9b5m",
    "\u202egnp.exe\u202c \u2066isolated\u2069 \u200f",
    "nul \x00, bell \x07, escape \x1b, next line \x85, a lone surrogate \ud800, no character \uffff \ufffe",
    "]]> <!-- --> <![CDATA[ &amp; &#0; &bogus; -->",
    "javascript:alert(1) https://example.net/track.png url(//example.net/x)",
    "x" * 600,
    "Z\u0351\u0342\u036b" * 40,
    "two\r\nlines\u2028and a third",
)  # fmt: skip


def sample(seed: int, hosts: int = 5, healthy: bool = False, hostile: bool = False, earlier: bool = True) -> dict:
    """Return a document.

    :param healthy: nothing fails and nothing is unknown
    :param hostile: every text that could come from a network or a user may hold what HOSTILE does
    :param earlier: whether there was an audit before, in which other things were wrong
    """
    document = _Maker(random.Random(f"{seed} {hosts} {healthy}"), hosts, healthy, hostile).document()
    if earlier:
        was = _Maker(random.Random(f"{seed} {hosts} before"), hosts, False, hostile).document()
        was["run"]["made"] = "2026-11-01T08:00:00+00:00"
        document["before"] = compare(was, document)
    return document


class _Maker:
    def __init__(self, chance: random.Random, hosts: int, healthy: bool, hostile: bool) -> None:
        self._chance = chance
        self._healthy = healthy
        self._hostile = hostile
        self._names = self._hosts(hosts)
        # Some things are wrong everywhere, most are wrong on a host or two.
        self._everywhere = set() if healthy else set(chance.sample(["F03", "D03", "P02"], 1))
        self._share = 0.0 if healthy else max(0.002, min(0.05, 6 / (hosts * 12)))

    def _text(self, text: str) -> str:
        return f"{text} {self._chance.choice(HOSTILE)}" if self._hostile else text

    def _hosts(self, count: int) -> dict[str, dict[str, t.Any]]:
        made: dict[str, dict[str, t.Any]] = {}
        for place in range(count):
            kind = ("www", "mail", "ns", "www", "www")[place % 5]
            number = place // 5 * 3 + (place % 5 if kind == "www" else 0) // 2 + 1 if kind == "www" else place // 5 + 1
            site = SITES[place % 3]
            subnet = f"{site}/{kind}-{place // 50}"
            third = SITES.index(site) * 0x100 + list(KINDS).index(kind) * 0x10 + place // 50
            address = ipaddress.IPv6Address((0x20010DB81200 << 80) + (third << 64) + 0x80 + place)
            ipv4 = ipaddress.IPv4Address(int(ipaddress.IPv4Address("192.0.2.0")) + 1 + place % 254)
            name = f"{kind}{number}"
            made[name] = {
                "address": str(address), "ipv4": str(ipv4), "subnet": subnet, "services": KINDS[kind],
                "names": [f"{name}.example.com"], "prefix": str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64))),
            }  # fmt: skip
        return made

    def document(self) -> dict[str, t.Any]:
        results = sorted(self._results(), key=self._order)
        document: dict[str, t.Any] = {
            "schema": "ipv6.rollout/audit/1",
            "site": {
                "prefix": PREFIX,
                "verdict": _verdict(results),
                "counts": _counts(results),
                "internet_nl": {part: self._internet_nl(part) for part in INTERNET_NL},
            },
            "checks": {},
            "hosts": {},
            "matrix": list(self._matrix(results)),
            "results": results,
            "plan": {
                "prefix": PREFIX,
                "subnets": self._subnets(),
                "hosts": {name: host["address"] for name, host in self._names.items()},
            },
        }
        for check, title, view, of, hurts, rule, source, _each in CHECKS:
            mine = [result for result in results if result["check"] == check]
            document["checks"][check] = {
                "title": title, "view": view, "of": of, "hurts": hurts, "rule": rule, "source": source,
                "verdict": _worst(mine), "counts": _counts(mine),
            }  # fmt: skip
        by_host: dict[str, list[dict[str, t.Any]]] = {name: [] for name in self._names}
        for result in results:
            by_host.get(result["host"], []).append(result)
        for name, host in self._names.items():
            document["hosts"][name] = {
                "verdict": _verdict(by_host[name]), "counts": _counts(by_host[name]),
                "address": host["address"], "ipv4": host["ipv4"], "subnet": host["subnet"], "names": host["names"],
                "services": [dict(zip(("name", "port", "protocol"), service)) for service in host["services"]],
                "details": self._details(host),
            }  # fmt: skip
        text = json.dumps(document, sort_keys=True).encode()
        document["fingerprint"] = hashlib.sha256(text).hexdigest()
        document["run"] = self._run(len(results))
        document["before"] = None
        return document

    def _subnets(self) -> dict[str, str]:
        found = {site: f"2001:db8:1200:{number:x}00::/56" for number, site in enumerate(SITES)}
        found["ams"] = "2001:db8:1200::/56"
        for host in self._names.values():
            found[host["subnet"]] = host["prefix"]
        return found

    def _results(self) -> t.Iterator[dict[str, t.Any]]:
        for check, _title, _view, of, _hurts, rule, _source, each in CHECKS:
            if of == "site":
                yield self._result(check, rule, "", "", "", "")
                continue
            for name, host in self._names.items():
                if (check[0] == "W" and host["services"] is not WEB) or (
                    check[0] == "M" and host["services"] is not MAIL
                ):
                    yield self._result(check, rule, name, "", "", "", "not_applicable")
                    continue
                for service, _port, _protocol in host["services"] if each else [("", 0, "")]:
                    for family in ("ipv4", "ipv6") if each else ("",):
                        address = {"ipv4": host["ipv4"], "ipv6": host["address"]}.get(family, "")
                        yield self._result(check, rule, name, service, address, family)

    def _result(
        self, check: str, rule: str, host: str, service: str, address: str, family: str, status: str = "pass"
    ) -> dict[str, t.Any]:
        chance = self._chance
        if status == "pass" and family == "ipv4" and chance.random() < self._share / 4:
            status = "fail"
        elif status == "pass" and family != "ipv4":
            if check in self._everywhere and chance.random() < 0.8:
                status = "fail"
            elif chance.random() < self._share:
                status = chance.choice(("fail", "fail", "unknown", "not_applicable"))
        accepted = ""
        message, variable, fix = f"as the rule wants it: {rule[0].lower()}{rule[1:-1]}", "", ""
        if status == "fail":
            default = ("this is not as the plan has it", "ipv6_services", "run the playbook rollout again")
            message, variable, fix = WRONG.get(check, default)
        elif status == "unknown":
            message, fix = "the lab machine did not see it: the probe was not made", "start the lab machine"
        elif status == "not_applicable":
            message = "there is nothing here that it is about"
            accepted = "the provider has no IPv6 there yet" if host and chance.random() < 0.002 else ""
        evidence = []
        if status in ("fail", "unknown") or self._hostile:
            evidence = [
                self._text(f"connect [{address or '2001:db8:1200::53'}]:443 over {family or 'ipv6'}: refused"),
                self._text("ip6tables -S INPUT: -A INPUT -j REJECT --reject-with icmp6-adm-prohibited"),
            ]
        return {
            "check": check, "status": status, "host": host, "service": service, "name": "", "address": address,
            "family": family, "message": self._text(message), "evidence": evidence,
            "cause": {
                "variable": variable,
                "file": "/etc/iptables/rules.v6" if status == "fail" and check[0] == "F" else "",
                "where": f"inventory/host_vars/{host}.yml:12" if variable and host else "",
            },
            "fix": self._text(fix) if fix else "", "accepted": accepted,
        }  # fmt: skip

    def _order(self, result: dict[str, t.Any]) -> tuple[t.Any, ...]:
        hurts = {entry[0]: entry[4] for entry in CHECKS}[result["check"]]
        place = ("fail", "unknown", "pass", "not_applicable").index(result["status"])
        return (place, -hurts, result["check"], result["host"], result["service"], result["address"])

    def _matrix(self, results: t.Sequence[dict[str, t.Any]]) -> t.Iterator[dict[str, t.Any]]:
        about: dict[tuple[str, str, str], list[dict[str, t.Any]]] = {}
        for result in results:
            about.setdefault((result["host"], result["service"], result["family"]), []).append(result)
        for name, host in self._names.items():
            for service, port, protocol in host["services"]:
                for family, address in (("ipv4", host["ipv4"]), ("ipv6", host["address"])):
                    mine = about.get((name, service, family), [])
                    bad = sorted({one["check"] for one in mine if one["status"] in ("fail", "unknown")})
                    yield {
                        "host": name, "service": service, "port": port, "protocol": protocol, "family": family,
                        "address": address, "verdict": _worst(mine), "checks": bad,
                    }  # fmt: skip

    def _internet_nl(self, part: str) -> list[dict[str, t.Any]]:
        entries = []
        for number, title in enumerate(INTERNET_NL[part], 1):
            verdict = (
                "pass" if self._healthy else self._chance.choice(("pass", "pass", "pass", "fail", "partial", "unknown"))
            )
            score = {"pass": 10, "partial": 2, "fail": 0}.get(verdict)
            why = {"pass": "all of them are", "partial": "one of two is", "fail": "none of them is"}.get(
                verdict, "not seen"
            )
            entries.append(
                {"id": f"{part}-{number}", "title": title, "verdict": verdict, "score": score, "why": self._text(why)}
            )
        return entries

    def _details(self, host: dict[str, t.Any]) -> dict[str, list[str]]:
        sockets = [f"{protocol} [::]:{port} ({name}) serves IPv4 and IPv6" for name, port, protocol in host["services"]]
        rules = ["ipv6 -P INPUT DROP", "ipv6 -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]
        rules += [f"ipv6 -A INPUT -p {protocol} --dport {port} -j ACCEPT" for _name, port, protocol in host["services"]]
        kinds = (1, 2, 3, 4, 128, 129, 133, 134, 135, 136)
        rules += [f"ipv6 -A INPUT -p ipv6-icmp --icmpv6-type {number} -j ACCEPT" for number in kinds]
        return {"listeners": [self._text(line) for line in sockets], "firewall": [self._text(line) for line in rules]}

    def _run(self, results: int) -> dict[str, t.Any]:
        hosts = len(self._names)
        steps = (("read the zones", 0.4, 4), ("first probes from the lab machine", 2.1, 12 * hosts),
                 ("look at the hosts", 6.5, hosts), ("further probes from the lab machine", 3.2, 9 * hosts),
                 ("judge", 0.8, results))  # fmt: skip
        timeline, at = [], 0.0
        for what, seconds, count in steps:
            timeline.append({"what": what, "at": round(at, 3), "seconds": seconds, "count": count})
            at += seconds
        problems = [self._text("the group mail could not be asked")] if self._hostile else []
        return {
            "made": "2026-11-21T20:15:00+00:00", "seconds": round(at, 3), "version": "0.1.0", "timeline": timeline,
            "problems": problems,
        }  # fmt: skip


def _counts(results: t.Iterable[dict[str, t.Any]]) -> dict[str, int]:
    statuses = [result["status"] for result in results]
    return {status: statuses.count(status) for status in STATUSES}


def _worst(results: t.Iterable[dict[str, t.Any]]) -> str:
    return min(
        (result["status"] for result in results),
        key=("fail", "unknown", "pass", "not_applicable").index,
        default="unknown",
    )


def _verdict(results: t.Iterable[dict[str, t.Any]]) -> str:
    return {"fail": "not_ready", "pass": "ready"}.get(_worst(results), "not_proved")
