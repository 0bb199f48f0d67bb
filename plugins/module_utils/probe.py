# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real connections, each pinned to one family and one address.

Nothing here races families or falls back from one to the other: a client that does would hide what is broken
(RFC 8305). What a server says is kept as short plain text.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import io
import secrets
import socket
import ssl
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
DNS_TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
WORKERS = 16
PAUSE = 0.25  # seconds between two tries of one check


class Check(t.NamedTuple):
    """One connection to make, and what is expected of it.

    ``address`` is connected to. Where ``name`` is given too, the name must resolve to that address first; where only
    ``name`` is given, each of its addresses is connected to. ``source`` binds the local end. ``says`` is what
    the answer must contain. ``expect`` is ``open``, or ``closed`` for a port that must not be reachable.
    """

    id: str
    kind: str
    family: str
    address: str = ""
    name: str = ""
    port: int = 0
    source: str = ""
    host: str = ""
    says: str = ""
    expect: str = "open"
    timeout: float = 5.0


class Failed(Exception):
    """A proof that did not come about; the message is the evidence."""


class Unreached(Failed):
    """No connection came about at all."""


def plain(value: t.Union[str, bytes], limit: int = 160) -> str:
    """Return what a server sent as one short line of printable text."""
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def resolve(name: str, family: str) -> t.List[str]:
    """Return the addresses of one family that this machine's resolver gives for a name."""
    try:
        found = socket.getaddrinfo(name, None, FAMILIES[family], socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Failed(f"{name} has no {family} address here: {plain(str(error))}") from error
    return sorted({str(entry[4][0]) for entry in found})


def connect(check: Check, address: str) -> socket.socket:
    """Open a TCP connection to one address, from the wanted source."""
    link = socket.socket(FAMILIES[check.family], socket.SOCK_STREAM)
    link.settimeout(check.timeout)
    try:
        if check.source:
            link.bind((check.source, 0))
        link.connect((address, check.port))
    except OSError as error:
        link.close()
        reason = "no answer" if isinstance(error, socket.timeout) else plain(error.strerror or str(error))
        raise Unreached(f"{endpoint(address, check.port)}: {reason}") from error
    return link


def endpoint(address: str, port: int) -> str:
    """Write an address and a port, with the brackets of RFC 3986 for IPv6."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def tcp(check: Check, address: str) -> str:
    """A connection that is taken."""
    connect(check, address).close()
    return "connected"


def web(check: Check, address: str) -> str:
    """An HTTP answer below 500 to GET /, with the wanted text in its body."""
    link = connect(check, address)
    if check.kind == "https":
        # Whose certificate it is, is another question than whether the family works: it is read, not judged.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        link = context.wrap_socket(link, server_hostname=check.host or check.name or None)
    host = check.host or check.name or (f"[{address}]" if ":" in address else address)
    client = http.client.HTTPConnection(address, check.port, timeout=check.timeout)
    client.sock = link
    try:
        client.request("GET", "/", headers={"Host": host, "Connection": "close"})
        answer = client.getresponse()
        body = answer.read(262144)
    except http.client.HTTPException as error:
        raise Failed(f"no HTTP answer: {plain(str(error) or type(error).__name__)}") from error
    finally:
        client.close()
    if answer.status >= 500:
        raise Failed(f"HTTP {answer.status}")
    if check.says and check.says.encode() not in body:
        raise Failed(f"HTTP {answer.status}, but the page does not contain {shown(check.says)}")
    return f"HTTP {answer.status}, {len(body)} octets"


def smtp(check: Check, address: str) -> str:
    """A greeting, an answer to EHLO, and a clean end (RFC 5321). Evidence is the greeting."""
    with connect(check, address) as link, link.makefile("rwb") as stream:
        greeting = _reply(stream, "220")
        for command, code in (("EHLO probe.invalid", "250"), ("QUIT", "221")):
            stream.write(f"{command}\r\n".encode())
            stream.flush()
            _reply(stream, code)
    if check.says and greeting[4:].split()[:1] != [check.says]:
        raise Failed(f"the banner is '{greeting}', not that of {check.says}")
    return greeting


def _reply(stream: io.BufferedRWPair, code: str) -> str:
    first = ""
    for _line in range(100):
        line = plain(stream.readline(1000))
        first = first or line
        if line[3:4] != "-":
            break
    if not first.startswith(code):
        raise Failed(f"expected {code}, got '{first or 'the end of the connection'}'")
    return first


def question(name: str, kind: str, number: int) -> bytes:
    """Return a DNS query in wire form (RFC 1035, section 4.1)."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    if not labels or any(len(label) > 63 for label in labels):
        raise RolloutError(f"name: {shown(name)} can't be asked for: a label is 1 to 63 octets")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack(">6H", number, 0, 1, 0, 0, 0) + encoded + struct.pack(">2H", DNS_TYPES[kind], 1)


def dns(check: Check, address: str) -> str:
    """An authoritative answer to a question for the SOA record of a name, over UDP and then over TCP."""
    evidence = []
    name = check.host or check.name
    for protocol in ("udp", "tcp"):
        number = secrets.randbelow(65536)
        message = question(name, "SOA", number)
        answer = _ask_tcp(check, address, message) if protocol == "tcp" else _ask_udp(check, address, message)
        if len(answer) < 12:
            raise Failed(f"{protocol}: the answer is no DNS message")
        echoed, flags, _questions, answers, authorities = struct.unpack(">5H", answer[:10])
        if echoed != number or not flags & 0x8000:
            raise Failed(f"{protocol}: the answer belongs to another question")
        # A name inside a zone gets the zone's SOA record in the authority section (RFC 2308, section 2.2).
        if flags & 0xF or not flags & 0x400 or not (answers or authorities):
            raise Failed(f"{protocol}: no authoritative answer for {plain(name)} (rcode {flags & 0xF})")
        evidence.append(protocol)
    return f"authoritative for {plain(name)} over {' and '.join(evidence)}"


def _ask_udp(check: Check, address: str, message: bytes) -> bytes:
    with socket.socket(FAMILIES[check.family], socket.SOCK_DGRAM) as link:
        link.settimeout(check.timeout)
        try:
            if check.source:
                link.bind((check.source, 0))
            link.connect((address, check.port))
            link.send(message)
            return link.recv(4096)
        except OSError as error:
            reason = "no answer" if isinstance(error, socket.timeout) else plain(error.strerror or str(error))
            raise Unreached(f"udp {endpoint(address, check.port)}: {reason}") from error


def _ask_tcp(check: Check, address: str, message: bytes) -> bytes:
    with connect(check, address) as link, link.makefile("rwb") as stream:
        stream.write(struct.pack(">H", len(message)) + message)
        stream.flush()
        head = stream.read(2)
        return stream.read(struct.unpack(">H", head)[0]) if len(head) == 2 else b""


def ping(check: Check, address: str) -> str:
    """An echo reply."""
    source = ["-I", check.source] if check.source else []
    flag = "-6" if check.family == "ipv6" else "-4"
    wait = str(max(1, round(check.timeout)))
    done = commands.run(["ping", flag, "-n", "-c", "1", "-W", wait, *source, address], timeout=check.timeout + 5)
    if done.rc != 0:
        raise Unreached(f"ping {address}: {plain(done.err) or 'no echo reply'}")
    return "echo reply"


def reverse(check: Check, address: str) -> str:
    """A PTR record whose name has the address again: forward-confirmed reverse DNS (RFC 1912, section 2.1)."""
    try:
        name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0].rstrip(".").lower()
    except OSError as error:
        raise Failed(f"{address} has no PTR record here: {plain(str(error))}") from error
    if check.says and name != check.says.rstrip(".").lower():
        raise Failed(f"{address} is {plain(name)} in the reverse zone, not {check.says}")
    if address not in resolve(name, check.family):
        raise Failed(f"{address} is {plain(name)} in the reverse zone, but that name does not have the address")
    return f"{plain(name)}, forward-confirmed"


KINDS: t.Dict[str, t.Callable[[Check, str], str]] = {
    "tcp": tcp,
    "http": web,
    "https": web,
    "smtp": smtp,
    "dns": dns,
    "ping": ping,
    "reverse": reverse,
}


def targets(check: Check) -> t.List[str]:
    """Return the addresses to connect to; the name, where given, must lead to them."""
    if not check.name:
        return [check.address]
    found = resolve(check.name, check.family)
    if not check.address:
        return found
    if check.address not in found:
        raise Failed(f"{check.name} leads to {', '.join(found)}, not to {check.address}")
    return [check.address]


def prove(check: Check) -> t.Dict[str, t.Any]:
    """Make the connection and return ``{id, ok, evidence, address, seconds}``."""
    start = time.monotonic()
    address = check.address
    try:
        evidence = ""
        for address in targets(check):
            evidence = KINDS[check.kind](check, address)
        good = check.expect == "open"
        if not good:
            evidence = f"{endpoint(address, check.port)} is reachable ({evidence}), and must not be"
    except Failed as failure:
        evidence = str(failure)
        good = check.expect == "closed" and isinstance(failure, Unreached)
    except OSError as error:
        evidence, good = plain(str(error)), False
    seconds = round(time.monotonic() - start, 3)
    return {"id": check.id, "ok": good, "evidence": evidence, "address": address, "seconds": seconds}


def patiently(check: Check, patience: float) -> t.Dict[str, t.Any]:
    """Make the connection again until it comes out as expected or the patience, in seconds, is used up.

    A daemon may need a moment to notice a new address, and a resolver to see a new record.
    """
    end = time.monotonic() + patience
    proof = prove(check)
    while not proof["ok"] and time.monotonic() < end:
        time.sleep(PAUSE)
        proof = prove(check)
    return proof


def prove_all(checks: t.Sequence[Check], patience: float = 0.0) -> t.List[t.Dict[str, t.Any]]:
    """Make all connections, some at a time, and return the proofs in the order of the checks."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return list(pool.map(lambda one: patiently(one, patience), checks))


def check(value: t.Mapping[str, t.Any]) -> Check:
    """Read a check from what the user wrote."""
    given = {key: item for key, item in value.items() if item is not None}
    made = Check(**given)
    if not made.address and not made.name:
        raise RolloutError(f"checks: {shown(made.id)} has neither an address nor a name to connect to")
    if made.kind not in ("ping", "reverse") and not 0 < made.port < 65536:
        raise RolloutError(f"checks: {shown(made.id)}: the port {made.port} is not a number from 1 to 65535")
    if made.kind == "dns" and not (made.host or made.name):
        raise RolloutError(f"checks: {shown(made.id)}: 'host' must name the zone whose SOA record is asked for")
    return made
