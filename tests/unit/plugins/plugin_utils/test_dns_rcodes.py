# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a name server means by each error code, told in words."""

from __future__ import annotations

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

import base64
import typing as t

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.tsig

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_server, dns_wire
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_transfer import NotTransferred
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Change, Key, Rrset
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_fake import Fake

SECRET = base64.b64encode(b"canary-of-these-tests-0123456789").decode()
WWW = Key("www.example.com.", "AAAA")
CHANGE = Change(WWW, None, Rrset(60, ("2001:db8::80",)))
KEY = dns_server.tsig_key("rollout", SECRET, "hmac-sha256")

# Every code of RFC 1035, 2136, 8490 and those above that an answer can have, for update, transfer and question.
HEADER = [
    ("FORMERR", "did not understand the update", "did not understand the request", "did not understand the question"),
    ("SERVFAIL", "failed; its log says why", "not loaded or has expired", "failed; its log says why"),
    ("NXDOMAIN", "somebody else changed it", "there is no such zone", ""),
    ("NOTIMP", "does not know dynamic updates", "does not know transfers", "does not answer such questions"),
    ("REFUSED", "look at the zone's update-policy", "look at allow-transfer", "no zone of it, or no access"),
    ("YXDOMAIN", "somebody else changed it", "a name exists that should not", "a name exists that should not"),
    ("YXRRSET", "somebody else changed it", "an RRset exists that should not", "an RRset exists that should not"),
    ("NXRRSET", "somebody else changed it", "an RRset does not exist", "an RRset does not exist"),
    ("NOTAUTH", "not its primary server", "is not authoritative for the zone", "is not authoritative for it"),
    ("NOTZONE", "a name is not in this zone", "a name is not in the zone", "a name is not in the zone"),
    ("DSOTYPENI", "stateful operation", "stateful operation", "stateful operation"),
    ("12", "no RFC gives a meaning", "no RFC gives a meaning", "no RFC gives a meaning"),
    ("15", "no RFC gives a meaning", "no RFC gives a meaning", "no RFC gives a meaning"),
    ("BADVERS", "version of EDNS", "version of EDNS", "version of EDNS"),
    ("BADCOOKIE", "wants a DNS cookie", "wants a DNS cookie", "wants a DNS cookie"),
    ("3000", "no RFC gives a meaning", "no RFC gives a meaning", "no RFC gives a meaning"),
]


def answering(rcode: int) -> t.Callable[[bytes], list[bytes]]:
    def answer(octets: bytes) -> list[bytes]:
        reply = dns.message.make_response(dns.message.from_wire(octets))
        reply.flags |= dns.flags.AA
        if rcode > 15:
            reply.use_edns(0, ednsflags=(rcode & 0xFF0) << 20)
            reply.flags |= rcode & 0xF
        else:
            reply.flags |= rcode
        return [reply.to_wire()]

    return answer


def rcode(name: str) -> int:
    return int(name) if name.isdigit() else int(dns.rcode.from_text(name))


@pytest.mark.parametrize(("name", "update", "transfer", "question"), HEADER)
def test_every_code_of_the_header(name: str, update: str, transfer: str, question: str) -> None:
    shown = dns.rcode.to_text(dns.rcode.Rcode.make(rcode(name)))
    with Fake(answering(rcode(name))) as fake, dns_server.Server("127.0.0.1", fake.port, None, 5) as server:
        with pytest.raises(RolloutError) as caught:
            server.update("example.com.", [CHANGE])
        assert update in str(caught.value) and f"({shown})" in str(caught.value)
        assert isinstance(caught.value, dns_server.Conflict) == ("somebody else" in update)
        with pytest.raises(NotTransferred) as caught:
            server.transfer("example.com.")
        assert transfer in str(caught.value) and f"({shown})" in str(caught.value)
        held = server.look([WWW])[WWW]
        if not question:
            assert held is None
            return
        assert isinstance(held, dns_server.Problem) and question in held.reason and f"({shown})" in held.reason


SIGNATURE = [
    (16, b"", "finds the signature by the key rollout. wrong (BADSIG): key_secret is not the one"),
    (17, b"", "does not know the key rollout. (BADKEY): compare key_name and key_algorithm"),
    (18, b"", "do not agree on the time (BADTIME): set both clocks"),
    (18, "ahead", "(BADTIME), the server's clock is 4000 s ahead: set both clocks"),
    (18, "behind", "(BADTIME), the server's clock is 90000 s behind: set both clocks"),
    (22, b"", "wants longer signatures by the key rollout. (BADTRUNC)"),
    (21, b"", "does not take the signature by the key rollout. (TSIG error BADALG)"),
    (99, b"", "does not take the signature by the key rollout. (TSIG error 99)"),
]


@pytest.mark.parametrize(("error", "other", "words"), SIGNATURE)
def test_every_code_of_a_signature(error: int, other: t.Any, words: str) -> None:
    assert KEY is not None

    def answer(octets: bytes) -> list[bytes]:
        asked = dns.message.from_wire(octets, keyring={KEY.name: KEY})
        reply = dns.message.make_response(asked, tsig_error=error)
        reply.flags |= dns.rcode.NOTAUTH
        rdata = asked.tsig[0]
        moved = {"ahead": 4000, "behind": -90000}
        clock = (rdata.time_signed + moved[other]).to_bytes(6, "big") if other in moved else b""
        rdata = rdata.replace(error=error, mac=b"", other=clock)
        reply.tsig = None
        wire = reply.to_wire()
        data = rdata.to_wire()
        record = KEY.name.to_wire() + b"\0\xfa\0\xff\0\0\0\0" + len(data).to_bytes(2, "big") + data
        return [wire[:10] + b"\0\1" + wire[12:] + record]

    with Fake(answer) as fake, dns_server.Server("127.0.0.1", fake.port, KEY, 5) as server:
        for send in (
            lambda: server.update("example.com.", [CHANGE]),
            lambda: server.transfer("example.com."),
            lambda: server.look([WWW]),
        ):
            with pytest.raises(RolloutError) as caught:
                send()
            assert words in str(caught.value)
            assert SECRET not in str(caught.value)


def unsigned(octets: bytes) -> list[bytes]:
    return [octets[:2] + bytes([octets[2] | 0x84]) + b"\0\0\1" + b"\0" * 6 + dns_wire.read(octets).question]


def test_an_answer_without_a_signature_is_not_trusted() -> None:
    with Fake(unsigned) as fake, dns_server.Server("127.0.0.1", fake.port, KEY, 5) as server:
        for send in (lambda: server.update("example.com.", [CHANGE]), lambda: server.look([WWW])):
            with pytest.raises(RolloutError, match="did not sign its answer"):
                send()
