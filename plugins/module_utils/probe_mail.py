# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail servers: the greeting, what they offer, STARTTLS, and whether they relay for strangers (RFC 5321, RFC 3207)."""

from __future__ import annotations

import io
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import (
    Check,
    Failed,
    Seen,
    Stream,
    connect,
    family_of,
    plain,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_tls import certificate, server_name, shake_hands

LINES = 100  # of one reply
LENGTH = 1000  # of one line; RFC 5321 allows 512
CALLER = "probe.invalid"


class Refused(Failed):
    """A reply with another code than the wanted one."""

    def __init__(self, wanted: str, reply: str) -> None:
        super().__init__(f"expected {wanted}, got '{reply or 'the end of the connection'}'")
        self.reply = reply


class Dialogue:
    """The client's side of a mail session."""

    def __init__(self, link: socket.socket, seconds: float) -> None:
        self.link, self._seconds = link, seconds
        self._stream = Stream(link, seconds)
        self._reader = io.BufferedReader(self._stream)

    def reply(self, wanted: str) -> t.List[str]:
        """Read a reply, which must begin with a code; return its lines."""
        self._stream.next_step()
        lines: t.List[str] = []
        for _line in range(LINES):
            lines.append(plain(self._reader.readline(LENGTH)))
            if lines[-1][3:4] != "-":
                break
        if not lines[0].startswith(wanted):
            raise Refused(wanted, lines[0])
        return lines

    def say(self, command: str, wanted: str) -> t.List[str]:
        """Send a command and read its reply."""
        self.link.settimeout(self._seconds)
        self.link.sendall(f"{command}\r\n".encode())
        return self.reply(wanted)

    def extensions(self) -> t.List[str]:
        """Say EHLO and return what the server offers."""
        return [line[4:] for line in self.say(f"EHLO {CALLER}", "250")[1:]]


def smtp(check: Check, address: str, seen: Seen) -> str:
    """A greeting, an answer to EHLO, STARTTLS where wanted, and a clean end. Evidence is the greeting."""
    with connect(check, address) as link:
        seen["family"] = family_of(link)
        talk = Dialogue(link, check.timeout)
        greeting = _greeted(talk, seen)
        seen["extensions"] = talk.extensions()
        if check.starttls:
            _secured(check, talk, seen)
        else:
            talk.say("QUIT", "221")
    if check.says and greeting[4:].split()[:1] != [check.says]:
        raise Failed(f"the banner is '{greeting}', not that of {check.says}")
    return greeting


def _secured(check: Check, talk: Dialogue, seen: Seen) -> None:
    """Begin TLS, and end the session inside of it."""
    talk.say("STARTTLS", "220")
    talk.link.settimeout(check.timeout)
    with shake_hands(talk.link, server_name(check.host or check.name)) as secured:
        seen.update(certificate=certificate(secured), version=secured.version() or "")
        inner = Dialogue(secured, check.timeout)
        inner.extensions()
        inner.say("QUIT", "221")


def _greeted(talk: Dialogue, seen: Seen) -> str:
    greeting = talk.reply("220")[0]
    seen.update(greeting=greeting, name=(greeting[4:].split() or [""])[0])
    return greeting


def relay(check: Check, address: str, seen: Seen) -> str:
    """A mail from a stranger to a stranger must be refused, at the latest at RCPT. No mail is ever sent."""
    with connect(check, address) as link:
        seen["family"] = family_of(link)
        talk = Dialogue(link, check.timeout)
        try:
            _greeted(talk, seen)
            seen["extensions"] = talk.extensions()
            talk.say(f"MAIL FROM:<{check.sender}>", "250")
            reply = talk.say(f"RCPT TO:<{check.recipient}>", "25")[0]
        except Refused as refused:
            code = refused.reply[:3]
            if code[:1] not in ("4", "5") or not code.isdecimal() or not code.isascii():
                raise
            seen.update(code=int(code), reply=refused.reply)
            _leave(talk)
            return f"refused: {refused.reply}"
        seen.update(code=int(reply[:3]) if reply[:3].isdecimal() and reply[:3].isascii() else 250, reply=reply)
        _leave(talk)
    raise Failed(f"it takes mail from {check.sender} to {check.recipient}: '{reply}'")


def _leave(talk: Dialogue) -> None:
    """End the session without a mail; how the server takes that doesn't matter."""
    try:
        talk.say("RSET", "250")
        talk.say("QUIT", "221")
    except (Failed, OSError):
        pass
