# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages as octets; dnspython is the judge."""

from __future__ import annotations

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_wire
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import parsed
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Change, Key, Rrset

ZONE = "example.com."
WWW = Key("www.example.com.", "AAAA")
TXT = Key(ZONE, "TXT")
LONG = Rrset(60, ('"' + "x" * 200 + '" "' + "y" * 100 + '"', '"z"'))
CHANGES = [
    Change(WWW, None, Rrset(60, ("2001:db8::1", "2001:db8::2"))),
    Change(Key("a.example.com.", "AAAA"), Rrset(60, ("2001:db8::1",)), None),
    Change(Key("b.example.com.", "AAAA"), Rrset(60, ("2001:db8::1",)), Rrset(60, ("2001:db8::1", "2001:db8::2"))),
    Change(Key("c.example.com.", "A"), Rrset(60, ("192.0.2.1", "192.0.2.2")), Rrset(60, ("192.0.2.2",))),
    Change(Key("d.example.com.", "AAAA"), Rrset(60, ("2001:db8::1",)), Rrset(90, ("2001:db8::1",))),
    Change(TXT, LONG, Rrset(60, ('"z"',))),
    Change(Key(ZONE, "MX"), None, Rrset(60, ("10 mail.example.com.",))),
    Change(Key("p.example.com.", "PTR"), Rrset(60, ("Old.example.net.",)), Rrset(60, ("new.example.com.",))),
    Change(Key("a\\.b.example.com.", "AAAA"), None, Rrset(60, ("2001:db8::1",))),
]


def as_dnspython_writes_it(number: int, changes: list[Change]) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(ZONE, id=number)
    for change in changes:
        name, kind, before, after = change.key.name, change.key.type, change.before, change.after
        if before is None:
            message.absent(name, kind)
        else:
            for text in before.data:
                message.present(name, parsed(kind, text))
        if after is None:
            message.delete(name, kind)
        elif before is not None and before.ttl != after.ttl:
            message.delete(name, kind)
            for text in after.data:
                message.add(name, after.ttl, parsed(kind, text))
        else:
            old = () if before is None else before.data
            for text in old:
                if text not in after.data:
                    message.delete(name, parsed(kind, text))
            for text in after.data:
                if text not in old:
                    message.add(name, after.ttl, parsed(kind, text))
    return message


@pytest.mark.parametrize("changes", [*([change] for change in CHANGES), CHANGES])
def test_an_update_is_what_dnspython_writes(changes: list[Change]) -> None:
    wire = dns_wire.update(4711, ZONE, changes)
    ours = dns.message.from_wire(wire)
    theirs = dns.message.from_wire(as_dnspython_writes_it(4711, changes).to_wire())
    assert isinstance(ours, dns.update.UpdateMessage) and isinstance(theirs, dns.update.UpdateMessage)
    assert ours.to_text() == theirs.to_text()
    assert len(wire) == 12 + len(dns_wire.name_wire(ZONE)) + 4 + sum(dns_wire.size(c, ZONE) for c in changes)


def test_a_question_is_what_dnspython_writes() -> None:
    for kind in ("AAAA", "PTR", "SOA", "CAA"):
        theirs = dns.message.make_query("www.example.com", kind, flags=0, id=99)
        assert dns_wire.query(99, "www.example.com.", kind) == theirs.to_wire()


def test_an_answer_is_read_as_dnspython_reads_it() -> None:
    message = dns.message.make_response(dns.message.make_query("www.example.com", "AAAA", id=7))
    message.flags |= dns.flags.AA
    rrsets = [
        dns.rrset.from_text("www.example.com.", 60, "IN", "AAAA", "2001:db8::1", "2001:db8::2"),
        dns.rrset.from_text("www.example.com.", 70, "IN", "MX", "10 Mail.example.com."),
        dns.rrset.from_text("www.example.com.", 70, "IN", "PTR", "Host.www.example.com."),
        dns.rrset.from_text("www.example.com.", 70, "IN", "TXT", '"a b" "c"'),
    ]
    message.answer += rrsets
    message.authority.append(dns.rrset.from_text("example.com.", 80, "IN", "NS", "ns1.example.com."))
    wire = message.to_wire()
    answer = dns_wire.read(wire)
    assert (answer.id, answer.rcode, bool(answer.flags & dns_wire.AA)) == (7, 0, True)
    read = [(r.name, r.ttl, dns_wire.data_text(dns.rdatatype.to_text(r.type), r, answer)) for r in answer.answer]
    expected = [(str(rrset.name), rrset.ttl, rdata.to_text()) for rrset in rrsets for rdata in rrset]
    assert sorted(read) == sorted(expected), "dnspython writes the records of an RRset in any order"
    assert [(r.name, r.type) for r in answer.authority] == [("example.com.", dns_wire.NS)]
    assert answer.signature is None


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512"])
def test_signatures_both_ways(algorithm: str) -> None:
    key = dns.tsig.Key("rollout.", b"0123456789abcdef", algorithm)
    question, code = dns_wire.signed(dns_wire.query(99, "www.example.com.", "AAAA"), key)
    received = dns.message.from_wire(question, keyring={key.name: key})
    assert received.had_tsig and received.mac == code
    reply = dns.message.make_response(received)
    wire = reply.to_wire()
    answer = dns_wire.read(wire)
    assert dns_wire.Signatures(key, code).check(answer)
    broken = bytearray(wire)
    broken[3] ^= 1
    with pytest.raises(dns.tsig.BadSignature):
        dns_wire.Signatures(key, code).check(dns_wire.read(bytes(broken)))
    with pytest.raises(dns.tsig.BadSignature):
        dns_wire.Signatures(key, b"x" * len(code)).check(answer)
    other = dns.tsig.Key("other.", b"0123456789abcdef", algorithm)
    with pytest.raises(dns.tsig.BadKey):
        dns_wire.Signatures(other, code).check(answer)


def test_without_a_key_nothing_is_signed() -> None:
    question = dns_wire.query(1, ZONE, "SOA")
    assert dns_wire.signed(question, None) == (question, b"")


HEAD = b"\0\1\x84\0\0\0\0\1\0\0\0\0"


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"\0" * 11,
        HEAD,
        HEAD + b"\xc0\x0c" + b"\0" * 10,  # a pointer to itself
        HEAD + b"\x01a\xc0\x0c" + b"\0" * 10,  # in a circle
        HEAD + b"\xc0\xff" + b"\0" * 10,  # forward
        HEAD + b"\x80a" + b"\0" * 10,  # a label of no kind
        HEAD + b"\0\0\1\0\1\0\0\0\0\xff\xff",  # data longer than the message
    ],
)
def test_what_is_no_message(wire: bytes) -> None:
    with pytest.raises(dns_wire.Malformed):
        dns_wire.read(wire)


@given(st.binary(max_size=200), st.integers(0, 3))
def test_any_octets_are_read_or_malformed(octets: bytes, records: int) -> None:
    for wire in (octets, HEAD[:7] + bytes([records]) + HEAD[8:] + octets):
        try:
            dns_wire.read(wire)
        except dns_wire.Malformed:
            pass


labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)


@given(st.lists(labels, min_size=1, max_size=6).map(lambda parts: ".".join(parts) + "."))
def test_names_there_and_back(name: str) -> None:
    wire = dns_wire.name_wire(name)
    assert dns_wire.read_name(wire, 0) == (name, len(wire))
    assert dns_wire.name_wire(f"a.{name}", name) == b"\x01a\xc0\x0c"
    assert dns_wire.name_wire(name, name) == b"\xc0\x0c"
    assert not dns_wire.name_wire(f"x{name}", name).endswith(b"\xc0\x0c")
