# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site with two name servers, of which each can be made to lie, to be silent, or to send rubbish."""

from __future__ import annotations

import base64
import dataclasses

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from ansible_collections.ipv6.rollout.plugins.plugin_utils import findings, readiness_dns
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Host, Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name

WWW, MAIL, NS1, NS2 = "2001:db8:1200::80", "2001:db8:1200:25::25", "2001:db8:1200:53::53", "2001:db8:99::53"
WWW4, MAIL4, NS14, NS24 = "192.0.2.80", "192.0.2.25", "192.0.2.53", "198.51.100.53"
FORWARD = "example.com."
REVERSE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
SOA = "ns1.example.com. hostmaster.example.com. 7 3600 900 604800 60"

RECORDS = [
    (FORWARD, FORWARD, "SOA", SOA),
    (FORWARD, FORWARD, "NS", "ns1.example.com."),
    (FORWARD, FORWARD, "NS", "ns2.example.com."),
    (FORWARD, FORWARD, "MX", "10 mail.example.com."),
    (FORWARD, FORWARD, "TXT", f'"v=spf1 ip4:{MAIL4} ip6:{MAIL} -all"'),
    (FORWARD, "ns1.example.com.", "A", NS14),
    (FORWARD, "ns1.example.com.", "AAAA", NS1),
    (FORWARD, "ns2.example.com.", "A", NS24),
    (FORWARD, "ns2.example.com.", "AAAA", NS2),
    (FORWARD, "www.example.com.", "A", WWW4),
    (FORWARD, "www.example.com.", "AAAA", WWW),
    (FORWARD, "ipv6.www.example.com.", "AAAA", WWW),
    (FORWARD, "mail.example.com.", "A", MAIL4),
    (FORWARD, "mail.example.com.", "AAAA", MAIL),
    (FORWARD, "ipv6.mail.example.com.", "AAAA", MAIL),
    (FORWARD, "old.example.com.", "A", "192.0.2.7"),
    (REVERSE, REVERSE, "SOA", SOA),
    (REVERSE, REVERSE, "NS", "ns1.example.com."),
    (REVERSE, REVERSE, "NS", "ns2.example.com."),
    (REVERSE, reverse_name(WWW), "PTR", "www.example.com."),
    (REVERSE, reverse_name(MAIL), "PTR", "mail.example.com."),
    (REVERSE, reverse_name(NS1), "PTR", "ns1.example.com."),
]
HTTP = {"name": "http", "port": 80, "protocol": "tcp", "sources": [], "daemon": "apache"}
SMTP = {"name": "smtp", "port": 25, "protocol": "tcp", "sources": [], "daemon": "postfix"}
DNS = {"name": "dns", "port": 53, "protocol": "udp", "sources": [], "daemon": ""}


def host(name, address, ipv4, names=(), lab_names=(), services=(), mail_domains=(), **variables):
    spec = {
        "address": address,
        "ipv4": ipv4,
        "names": list(names),
        "lab_names": list(lab_names),
        "services": list(services),
        "mail_domains": list(mail_domains),
        "subnet": "web",
    }
    return Host(name, spec, {"ipv6_dns": {"server": NS14}, **variables})


HOSTS = {
    "www1": host("www1", WWW, WWW4, ["www.example.com"], ["ipv6.www.example.com"], [HTTP]),
    "mail1": host("mail1", MAIL, MAIL4, ["mail.example.com"], ["ipv6.mail.example.com"], [SMTP], ["example.com"]),
    "ns1": host("ns1", NS1, NS14, ["ns1.example.com"], [], [DNS]),
}
LAB = {"name": "lab1", "ipv4": "192.0.2.200", "outside_source": "2001:db8:beef::10"}


def dns_of(records, by="transfer", zones=(FORWARD, REVERSE), unknown=(), ttl=600):
    """Return what zone_info would."""
    told = [
        {"zone": zone, "name": name, "type": kind, "ttl": (more or [ttl])[0], "data": data}
        for zone, name, kind, data, *more in records
    ]
    return {
        "records": told,
        "zones": {zone: {"serial": 7, "by": by, "records": sum(one["zone"] == zone for one in told)} for zone in zones},
        "unknown": list(unknown),
        "findings": findings.findings(told, list(zones)) if told else [],
    }


class World:
    """The name servers, by address. ``odd`` changes the answer to a question: (probe, answer) to an answer or None."""

    def __init__(self, records=None, hosts=None, lab=None, variables=None, served=None, odd=None, refused=(), **of_dns):
        records = RECORDS if records is None else records
        lab = LAB if lab is None else lab
        self.site = Site(
            hosts=dict(HOSTS if hosts is None else hosts),
            plan={"prefix": "2001:db8:1200::/48"},
            dns=dns_of(records, **of_dns),
            lab=lab,
            variables=variables or {},
        )
        self.records = served or records
        self.odd = odd or (lambda probe, answer: answer)
        self.refused = refused  # ids of connections that are not taken

    def waves(self, count=3):
        """Make the probes as the audit does, until there are no new ones."""
        for _wave in range(count):
            proofs = dict(self.site.proofs)
            for probe in readiness_dns.probes(self.site):
                proofs.setdefault(probe["id"], self.made(probe))
            self.site = dataclasses.replace(self.site, proofs=proofs)
        return self.site

    def made(self, probe):
        proof = {
            "id": probe["id"],
            "ok": True,
            "evidence": "connected",
            "address": probe.get("address", ""),
            "seen": {},
        }
        if probe["kind"] == "dns":
            return {**proof, **self.asked(probe)}
        if probe["kind"] == "ports":
            here = [port for port in probe["ports"] if f"{probe['address']} {port}" not in self.refused]
            return {**proof, "seen": {"open": here, "closed": [], "silent": []}}
        if probe["id"] in self.refused:
            return {**proof, "ok": False, "evidence": "no answer"}
        return proof

    def asked(self, probe):
        query = dns.message.from_wire(base64.b64decode(probe["query"]))
        seen, good = {}, True
        for protocol in ("udp", "tcp") if probe["protocol"] == "both" else (probe["protocol"],):
            answer = self.odd({**probe, "protocol": protocol}, self.answer(query))
            wire = answer if isinstance(answer, bytes) else answer.to_wire(max_size=65535) if answer else b""
            seen[protocol] = base64.b64encode(wire).decode()
            seen[f"{protocol}_problem"] = "" if answer else f"{protocol}: no answer"
            good = good and bool(answer)
        return {"ok": good, "seen": seen, "evidence": ""}

    def answer(self, query):
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        answer.want_dnssec(bool(query.ednsflags & dns.flags.DO))
        asked = query.question[0]
        name, kind = asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)
        texts = [one[3] for one in self.records if one[1] == name and one[2] == kind]
        if texts:
            answer.answer.append(dns.rrset.from_text(name, 600, "IN", kind, *texts))
        elif not any(one[1] == name for one in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


def judged(site, only=None):
    """Return the results of the checks by id."""
    found = {}
    for check in readiness_dns.CHECKS:
        if only is None or check.id in only:
            found[check.id] = check.results(site)
    return found


def statuses(results):
    """Return by check which statuses there are."""
    return {check: sorted({result.status for result in found}) for check, found in results.items()}


def red(site):
    """Return the checks that fail."""
    return sorted(check for check, found in judged(site).items() if any(one.status == "fail" for one in found))


def records(*more, without=()):
    """Return the records without some of a name and type, and with some more."""
    return [one for one in RECORDS if one[1:3] not in without] + list(more)


def aaaa(name, address, *ttl):
    return (FORWARD, name, "AAAA", address, *ttl)


def silent(address="", kinds=(), protocols=("udp", "tcp"), family=""):
    """Return a way to answer: not at all at an address, over a family, for some types."""

    def odd(probe, answer):
        here = address in ("", probe.get("address")) and family in ("", probe["family"])
        what = probe["id"].split("|")[2]
        return None if here and what in (kinds or what) and probe["protocol"] in protocols else answer

    return odd
