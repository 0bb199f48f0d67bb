# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an administrator's next login gets through a rule set: judged before the rules are live."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, reach


class Login(t.NamedTuple):
    """A login that must get through; ``source`` is empty where nobody knows it, and ``reason`` says why."""

    family: str
    source: str
    destination: str
    port: int
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.family.replace('ip', 'IP')}: ssh from {self.source} to {self.destination} port {self.port}"


class Judgement(t.NamedTuple):
    """Logins that the rules refuse, each with the rule that does it, and those that nobody can tell."""

    refused: t.List[str]
    unsure: t.List[str]


def judge(logins: t.Iterable[Login], rules: t.Mapping[str, t.Union[str, t.List[str]]]) -> Judgement:
    """Judge each login by the rules of its family, as text in the form of ``iptables-save``: the way in and the answer.

    Where both back ends hold rules, the texts of both: a login must get through both.

    The IPv4 rules are not ours, so what they refuse is only told.
    """
    refused: t.List[str] = []
    unsure: t.List[str] = []
    for login in logins:
        if not login.source:
            unsure.append(f"{login.family.replace('ip', 'IP')}: {login.reason or 'nobody knows the source'}")
            continue
        packet = reach.Packet("tcp", login.port, interface=_interface(login.source), destination=login.destination)
        for ask, what in ((reach.verdict, str(login)), (reach.answer, f"{login}, the answer")):
            found = ask(rules.get(login.family, ""), login.family, packet, login.source)
            if found.result == "refuse":
                (refused if login.family == "ipv6" else unsure).append(f"{what}: {found.decided_by}")
            elif found.result == "depends":
                unsure.append(f"{what}: it depends on '{found.decided_by}'")
    return Judgement(refused, unsure)


def complete(logins: t.Sequence[Login], connection: str) -> t.List[Login]:
    """Put in what the host itself sees of the connection in use: it is right where the controller can only suppose.

    An IPv4 source that only the controller named may be another one behind a translator, so it is left out.
    """
    seen = _connection(connection)
    known = []
    for login in logins:
        same = seen is not None and seen.family == login.family and not _elsewhere(login, seen)
        known.append(seen if seen is not None and same else login)
    if seen and seen.family not in [login.family for login in logins]:
        known.append(seen)
    return [login for login in known if login.family == "ipv6" or login is seen]


def _elsewhere(login: Login, seen: Login) -> bool:
    """Whether a login that is known well goes to another address than the connection in use."""
    return bool(login.source) and login.destination != seen.destination


def _connection(text: str) -> t.Optional[Login]:
    parts = text.split()
    if len(parts) != 4 or not parts[3].isdigit():
        return None
    source, destination = (part.partition("%")[0] for part in (parts[0], parts[2]))
    return Login("ipv6" if ":" in source else "ipv4", source, destination, int(parts[3]))


def ssh_connection() -> str:
    """Return SSH_CONNECTION of this process, or of the first parent that has it: sudo takes it out."""
    value = os.environ.get("SSH_CONNECTION", "")
    process = str(os.getpid())
    while not value and process not in ("", "0", "1"):
        environment = (files.read(f"/proc/{process}/environ") or b"").decode(errors="replace")
        found = re.search(r"(?:^|\0)SSH_CONNECTION=([^\0]*)", environment)
        value = found.group(1) if found else ""
        parent = re.search(r"^PPid:\s*(\d+)", (files.read(f"/proc/{process}/status") or b"").decode(), re.MULTILINE)
        process = parent.group(1) if parent else ""
    return value


def _interface(source: str) -> str:
    """Return the interface that packets of a source come in by, as far as the way back tells; empty if it does not."""
    found = re.search(r" dev (\S+)", commands.run(["ip", "-o", "route", "get", source]).out)
    return found.group(1) if found and found.group(1) != "lo" else ""
