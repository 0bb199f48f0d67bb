# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the DNS says of an address that mail is to be sent from."""

from __future__ import annotations

import types

import dns.resolver
import dns.rrset
import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import mail_confirmed
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_server import ALIAS, Problem
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of

ADDRESS = "2001:db8:25::25"
POINTER = name_of(6, 0x20010DB8002500000000000000000025)
GOOD = {
    (POINTER, "PTR"): ["mail1.example.com."],
    ("mail1.example.com.", "AAAA"): [ADDRESS],
    ("example.com.", "TXT"): ['"v=spf1 ip4:192.0.2.25 ip6:2001:db8:25::/64 -all"', '"other=1"'],
}


class Servers:
    """A name server with some records; what it is silent about is a Problem."""

    def __init__(self, records, silent=(), foreign=()):
        self.records, self.silent, self.foreign, self.asked = dict(records), silent, foreign, []

    def look(self, keys):
        """Answer."""
        self.asked += keys
        return {key: self.one(key) for key in keys}

    def one(self, key):
        """Answer one question."""
        if key.name in self.silent:
            return Problem("it does not answer")
        if any(key.name.endswith(zone) for zone in self.foreign):
            return Problem("it is not authoritative for it")
        data = self.records.get(tuple(key))
        target = self.records.get((key.name, "CNAME"))
        if data is None and target and key.type != "CNAME":
            return Problem(f"{ALIAS} of {target[0]}; records belong to the name that it stands for")
        return Rrset(300, tuple(data)) if data else None


def confirmed(records, domains=("example.com",), silent=(), address=ADDRESS):
    """Ask a resolver that knows some records."""
    asker = mail_confirmed.Asker(None, Servers(records, silent).look)
    return mail_confirmed.confirmed(address, list(domains), asker)


def changed(**records):
    """Return the good records with others: spf, ptr, aaaa, extra."""
    found = dict(GOOD)
    for key, where in (("spf", ("example.com.", "TXT")), ("ptr", (POINTER, "PTR"))):
        if key in records:
            found[where] = records[key]
    if "aaaa" in records:
        found["mail1.example.com.", "AAAA"] = records["aaaa"]
    found.update(records.get("extra", {}))
    return found


def test_all_is_right():
    assert confirmed(GOOD) == {"names": ["mail1.example.com"], "why": [], "unknown": []}


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (changed(ptr=[]), f"{ADDRESS} has no PTR record ({POINTER}); the role ptr makes one"),
        (changed(aaaa=[]), "leads to mail1.example.com., which has no AAAA record with it"),
        (changed(aaaa=["2001:db8:25::26"]), "leads to mail1.example.com., which has no AAAA record with it"),
        (changed(spf=[]), f"example.com. has no SPF record; publish one that has ip6:{ADDRESS}"),
        (changed(spf=['"v=spf1 ip4:192.0.2.25 -all"']), f"gives {ADDRESS} fail; put ip6:{ADDRESS} into it"),
        (changed(spf=['"v=spf1 ip4:192.0.2.25 ~all"']), f"gives {ADDRESS} softfail"),
        (changed(spf=['"v=spf1 ip4:192.0.2.25"']), f"gives {ADDRESS} neutral"),
        (changed(spf=['"v=spf1 exists:%{i}.example.org -all"']), "nothing that can be told from here"),
        (changed(spf=['"v=spf1 a:mail2.example.com -all"']), f"gives {ADDRESS} fail"),
        (changed(spf=['"v=spf1 -all"', '"v=spf1 +all"']), "there are 2 of them"),
        (changed(spf=['"v=spf1 ip6:2001:db8::1/129 +all"']), "is an error for every receiver"),
        (changed(spf=['"v=spf1 include:none.example -all"']), "nothing that can be told from here"),
        (
            changed(
                spf=[f'"v=spf1 {" ".join(f"a:a{number}.example.com" for number in range(11))} ip6:{ADDRESS} -all"']
            ),
            "needs more than the 10 DNS lookups",
        ),
        (changed(extra={("mail1.example.com.", "TXT"): ['"v=spf1 -all"']}), "SPF record of mail1.example.com. gives"),
    ],
)
def test_says_what_is_missing(records, why):
    found = confirmed(records)
    assert len(found["why"]) == 1
    assert why in found["why"][0]
    assert found["unknown"] == []


@pytest.mark.parametrize(
    "records",
    [
        changed(spf=['"v=spf1 a:mail1.example.com -all"']),
        changed(spf=['"v=spf1 mx -all"'], extra={("example.com.", "MX"): ["10 MAIL1.example.com."]}),
        changed(spf=['"v=spf1 redirect=_spf.example.com"'], extra={("_spf.example.com.", "TXT"): ['"v=spf1 +all"']}),
        changed(
            spf=['"v=spf1 include:_a.example.com -all"'],
            extra={
                ("_a.example.com.", "CNAME"): ["_b.example.org."],
                ("_b.example.org.", "TXT"): ['"v=spf1 include:_c.example.org -all"'],
                ("_c.example.org.", "TXT"): [f'"v=spf1 ip6:{ADDRESS} -all"'],
            },
        ),
        changed(spf=['"v=spf1 ip6:2001:db8:" "25::25 -all"']),
        changed(ptr=["none.example.", "MAIL1.example.com."]),
        changed(extra={("mail1.example.com.", "TXT"): ['"v=spf1 a -all"']}),
    ],
)
def test_follows_the_records(records):
    assert confirmed(records) == {"names": ["mail1.example.com"], "why": [], "unknown": []}


@pytest.mark.parametrize("silent", [POINTER, "mail1.example.com.", "example.com."])
def test_silence_is_no_missing_record(silent):
    found = confirmed(GOOD, silent=(silent,))
    assert found["why"] == []
    assert len(found["unknown"]) >= 1
    assert all(silent in text and "does not answer" in text for text in found["unknown"])


@pytest.mark.parametrize(
    ("terms", "host"),
    [("a:mail2.example.com", "mail2.example.com."), ("mx", "mail3.example.com."), ("mx", "example.com.")],
)
def test_silence_about_a_host_is_no_missing_record(terms, host):
    records = changed(
        spf=['"v=spf1 redirect=_spf.example.org"'],
        extra={
            ("_spf.example.org.", "TXT"): [f'"v=spf1 {terms.replace("mx", "mx:example.org")} -all"'],
            ("example.org.", "MX"): ["10 mail3.example.com."],
        },
    )
    assert "fail" in confirmed(records)["why"][0]
    found = confirmed(records, silent=(host if host != "example.com." else "example.org.",))
    assert found["why"] == [] and "does not answer" in found["unknown"][0]


def test_silence_elsewhere_hides_no_missing_term():
    found = confirmed(changed(spf=['"v=spf1 -all"']), ["example.com", "example.net"], silent=("example.net.",))
    assert "gives 2001:db8:25::25 fail" in found["why"][0] and found["unknown"]


def test_silence_about_an_include_is_no_missing_record():
    found = confirmed(changed(spf=['"v=spf1 include:a.example -all"']), silent=("a.example.",))
    assert (found["why"], len(found["unknown"])) == ([], 1)


def test_endless_records_end():
    loop = {("a.example.", "CNAME"): ["b.example."], ("b.example.", "CNAME"): ["a.example."]}
    found = confirmed(changed(spf=['"v=spf1 include:a.example -all"'], extra=loop))
    assert "do not end" in found["unknown"][0]
    found = confirmed(changed(spf=['"v=spf1 include:example.com -all"']))
    assert "nothing that can be told" in found["why"][0]


@pytest.mark.parametrize(
    ("address", "domains", "why"),
    [("", ["example.com"], ["set postfix_address"]), (ADDRESS, [], ["set ipv6_mail_domains"]), ("", [], ["a", "d"])],
)
def test_says_what_it_needs(address, domains, why):
    servers = Servers(GOOD)
    found = mail_confirmed.confirmed(address, domains, mail_confirmed.Asker(None, servers.look))
    assert len(found["why"]) == len(why)
    assert all(part in text for part, text in zip(why, found["why"]))
    assert not servers.asked


@pytest.mark.parametrize("domains", [7, {"a": 1}, [None], ["bad name.example"]])
def test_refuses_domains(domains):
    with pytest.raises(RolloutError, match="ipv6_mail_domains"):
        mail_confirmed.confirmed(ADDRESS, domains, mail_confirmed.Asker(None, Servers(GOOD).look))


def test_the_sites_server_is_asked_first_and_the_resolver_for_the_rest():
    own = Servers({("example.com.", "TXT"): GOOD["example.com.", "TXT"]}, foreign=("arpa.", "mail1.example.com."))
    world = Servers(GOOD)
    found = mail_confirmed.confirmed(ADDRESS, ["example.com"], mail_confirmed.Asker(own.look, world.look))
    assert found["names"] == ["mail1.example.com"] and not found["why"]
    assert Key("example.com.", "TXT") not in world.asked
    assert Key(POINTER, "PTR") in world.asked


def test_a_server_that_is_down_leaves_it_to_the_resolver():
    def down(keys):
        raise RolloutError("name server 192.0.2.53:53: connection refused")

    found = mail_confirmed.confirmed(ADDRESS, ["example.com"], mail_confirmed.Asker(down, Servers(GOOD).look))
    assert found["names"] == ["mail1.example.com"] and not found["why"]
    found = mail_confirmed.confirmed(ADDRESS, ["example.com"], mail_confirmed.Asker(down, Servers({}).look))
    assert not found["why"] and "connection refused" in found["unknown"][0]
    silent = Servers({}, silent=(POINTER, "example.com.")).look
    found = mail_confirmed.confirmed(ADDRESS, ["example.com"], mail_confirmed.Asker(down, silent))
    assert "connection refused" in found["unknown"][0]


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (None, None),
        ({}, None),
        ({"server": "", "port": 53}, None),
        ({"server": "192.0.2.53"}, ("192.0.2.53", 53)),
        ({"server": "192.0.2.53", "port": "5353"}, ("192.0.2.53", 5353)),
    ],
)
def test_the_sites_server(given, where):
    assert mail_confirmed.server_of(given) == where


@pytest.mark.parametrize(
    "given", ["192.0.2.53", {"server": "192.0.2.53", "port": "dns"}, {"server": "192.0.2.53", "port": "²"}]
)
def test_refuses_a_server(given):
    with pytest.raises(RolloutError, match=r"sending\.dns"):
        mail_confirmed.server_of(given)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (["a.example. 300 IN AAAA 2001:db8::2", "a.example. 300 IN AAAA 2001:db8::1"], ("2001:db8::1", "2001:db8::2")),
        ([], None),
        (dns.resolver.NXDOMAIN(), None),
        (dns.resolver.NoNameservers(), "no answer: NoNameservers"),
        (dns.resolver.LifetimeTimeout(timeout=5, errors=[]), "no answer: LifetimeTimeout"),
        (OSError("no"), "no answer: OSError"),
    ],
)
def test_the_resolver_of_this_machine(monkeypatch, answer, found):
    class Played:
        def resolve(self, name, kind, **_given):
            if isinstance(answer, Exception):
                raise answer
            rrset = dns.rrset.from_text_list(name, 300, "IN", kind, [line.split()[-1] for line in answer])
            return types.SimpleNamespace(rrset=rrset if answer else None)

    monkeypatch.setattr(dns.resolver, "Resolver", Played)
    held = mail_confirmed.Resolver().look([Key("a.example.", "AAAA")])[Key("a.example.", "AAAA")]
    if isinstance(found, str):
        assert isinstance(held, Problem) and held.reason.endswith(found)
    else:
        assert held == (None if found is None else Rrset(300, found))


def test_a_machine_without_a_resolver(monkeypatch):
    def none():
        raise dns.resolver.NoResolverConfiguration()

    monkeypatch.setattr(dns.resolver, "Resolver", none)
    assert (
        "NoResolverConfiguration"
        in mail_confirmed.Resolver().look([Key("a.example.", "A")])[Key("a.example.", "A")].reason
    )
