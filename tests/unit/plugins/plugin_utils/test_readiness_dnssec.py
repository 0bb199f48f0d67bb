# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed zones: the signatures of published addresses are verified on each server."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed, so nothing can be signed")

import dns.dnssec
import dns.dnssectypes
import dns.flags
import dns.name
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils import readiness_dns_fake as fake

ZONE = dns.name.from_text(fake.FORWARD)
DAY = 86400


class Signer:
    """Signs what it is given, as a server with a signed zone does."""

    def __init__(self, begins=-DAY, ends=DAY, address="", breaks=()):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.public = dns.dnssec.make_dnskey(
            self.key.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257
        )
        self.begins, self.ends, self.address, self.breaks = begins, ends, address, breaks

    def __call__(self, probe, answer):
        zone = answer.question[0].name
        if probe["id"].split("|")[2] == "dnskey" and zone == ZONE:
            answer.set_rcode(0)
            answer.answer.append(dns.rrset.from_rdata(ZONE, 600, self.public))
        if not zone.is_subdomain(ZONE) or not answer.ednsflags & dns.flags.DO:
            return answer
        here = self.address in ("", probe["address"])
        if here and "unsigned" in self.breaks:
            return answer
        for rrset in list(answer.answer):
            now = int(time.time())
            inception, expiration = (
                now + (at if here else sign * DAY) for at, sign in ((self.begins, -1), (self.ends, 1))
            )
            signature = dns.dnssec.sign(rrset, self.key, ZONE, self.public, inception=inception, expiration=expiration)
            answer.answer.append(dns.rrset.from_rdata(rrset.name, 600, signature))
            if here and "forged" in self.breaks and rrset.rdtype == dns.rdatatype.AAAA:
                changed = dns.rrset.from_text(rrset.name, 600, "IN", "AAAA", "2001:db8::bad")
                answer.answer[answer.answer.index(rrset)] = changed
        return answer


def test_a_signed_zone_passes_and_an_unsigned_one_says_so():
    found = fake.judged(fake.World(odd=Signer()).waves())
    assert {one.status for one in found["D12"]} == {"pass"}
    told = {one.name: one.message for one in found["D12"] if not one.host}
    assert told[fake.FORWARD].endswith("it is signed") and told[fake.REVERSE].endswith("it is not signed")
    signed = [one for one in found["D12"] if one.host]
    assert sorted(one.host for one in signed) == ["mail1", "ns1", "www1"]
    assert all(len(one.evidence) == 4 and "the signature verifies" in one.evidence[0] for one in signed)


@pytest.mark.parametrize(
    ("signer", "also"),
    [
        (Signer(begins=-2 * DAY, ends=-DAY), []),
        (Signer(begins=DAY, ends=2 * DAY), []),
        (Signer(begins=-2 * DAY, ends=-DAY, address=fake.NS2), []),
        (Signer(breaks=["forged"], address=fake.NS2), ["D01"]),
        (Signer(breaks=["unsigned"], address=fake.NS2), []),
    ],
)
def test_signatures_that_do_not_verify(signer, also):
    assert fake.red(fake.World(odd=signer).waves()) == [*also, "D12"]


def test_keys_of_somebody_else():
    one, other = Signer(), Signer()
    one.public, true = other.public, one.public

    def odd(probe, answer):
        one.public = other.public if probe["id"].split("|")[2] == "dnskey" else true
        return one(probe, answer)

    assert fake.red(fake.World(odd=odd).waves()) == ["D12"]


def test_the_zone_above_says_that_it_is_signed_and_it_is_not():
    records = [*fake.RECORDS, (fake.FORWARD, fake.FORWARD, "DS", f"1 13 2 {'ab' * 32}")]
    found = fake.judged(fake.World(records=records).waves(), ["D12"])["D12"]
    assert [one.name for one in found if one.status == "fail" and "(DS)" in one.message] == [fake.FORWARD]
