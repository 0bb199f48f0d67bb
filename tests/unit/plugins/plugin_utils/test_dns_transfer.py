# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone transfers: against a real BIND, and against a server that does them wrong."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import dns.renderer
import dns.rrset
import dns.tsig
import dns.zone
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    dns_compare,
    dns_records,
    dns_server,
    dns_update,
    dns_wire,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_transfer import NotTransferred, Transfer
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_fake import Fake
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_named import HEAD, NAMED, SECRET, Named

needs_named = pytest.mark.skipif(NAMED is None, reason="named is not installed (Debian package bind9)")
KEY = dns_server.tsig_key("rollout", SECRET, "hmac-sha256")
NET = 0x20010DB8120000000000000000000000
REVERSE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"
LONG = ".".join(["x" * 60] * 3)
ZONES = {
    "example.com": HEAD
    + f"""\
ns1 IN A 192.0.2.53
www 900 IN A 192.0.2.80
Mixed.Case 60 IN AAAA 2001:db8::1
@ IN MX 10 Mail.Example.com.
@ IN MX 0 .
@ IN TXT "one" "two; \\"three\\" \\\\ \\000"
srv IN SRV 1 2 3 www
caa IN CAA 0 issue "ca.example.net"
odd\\.dot.odd\\032space IN A 192.0.2.1
unknown IN TYPE65300 \\# 3 abcdef
alias IN CNAME www
gone IN DNAME example.net.
below.sub IN A 192.0.2.99
sub IN NS below.sub
* IN AAAA 2001:db8::2
{LONG} IN PTR {LONG}.{"y" * 50}.example.net.
"""
    + "".join(f"h{number} IN AAAA 2001:db8:1200::{number:x}\n" for number in range(3000)),
    REVERSE: HEAD,
    "barred.example": HEAD + "".join(f"h{number} IN AAAA 2001:db8:1200::{number:x}\n" for number in range(300)),
    "inner.example.com": HEAD + "www IN A 192.0.2.81\n",
}
RULES = {"barred.example": "allow-transfer { none; };"}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Named]:
    server = Named(tmp_path_factory.mktemp("named"), ZONES, RULES)
    server.start()
    yield server
    server.stop()


@needs_named
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("secret", [SECRET, ""])
def test_a_zone_is_what_dnspython_reads(named: Named, address: str, secret: str) -> None:
    options = {"key_secret": secret, "key_name": "rollout" if secret else ""}
    with named.server(address, **options) as server:
        found = server.transfer("example.com.")
        assert server.look([Key("www.example.com.", "A")]), "the connection can be used further"
    theirs = dns.zone.from_xfr(
        dns.query.xfr("127.0.0.1", "example.com", port=named.port, relativize=False), relativize=False
    )
    assert theirs is not None
    expected = {
        Key(name.to_text().lower(), dns.rdatatype.to_text(rdataset.rdtype)): Rrset(
            rdataset.ttl, tuple(sorted(rdata.to_text() for rdata in rdataset))
        )
        for name, rdataset in theirs.iterate_rdatasets()
    }
    assert found.rrsets == expected
    assert found.serial == 1 and found.records == sum(len(rrset.data) for rrset in expected.values())
    assert found.cuts == {"sub.example.com.", "gone.example.com."} and found.aliases == {"alias.example.com."}


@needs_named
def test_what_a_transfer_speaks_for(named: Named) -> None:
    with named.server() as server:
        found = server.transfer("example.com.", only=frozenset({Key("www.example.com.", "A")}))
    assert set(found.rrsets) == {Key("www.example.com.", "A"), Key("example.com.", "SOA")}
    for name, kind, speaks in (
        ("www.example.com.", "AAAA", True),
        ("example.com.", "NS", True),
        ("below.sub.example.com.", "A", False),
        ("sub.example.com.", "A", False),
        ("x.gone.example.com.", "A", False),
        ("alias.example.com.", "A", False),
        ("alias.example.com.", "CNAME", True),
    ):
        assert found.speaks_for(Key(name, kind)) == speaks, (name, kind)


@needs_named
def test_a_transfer_that_is_refused_or_too_large(named: Named) -> None:
    with named.server() as server:
        for zone, most, why in (
            ("barred.example.", None, r"refuses the transfer: .* look at allow-transfer \(REFUSED\)"),
            ("example.org.", None, r"\(NOTAUTH\)"),
            ("example.com.", 1000, "has more than 1000 records"),
        ):
            with pytest.raises(NotTransferred, match=why):
                server.transfer(zone, most=most)
            assert server.look([Key("www.example.com.", "A")])[Key("www.example.com.", "A")] == Rrset(
                900, ("192.0.2.80",)
            )
        named.stop()
        named.start()
        assert server.transfer("example.com.").records > 3000, "an idle connection is opened again"


def wanted(count: int, name: str = "h{}.example.com.", first: int = 0) -> list[Key]:
    return [Key(name.format(number), "AAAA") for number in range(first, first + count)]


class Counted(dns_server.Server):
    """Counts what it is asked."""

    def __init__(self, named: Named) -> None:
        super().__init__("127.0.0.1", named.port, KEY, 5)
        self.asked = self.transfers = 0

    def look(self, keys: t.Sequence[Key]) -> t.Any:
        self.asked += len(keys)
        return super().look(keys)

    def transfer(self, *arguments: t.Any, **more: t.Any) -> t.Any:
        self.transfers += 1
        return super().transfer(*arguments, **more)


@needs_named
@pytest.mark.parametrize(
    ("keys", "way", "asked", "transfers", "by_transfer"),
    [
        (wanted(199), "auto", 199, 0, 0),
        (wanted(200), "auto", 1, 1, 200),
        (wanted(200), "query", 200, 0, 0),
        (wanted(2), "transfer", 1, 1, 2),
        (wanted(200, "h{}.barred.example."), "auto", 201, 1, 0),
        ([*wanted(150), *wanted(50, "h{}.example.net.")], "auto", 202, 0, 0),
        # the zone's own name, a name below a delegation, an alias, and a zone inside that no delegation shows
        ([*wanted(200), Key("example.com.", "MX")], "auto", 2, 1, 201),
        ([*wanted(200), Key("below.sub.example.com.", "A")], "auto", 3, 1, 200),
        ([*wanted(200), Key("alias.example.com.", "A")], "auto", 2, 1, 200),
        ([*wanted(200), Key("www.inner.example.com.", "A")], "auto", 3, 1, 200),
        ([Key("example.com.", "MX")], "transfer", 2, 1, 1),
    ],
)
def test_how_rrsets_are_read(
    named: Named, keys: list[Key], way: str, asked: int, transfers: int, by_transfer: int
) -> None:
    with Counted(named) as server:
        found = dns_compare.read(keys, server, way)
        assert (server.asked, server.transfers, len(found.zones)) == (asked, transfers, by_transfer)
    with named.server() as server:
        assert found.rrsets == server.look(keys), "both ways say the same"
    assert set(found.zones.values()) <= {"example.com."}


@needs_named
def test_a_huge_zone_is_not_drained_for_a_few_names(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_compare, "MANY", 5)
    with Counted(named) as server:
        found = dns_compare.read(wanted(10), server)
        assert server.transfers == 1 and found.zones == {} and server.asked == 11
    with Counted(named) as server:
        assert len(dns_compare.read(wanted(10), server, "transfer").zones) == 10


@needs_named
def test_a_refusal_is_an_error_where_a_transfer_is_demanded(named: Named) -> None:
    with named.server() as server, pytest.raises(RolloutError, match=r"REFUSED.*With compare: auto"):
        dns_compare.read(wanted(1, "h{}.barred.example."), server, "transfer")


@needs_named
@pytest.mark.parametrize("way", dns_compare.WAYS)
def test_all_ways_write_the_same(tmp_path: Path, way: str) -> None:
    server = Named(
        tmp_path,
        {
            "example.com": HEAD + "ns1 IN A 192.0.2.53\n* IN AAAA 2001:db8::3\nh1 90 IN AAAA 2001:db8::1\n",
            REVERSE: HEAD,
        },
    )
    server.start()
    records = [{"name": f"h{n}.example.com", "type": "AAAA", "data": "2001:db8::2"} for n in range(250)]
    records += [{"name": name_of(6, NET + (n << 66)), "type": "PTR", "data": f"h{n}.example.com"} for n in range(250)]
    try:
        for changed in (True, False):
            with server.server() as connection:
                found = dns_records.plan(dns_update.wanted(records, exclusive=True), connection, way)
                assert dns_records.apply(found, connection).error is None
            assert bool(found.transactions) == changed
        with server.server() as connection:
            held = connection.transfer("example.com.").rrsets
            assert connection.transfer(f"{REVERSE}.").records == 252
    finally:
        server.stop()
    assert held[Key("h1.example.com.", "AAAA")] == Rrset(90, ("2001:db8::2",))
    assert held[Key("h2.example.com.", "AAAA")] == Rrset(3600, ("2001:db8::2",)), "what a wildcard says is no record"


# ------------------------------------------------------------------------------------------ a server of our own

SOA = "example.com. 60 IN SOA ns1.example.com. hostmaster.example.com. {} 1 2 3 4"
WWW = "www.example.com. 60 IN A 192.0.2.80"


def rrset(line: str) -> dns.rrset.RRset:
    name, ttl, _in, kind, data = line.split(" ", 4)
    return dns.rrset.from_text(name, int(ttl), "IN", kind, data)


def serving(messages: list[list[str]], unsigned: t.Container[int] = (), spoil: int = -1) -> t.Any:
    """Return what answers a transfer: the records of each message, and which of the messages have no signature."""

    def answer(octets: bytes) -> list[bytes]:
        assert KEY is not None
        asked = dns.message.from_wire(octets, keyring={KEY.name: KEY})
        found, context = [], None
        for place, lines in enumerate(messages):
            renderer = dns.renderer.Renderer(asked.id, 0x8400, origin=None)
            if place == 0:
                renderer.add_question(asked.question[0].name, dns.rdatatype.AXFR)
            for line in lines:
                renderer.add_rrset(dns.renderer.ANSWER, rrset(line))
            renderer.write_header()
            if asked.had_tsig and place in unsigned:
                wire = renderer.get_wire()
                if context is not None:
                    context.update(wire)
            elif asked.had_tsig:
                context = renderer.add_multi_tsig(
                    context, KEY.name, KEY, 300, asked.id, 0, b"", asked.mac, KEY.algorithm
                )
                wire = renderer.get_wire()
            else:
                wire = renderer.get_wire()
            found.append(wire[:3] + bytes([wire[3] ^ 0x20]) + wire[4:] if place == spoil else wire)
        return found

    return answer


WHOLE = [[SOA.format(1)], *([f"h{n}.example.com. 60 IN A 192.0.2.1"] for n in range(120)), [SOA.format(1)]]
ENDS = [[SOA.format(1), WWW], [WWW, SOA.format(1)]]


def transfer(answer: t.Any, signing: bool = True, timeout: float = 5) -> t.Any:
    with Fake(answer) as fake, dns_server.Server("127.0.0.1", fake.port, KEY if signing else None, timeout) as server:
        return server.transfer("example.com.")


@pytest.mark.parametrize("signing", [True, False])
@pytest.mark.parametrize(
    ("messages", "unsigned", "records"),
    [(WHOLE, (), 121), (WHOLE, range(1, 100), 121), ([[SOA.format(1), SOA.format(1)]], (), 1)],
)
def test_messages_that_are_right(signing: bool, messages: t.Any, unsigned: t.Any, records: int) -> None:
    assert transfer(serving(messages, unsigned), signing).records == records


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (serving(WHOLE, range(1, 101)), "left more than 99 messages of the transfer without a signature"),
        (serving(WHOLE, [0]), "did not sign its answer"),
        (serving(WHOLE, [121]), "did not sign the end of the transfer"),
        (serving(WHOLE, spoil=0), "signed the answer wrongly"),
        (serving(WHOLE, spoil=60), "signed the answer wrongly"),
        (serving([[SOA.format(1)], [SOA.format(2)]]), "SOA records at the beginning and the end differ"),
        (serving([[WWW], [SOA.format(1)]]), "does not begin with the SOA record"),
        (serving([[SOA.format(1), SOA.format(1), WWW]]), "records behind the SOA record at the end"),
        (serving([[SOA.format(1).replace("example.com. 60", "example.org. 60")]]), "is one of the zone example.org."),
        (serving([[SOA.format(1)], []]), "sent an empty message"),
        (lambda octets: [*serving(WHOLE)(octets)[:-1], b"\0" * 12], "sent a question|not one to the transfer"),
    ],
)
def test_messages_that_are_wrong(answer: t.Any, why: str) -> None:
    with pytest.raises(RolloutError, match=why):
        transfer(answer)


def test_a_message_taken_out_or_moved_is_found() -> None:
    right = serving(WHOLE)

    def without(octets: bytes) -> list[bytes]:
        return right(octets)[:5] + right(octets)[6:]

    def moved(octets: bytes) -> list[bytes]:
        messages = right(octets)
        return [*messages[:5], messages[6], messages[5], *messages[7:]]

    for answer in (without, moved):
        with pytest.raises(RolloutError, match="signed the answer wrongly"):
            transfer(answer)


@pytest.mark.parametrize(
    ("answer", "answers", "timeout", "why"),
    [
        (serving(WHOLE[:-1]), 0, 0.3, "has not answered the transfer of example.com. in 0.3 s"),
        (serving(WHOLE[:-1]), 1, 5, "after 121 records, in the middle of the transfer: the SOA record at its end is"),
        (lambda octets: [], 0, 5, "closed the connection instead of the transfer"),
    ],
)
def test_a_transfer_that_ends_too_early(answer: t.Any, answers: int, timeout: float, why: str) -> None:
    with Fake(answer, answers=answers) as fake:
        server = dns_server.Server("127.0.0.1", fake.port, KEY, timeout)
        with server, pytest.raises(RolloutError, match=why):
            server.transfer("example.com.")


@given(st.binary(max_size=120), st.integers(0, 3))
def test_any_octets_are_a_message_or_an_error(octets: bytes, records: int) -> None:
    wire = b"\0\1\x84\0\0\0\0" + bytes([records]) + b"\0\0\0\0" + octets
    try:
        Transfer("example.com.").take(dns_wire.read(wire))
    except (NotTransferred, ValueError, dns.exception.DNSException):
        pass


# ------------------------------------------------------------------------------------------ messages by size


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 3), st.integers(0, 6)), min_size=1, max_size=30))
def test_a_mix_of_long_names_fits_into_messages(shapes: list[tuple[int, int, int]]) -> None:
    found = []
    for number in range(40):
        for place, (length, labels, texts) in enumerate(shapes):
            name = ".".join([f"{number}-{place}", *["x" * length] * labels, "example.com."])
            data = tuple(f'"{"t" * 250}{text}"' for text in range(texts)) or ('"-"',)
            before = Rrset(60, data) if place % 2 else None
            found.append(dns_update.Change(Key(name, "TXT"), before, Rrset(90, data)))
    zones = {change.key.name: "example.com." for change in found}
    messages = dns_update.transactions(found, zones, dns_wire.size)
    assert sorted(change for item in messages for change in item.changes) == sorted(found)
    for place, item in enumerate(messages):
        wire, _code = dns_wire.signed(dns_wire.update(1, item.zone, item.changes), KEY)
        assert len(wire) < 65536
        if place + 1 < len(messages):
            assert len(wire) + dns_wire.size(messages[place + 1].changes[0], item.zone) > dns_update.LARGEST_MESSAGE
