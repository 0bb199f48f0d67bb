# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name servers: an authoritative answer, or the answer to any message, over UDP and over TCP."""

from __future__ import annotations

import base64
import secrets
import socket
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import (
    Check,
    Failed,
    Seen,
    Stream,
    Unreached,
    connect,
    endpoint,
    family_of,
    opened,
    plain,
    reason,
    source_of,
)

DNS_TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
HEADER = 12  # octets: the shortest DNS message


def question(name: str, kind: str, number: int) -> bytes:
    """Return a DNS query in wire form (RFC 1035, section 4.1)."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    if not labels or any(len(label) > 63 for label in labels):
        raise RolloutError(f"name: {shown(name)} can't be asked for: a label is 1 to 63 octets")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack(">6H", number, 0, 1, 0, 0, 0) + encoded + struct.pack(">2H", DNS_TYPES[kind], 1)


def message(text: str, whose: str = "checks") -> bytes:
    """Return the DNS message that a check holds as base64."""
    try:
        wire = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise RolloutError(f"{whose}: query {shown(text)} is not base64; give a DNS message in wire form") from error
    if not HEADER <= len(wire) <= 65535:
        raise RolloutError(f"{whose}: query {shown(text)} is no DNS message: these have 12 to 65535 octets")
    return wire


def dns(check: Check, address: str, seen: Seen) -> str:
    """The answer to the message that is given, or an authoritative one for the SOA record of a name."""
    if check.query:
        return _exchange(check, address, seen)
    evidence = []
    name = check.host or check.name
    for protocol in ("udp", "tcp"):
        asked = question(name, "SOA", secrets.randbelow(65536))
        answer = ASK[protocol](check, address, asked, seen)
        flags, _questions, answers, authorities = struct.unpack(">4H", answer[2:10])
        # A name inside a zone gets the zone's SOA record in the authority section (RFC 2308, section 2.2).
        if flags & 0xF or not flags & 0x400 or not (answers or authorities):
            raise Failed(f"{protocol}: no authoritative answer for {plain(name)} (rcode {flags & 0xF})")
        evidence.append(protocol)
    return f"authoritative for {plain(name)} over {' and '.join(evidence)}"


def _exchange(check: Check, address: str, seen: Seen) -> str:
    """Send the message that is given over each protocol; all must bring an answer."""
    asked = message(check.query)
    wanted = ("udp", "tcp") if check.protocol == "both" else (check.protocol,)
    failures: t.List[Failed] = []
    told = []
    for protocol in wanted:
        seen[protocol] = seen[f"{protocol}_problem"] = ""
        try:
            answer = ASK[protocol](check, address, asked, seen)
        except (Failed, OSError) as error:
            failures.append(error if isinstance(error, Failed) else Failed(f"{protocol}: {reason(error)}"))
            seen[f"{protocol}_problem"] = str(failures[-1])
        else:
            seen[protocol] = base64.b64encode(answer).decode()
            told.append(f"{protocol}: rcode {answer[3] & 0xF}, {len(answer)} octets")
    if failures and (told or any(not isinstance(failure, Unreached) for failure in failures)):
        raise Failed("; ".join([*told, *map(str, failures)]))
    if failures:
        raise Unreached("; ".join(map(str, failures)))
    return "; ".join(told)


def _belongs(asked: bytes, answer: bytes) -> bool:
    """Tell whether an answer has the number of the question, and is an answer."""
    return len(answer) >= HEADER and answer[:2] == asked[:2] and bool(answer[2] & 0x80)


def _ask_udp(check: Check, address: str, asked: bytes, seen: Seen) -> bytes:
    source_of(check, address)
    end = time.monotonic() + check.timeout
    other = False
    try:
        with opened(check.family, socket.SOCK_DGRAM, check.source) as link:
            link.connect((address, check.port))
            seen["family"] = family_of(link)
            link.settimeout(check.timeout)
            link.send(asked)
            # What does not belong to the question may be forged, so that the answer can still come.
            while True:
                left = end - time.monotonic()
                link.settimeout(max(left, 0.001))
                answer = link.recv(65535)
                if _belongs(asked, answer):
                    return answer
                other = True
    except OSError as error:
        if other:
            raise Failed("udp: the answer belongs to another question") from error
        raise Unreached(f"udp {endpoint(address, check.port)}: {reason(error)}") from error


def _ask_tcp(check: Check, address: str, asked: bytes, seen: Seen) -> bytes:
    with connect(check, address) as link:
        seen["family"] = family_of(link)
        link.sendall(struct.pack(">H", len(asked)) + asked)
        try:
            stream = Stream(link, check.timeout).makefile("rb")
            head = stream.read(2)
            answer = stream.read(struct.unpack(">H", head)[0]) if len(head) == 2 else b""
        except Failed as failure:
            raise Failed(f"tcp: {failure}") from failure
    if len(answer) < HEADER:
        raise Failed("tcp: the answer is no DNS message")
    if not _belongs(asked, answer):
        raise Failed("tcp: the answer belongs to another question")
    return answer


ASK: t.Dict[str, t.Callable[[Check, str, bytes, Seen], bytes]] = {"udp": _ask_udp, "tcp": _ask_tcp}
