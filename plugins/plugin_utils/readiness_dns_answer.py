# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to name servers in wire form, and what came back. A server may send anything, so it is kept short."""

from __future__ import annotations

import base64
import binascii
import secrets
import struct
import types
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.probe import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_rcodes, dns_wire
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import need_library
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Data

try:
    import dns.dnssec
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.rcode
    import dns.rdataclass
    import dns.rdatatype
    import dns.rrset
except ImportError:
    pass  # dns_names.need_library says so

PAYLOAD = 1232  # octets: what passes everywhere without fragments (DNS flag day 2020)
PROTOCOLS = ("udp", "tcp")
_TC, _RD, _CD = 0x0200, 0x0100, 0x0010  # in the flags of a message
_DO = 0x8000  # in those of EDNS


class Told(t.NamedTuple):
    """What a server answered: the messages by protocol, what is wrong by protocol, and why nothing is known at all."""

    answers: dict[str, dns.message.Message]
    problems: dict[str, str]
    unknown: str
    sizes: t.Mapping[str, int] = types.MappingProxyType({})  # octets of each answer

    @property
    def best(self) -> dns.message.Message | None:
        """The whole answer: over UDP, or over TCP where that one was cut off."""
        whole = [self.answers[key] for key in PROTOCOLS if key in self.answers and not truncated(self.answers[key])]
        return whole[0] if whole else None

    @property
    def why(self) -> str:
        """Say why there is no whole answer."""
        told = [self.problems[protocol] for protocol in PROTOCOLS if protocol in self.problems]
        told += [f"{protocol}: the answer is cut off" for protocol in self.answers]
        return self.unknown or "; ".join(told)


class Short(t.NamedTuple):
    """What a server answered to a question for addresses. There are many of them, so they are read in a hurry."""

    rcode: str
    authoritative: bool
    data: list[str]


def question(name: str, kind: str, dnssec: bool = False, recursive: bool = False, checking: bool = True) -> str:
    """Return a question in wire form, as Base64.

    :param dnssec: ask for signatures
    :param recursive: ask a resolver
    :param checking: without it, a resolver is asked not to validate
    """
    need_library()
    flags = (_RD if recursive else 0) | (0 if checking else _CD)
    head = struct.pack("!6H", secrets.randbelow(65536), flags, 1, 0, 0, 1)
    edns = b"\0" + struct.pack("!2HIH", dns_wire.OPT, PAYLOAD, _DO if dnssec else 0, 0)
    return base64.b64encode(head + _asked(name, kind) + edns).decode("ascii")


def _asked(name: str, kind: str) -> bytes:
    return dns_wire.name_wire(name) + struct.pack("!2H", dns_wire.type_number(kind), 1)


def short(proof: Data, name: str, kind: str) -> tuple[Short | None, str]:
    """Return the first whole answer that a proof holds, or None and why there is none."""
    seen = proof.get("seen") or {}
    if not isinstance(seen, t.Mapping) or seen.get("problem"):
        return None, plain(str(seen["problem"])) if isinstance(seen, t.Mapping) else "the probe saw nothing"
    problems = []
    for protocol in PROTOCOLS:
        problem = str(seen.get(f"{protocol}_problem") or "")
        if seen.get(protocol):
            found, problem = _short(str(seen[protocol]), name, kind)
            if found is not None:
                return found, ""
        if problem:
            problems.append(problem if problem.startswith(protocol) else f"{protocol}: {problem}")
    return None, plain("; ".join(problems) or str(proof.get("evidence") or "no answer was seen"))


def _short(text: str, name: str, kind: str) -> tuple[Short | None, str]:
    try:
        answer = dns_wire.read(base64.b64decode(text, validate=True))
        if not answer.flags & dns_wire.RESPONSE or answer.question.lower() != _asked(name, kind).lower():
            return None, "the answer belongs to another question"
        if answer.flags & _TC:
            return None, "the answer is cut off"
        number = dns_wire.type_number(kind)
        data = sorted({plain(dns_wire.data_text(kind, one, answer)) for one in answer.answer if one.type == number})
    except (dns.exception.DNSException, binascii.Error, ValueError, IndexError) as error:
        return None, f"the answer cannot be read: {type(error).__name__}"
    code = dns_rcodes.name(answer.rcode)
    return Short(code, bool(answer.flags & dns_wire.AA) and code in ("NOERROR", "NXDOMAIN"), data), ""


def told(proof: Data, name: str, kind: str) -> Told:
    """Read what a proof holds."""
    need_library()
    seen = proof.get("seen") or {}
    if not isinstance(seen, t.Mapping):
        return Told({}, {}, "the probe says nothing of what it saw")
    if seen.get("problem"):
        return Told({}, {}, plain(str(seen["problem"])))
    found: dict[str, dns.message.Message] = {}
    problems: dict[str, str] = {}
    for protocol in PROTOCOLS:
        if seen.get(protocol):
            message, problem = _read(str(seen[protocol]), name, kind)
            if message is not None:
                found[protocol] = message
            else:
                problems[protocol] = f"{protocol}: {problem}"
        elif seen.get(f"{protocol}_problem"):
            problem = plain(str(seen[f"{protocol}_problem"]))
            problems[protocol] = problem if problem.startswith(f"{protocol}") else f"{protocol}: {problem}"
    if not found and not problems:
        # The name of a server that the records do not lead to may lead nowhere on the lab machine.
        return Told({}, {}, plain(str(proof.get("evidence") or "no answer was seen")))
    sizes = {protocol: len(str(seen[protocol])) * 3 // 4 - str(seen[protocol]).count("=") for protocol in found}
    return Told(found, problems, "", sizes)


def _read(text: str, name: str, kind: str) -> tuple[dns.message.Message | None, str]:
    try:
        message = dns.message.from_wire(base64.b64decode(text, validate=True), ignore_trailing=True)
        asked = message.question[0] if message.question else None
        if not message.flags & dns.flags.QR:
            return None, "it is no answer"
        if asked is None or asked.name != dns.name.from_text(name) or asked.rdtype != dns.rdatatype.from_text(kind):
            return None, "the answer belongs to another question"
    except (dns.exception.DNSException, binascii.Error, ValueError, IndexError, KeyError, struct.error) as error:
        return None, f"the answer cannot be read: {type(error).__name__}"
    return message, ""


def rcode(message: dns.message.Message) -> str:
    """Return what a server thinks of a question."""
    return str(dns.rcode.to_text(message.rcode()))


def authoritative(message: dns.message.Message) -> bool:
    """Tell whether a server speaks for the name."""
    return bool(message.flags & dns.flags.AA) and rcode(message) in ("NOERROR", "NXDOMAIN")


def truncated(message: dns.message.Message) -> bool:
    """Tell whether an answer was cut off."""
    return bool(message.flags & dns.flags.TC)


def rrset(message: dns.message.Message, name: str, kind: str) -> dns.rrset.RRset | None:
    """Return an RRset of the answer section."""
    return message.get_rrset(message.answer, dns.name.from_text(name), dns.rdataclass.IN, dns.rdatatype.from_text(kind))


def data(message: dns.message.Message, kind: str) -> list[str]:
    """Return the data of a type, also where an alias leads to it; sorted, since servers rotate it."""
    number = dns.rdatatype.from_text(kind)
    found = [item for item in message.answer if item.rdtype == number]
    return sorted({plain(item.to_text().lower() if kind != "TXT" else item.to_text()) for one in found for item in one})


def section_data(section: t.Iterable[dns.rrset.RRset], kind: str) -> dict[str, set[str]]:
    """Return the data of a type in a section, by owner."""
    number = dns.rdatatype.from_text(kind)
    found: dict[str, set[str]] = {}
    for one in section:
        if one.rdtype == number:
            found.setdefault(one.name.to_text().lower(), set()).update(plain(item.to_text().lower()) for item in one)
    return found


def serial(message: dns.message.Message, zone: str) -> int | None:
    """Return the serial of a zone."""
    found = rrset(message, zone, "SOA")
    return None if not found else int(next(iter(found)).serial)


def signatures(message: dns.message.Message, name: str, kind: str) -> dns.rrset.RRset | None:
    """Return the signatures of an RRset."""
    return message.get_rrset(
        message.answer,
        dns.name.from_text(name),
        dns.rdataclass.IN,
        dns.rdatatype.RRSIG,
        covers=dns.rdatatype.from_text(kind),
    )


def invalid(message: dns.message.Message, name: str, kind: str, keys: dns.message.Message, zone: str) -> str | None:
    """Say what is wrong with the signature of an RRset; empty where it is right, None where it can't be verified."""
    wanted, signed = rrset(message, name, kind), signatures(message, name, kind)
    known = rrset(keys, zone, "DNSKEY")
    if wanted is None:
        return f"there is no {kind} record"
    if signed is None:
        return "there is no signature"
    if known is None:
        return "the zone has no DNSKEY record"
    try:
        dns.dnssec.validate(wanted, signed, {dns.name.from_text(zone): known})
    # Before dnspython 2.4 they are nowhere else.
    except dns.dnssec.UnsupportedAlgorithm:  # type: ignore[attr-defined]
        return None
    except dns.dnssec.ValidationFailure as error:  # type: ignore[attr-defined]
        return plain(str(error)) or "the signature does not verify"
    except ImportError:
        return None
    return ""
