# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One authoritative name server: RRsets read over TCP, zones found, updates sent (RFC 2136, TSIG of RFC 8945).

Every failure becomes a RolloutError in words. The key's secret is in no message.
"""

from __future__ import annotations

import binascii
import secrets
import socket
import struct
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_rcodes, dns_wire
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address, text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_lines import lines
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import absolute
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_transfer import (
    NotTransferred,
    Transfer,
    Zone,
    check_signed,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Change, Key, Rrset

try:
    import dns.exception
    import dns.name
    import dns.tsig
except ImportError:
    pass  # dns_names.need_library says so

ALIAS = "it is an alias"
ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1")
_ANSWERS = ("NOERROR", "NXDOMAIN")
_AT_ONCE = 128  # questions under way on the connection


class Problem(t.NamedTuple):
    """Why a server does not say what an RRset holds."""

    reason: str


class Conflict(RolloutError):
    """A prerequisite failed: what the server holds is not what was compared."""


def tsig_key(name: object, secret: object, algorithm: object) -> dns.tsig.Key | None:
    """Return the key that signs, or None where none is given. No message shows the secret."""
    if not name and not secret:
        return None
    if not name or not secret:
        raise RolloutError(f"key_{'secret' if name else 'name'} is missing: a TSIG key has a name and a secret")
    wanted = text_value(algorithm, "key_algorithm").lower().rstrip(".")
    if "md5" in wanted:
        raise RolloutError(f"key_algorithm: {wanted} is broken and not used here; make a new key with hmac-sha256")
    if wanted not in ALGORITHMS:
        raise RolloutError(f"key_algorithm: {shown(wanted)} is not one of {', '.join(ALGORITHMS)}")
    if not isinstance(secret, str):
        raise RolloutError("key_secret: this is not text; put the Base64 text of the key in quotes (it is not shown)")
    try:
        octets = binascii.a2b_base64("".join(secret.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        raise RolloutError("key_secret: this is not Base64 text (it is not shown)") from None
    return dns.tsig.Key(dns.name.from_text(absolute(name, "key_name")), octets, dns.name.from_text(wanted))


class Server:
    """One connection to a name server."""

    def __init__(self, address: object, port: int = 53, key: dns.tsig.Key | None = None, timeout: float = 10.0) -> None:
        any_address(address, "server")
        if not 0 < port < 65536:
            raise RolloutError(f"port: {port} is not a TCP port")
        self.address, self.port, self.timeout = str(address), port, timeout
        self._key = key
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._zones: dict[str, str] = {}

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        where = f"[{self.address}]" if ":" in self.address else self.address
        return f"name server {where}:{self.port}"

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._received.clear()

    # -- reading ------------------------------------------------------------------------------------------------

    def look(self, keys: t.Sequence[Key]) -> dict[Key, Rrset | Problem | None]:
        """Read RRsets, without recursion: only what the server itself is responsible for."""
        try:
            return {key: self._held(key, answer) for key, answer in zip(keys, self._ask(keys))}
        except (dns.exception.DNSException, ValueError) as error:
            raise RolloutError(f"{self} sent an answer that cannot be read: {type(error).__name__}") from None

    def _held(self, key: Key, answer: dns_wire.Answer) -> Rrset | Problem | None:
        rcode = dns_rcodes.name(answer.rcode)
        if rcode not in _ANSWERS:
            return Problem(f"{self} {dns_rcodes.explain(rcode, 'question')}")
        if not answer.flags & dns_wire.AA:
            cuts = [record.name for record in answer.authority if record.type == dns_wire.NS]
            return Problem(
                f"{self} is not authoritative for it" + (f": the zone {cuts[0]} is delegated" if cuts else "")
            )
        for record in answer.authority:
            if record.type == dns_wire.SOA:
                self._zones[key.name] = record.name.lower()
        number = dns_wire.type_number(key.type)
        held = [r for r in answer.answer if r.type == number and r.name.lower() == key.name]
        if held:
            data = {dns_wire.data_text(key.type, record, answer) for record in held}
            return Rrset(min(record.ttl for record in held), tuple(sorted(data)))
        for record in answer.answer:
            if record.type in (dns_wire.CNAME, dns_wire.DNAME):
                target = dns_wire.data_text("CNAME", record, answer)
                return Problem(f"{ALIAS} of {target}; records belong to the name that it stands for")
        return None

    def zone_of(self, names: t.Iterable[str]) -> dict[str, str]:
        """Return the zone that each name is in. The server says it (SOA); nothing is guessed."""
        asked = list(dict.fromkeys(names))
        at = {name: name for name in asked if name not in self._zones}
        while at:
            keys = list(dict.fromkeys(Key(place, "SOA") for place in at.values()))
            found = {key.name: (held, self._zones.get(key.name)) for key, held in self.look(keys).items()}
            for name, place in list(at.items()):
                held, zone = found[place]
                if isinstance(held, Rrset):
                    zone = place
                if zone is not None:
                    self._zones[name] = zone
                    del at[name]
                elif isinstance(held, Problem) and not held.reason.startswith(ALIAS):
                    raise RolloutError(f"{name}: {held.reason}")
                else:
                    at[name] = place.partition(".")[2]
                    if not at[name]:
                        raise RolloutError(f"{name}: {self} names no zone for it")
        return {name: self._zones[name] for name in asked}

    def zones_at(self, places: t.Sequence[str]) -> dict[str, str | None]:
        """Return the zone that each name is in, or None where the server does not say it at this name."""
        found = self.look([Key(place, "SOA") for place in places])
        return {
            key.name: key.name if isinstance(held, Rrset) else self._zones.get(key.name) for key, held in found.items()
        }

    def transfer(self, zone: str, only: t.Container[Key] | None = None, most: int | None = None) -> Zone:
        """Read a whole zone (AXFR).

        :param only: the RRsets to keep; the others are only counted
        :param most: give up where there are more records than this
        :raises NotTransferred: where the server does not give the zone away, or not all of it
        """
        try:
            return self._transfer(Transfer(zone, only, most))
        except EOFError:
            pass  # an idle connection that was closed in the meantime
        try:
            return self._transfer(Transfer(zone, only, most))
        except EOFError:
            raise NotTransferred(f"zone {zone}: {self} closed the connection instead of the transfer") from None

    def _transfer(self, transfer: Transfer) -> Zone:
        number = secrets.randbelow(0x10000)
        message, code = dns_wire.signed(dns_wire.query(number, transfer.zone, "AXFR"), self._key)
        signatures = self._signatures(code)
        try:
            self._send([message])
            while not transfer.complete:
                before = transfer.records
                answer, is_signed = self._checked(self._receive(f"the transfer of {transfer.zone}"), signatures)
                rcode = dns_rcodes.name(answer.rcode)
                if answer.id != number or answer.flags & dns_wire.OPCODE:
                    raise NotTransferred(f"{self} sent an answer that is not one to the transfer of {transfer.zone}")
                if rcode != "NOERROR":
                    raise NotTransferred(f"zone {transfer.zone}: {self} {dns_rcodes.explain(rcode, 'transfer')}")
                transfer.take(answer)
                wrong = None
                if signatures is not None:
                    wrong = check_signed(transfer.complete, is_signed, before, signatures.unsigned)
                if wrong or not answer.answer:
                    raise NotTransferred(f"zone {transfer.zone}: {self} {wrong or 'sent an empty message'}")
        except RolloutError:
            self.close()  # the rest of the transfer would be taken for other answers
            raise
        except (dns.exception.DNSException, ValueError) as error:
            self.close()
            raise NotTransferred(
                f"zone {transfer.zone}: {self} sent what cannot be read: {type(error).__name__}"
            ) from None
        except (OSError, EOFError):
            self.close()
            if not transfer.records:
                raise EOFError from None
            raise NotTransferred(
                f"zone {transfer.zone}: {self} closed the connection after {transfer.records} records, in the middle "
                "of the transfer: the SOA record at its end is missing"
            ) from None
        return transfer.result()

    def _ask(self, keys: t.Sequence[Key]) -> list[dns_wire.Answer]:
        try:
            return self._ask_once(keys)
        except (OSError, EOFError):
            # An idle connection may be closed at any time. Questions change nothing, so they are asked once more.
            self.close()
        try:
            return self._ask_once(keys)
        except (OSError, EOFError):
            self.close()
            raise RolloutError(f"{self} closed the connection instead of answering; its log says why") from None

    def _ask_once(self, keys: t.Sequence[Key]) -> list[dns_wire.Answer]:
        answers: dict[int, dns_wire.Answer] = {}
        for start in range(0, len(keys), _AT_ONCE):
            waiting: dict[int, tuple[int, bytes, bytes]] = {}
            messages = []
            for place, key in enumerate(keys[start : start + _AT_ONCE], start):
                question = dns_wire.query(place & 0xFFFF, key.name, key.type)
                message, code = dns_wire.signed(question, self._key)
                waiting[place & 0xFFFF] = (place, question[12:], code)
                messages.append(message)
            self._send(messages)
            while waiting:
                wire = self._receive("a question")
                place, question, code = waiting.pop(int.from_bytes(wire[:2], "big"), (-1, b"", b""))
                if place < 0:
                    raise RolloutError(f"{self} sent an answer to a question that was not asked")
                answers[place] = self._read(wire, code)
                if answers[place].question.lower() != question and dns_rcodes.name(answers[place].rcode) in _ANSWERS:
                    raise RolloutError(f"{self} sent an answer that does not fit the question {keys[place].name}")
        return [answers[place] for place in range(len(keys))]

    # -- writing ------------------------------------------------------------------------------------------------

    def update(self, zone: str, changes: t.Sequence[Change]) -> None:
        """Send one UPDATE. It holds as a whole or not at all, and only if the RRsets are what was compared."""
        number = secrets.randbelow(0x10000)
        message, code = dns_wire.signed(dns_wire.update(number, zone, changes), self._key)
        what = f"zone {zone}"
        try:
            self._send([message])
            answer = self._read(self._receive(f"the update of the {what}"), code)
        except (OSError, EOFError):
            self.close()
            raise RolloutError(
                f"{self} closed the connection while it had the update of the {what}. Whether it was done is not "
                "known; run again, the comparison will show it"
            ) from None
        if answer.id != number or answer.flags & dns_wire.OPCODE != dns_wire.UPDATE:
            raise RolloutError(f"{self} sent an answer that is not one to the update of the {what}")
        rcode = dns_rcodes.name(answer.rcode)
        if rcode in dns_rcodes.MISMATCH:
            raise Conflict(self._conflict(zone, rcode, changes))
        if rcode != "NOERROR":
            words = dns_rcodes.explain(rcode, "update")
            raise RolloutError(f"{what}: {self} {words}. Nothing in this zone was changed")

    def _conflict(self, zone: str, rcode: str, changes: t.Sequence[Change]) -> str:
        """Say what happened after a prerequisite failed: what was compared, and what is there now."""
        told = []
        try:
            found = self.look([change.key for change in changes])
        except RolloutError:
            found = {}
        for key, held in found.items():
            before = next(change.before for change in changes if change.key == key)
            now = None if isinstance(held, Problem) else held
            if isinstance(held, Problem) or lines(key, now) != lines(key, before):
                told.append(f"{key.name} {key.type} was {_list(key, before)} and is now {_list(key, now)}")
        what = "; ".join(told[:5]) or "by now the RRsets are as they were"
        return (
            f"zone {zone}: somebody else changed it between the comparison and the update "
            f"({rcode}): {what}. {self} changed nothing, "
            "so nobody's record is lost; look at both and run again"
        )

    # -- the wire -----------------------------------------------------------------------------------------------

    def _send(self, messages: t.Iterable[bytes]) -> None:
        connection = self._connection()
        try:
            connection.sendall(b"".join([struct.pack("!H", len(message)) + message for message in messages]))
        except TimeoutError:
            self.close()
            raise RolloutError(f"{self} takes nothing for {self.timeout:g} s; is it overloaded?") from None

    def _connection(self) -> socket.socket:
        if self._socket is None:
            try:
                self._socket = socket.create_connection((self.address, self.port), self.timeout)
            except ConnectionRefusedError:
                raise RolloutError(
                    f"{self}: connection refused; no name server listens there on TCP, or a firewall rejects it"
                ) from None
            except TimeoutError:
                raise RolloutError(
                    f"{self}: no connection in {self.timeout:g} s; the machine is down or a firewall drops TCP"
                ) from None
            except OSError as error:
                raise RolloutError(f"{self}: no connection: {error.strerror or error}") from None
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _receive(self, what: str) -> bytes:
        try:
            (length,) = struct.unpack("!H", self._octets(2))
            return self._octets(length)
        except TimeoutError:
            self.close()
            raise RolloutError(
                f"{self} has not answered {what} in {self.timeout:g} s. What it did with it is not known; "
                "run again, the comparison will show it"
            ) from None

    def _octets(self, length: int) -> bytes:
        connection = self._connection()
        while len(self._received) < length:
            part = connection.recv(0x10000)
            if not part:
                raise EOFError
            self._received += part
        octets = bytes(self._received[:length])
        del self._received[:length]
        return octets

    def _read(self, wire: bytes, code: bytes) -> dns_wire.Answer:
        answer, is_signed = self._checked(wire, self._signatures(code))
        if self._key is not None and not is_signed and dns_rcodes.name(answer.rcode) in _ANSWERS:
            raise RolloutError(f"{self} did not sign its answer, although the question was signed; it is not trusted")
        return answer

    def _signatures(self, code: bytes) -> dns_wire.Signatures | None:
        return None if self._key is None else dns_wire.Signatures(self._key, code)

    def _checked(self, wire: bytes, signatures: dns_wire.Signatures | None) -> tuple[dns_wire.Answer, bool]:
        """Read a message; return it, and whether it has a signature, which is right then."""
        answer = None
        name = "" if self._key is None else self._key.name.to_text()
        try:
            answer = dns_wire.read(wire)
            is_signed = signatures is not None and signatures.check(answer)
        except (dns.exception.DNSException, ValueError) as error:
            raise RolloutError(f"{self} {dns_rcodes.signature(error, name, answer)}") from None
        if not answer.flags & dns_wire.RESPONSE:
            raise RolloutError(f"{self} sent a question instead of an answer")
        return answer, is_signed


def _list(key: Key, rrset: Rrset | None) -> str:
    return "nothing" if rrset is None else f"{', '.join(sorted(rrset.data))} (TTL {rrset.ttl})"
