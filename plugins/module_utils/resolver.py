# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name servers that a host asks: in resolv.conf, or in a drop-in of systemd-resolved.

What is new is tried at once: a host that lost its name servers is half dead, so the old ones come back.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

DROP_IN = "/etc/systemd/resolved.conf.d/ipv6-rollout.conf"
# Debian's Postfix asks from within a chroot, with a copy that is made when it starts.
COPIES = ("/var/spool/postfix/etc/resolv.conf",)
LEDGER = "resolver"
# The one name that has an AAAA record only where a DNS64 makes it (RFC 7050).
WELL_KNOWN = "ipv4only.arpa"
NAMED = re.compile(r"^[ \t]*nameserver[ \t].*$", re.MULTILINE)
OTHERS = {
    "NetworkManager": "set them there, with nmcli connection modify ... ipv6.dns",
    "resolvconf": "set them with dns-nameservers in /etc/network/interfaces",
    "dhclient": "set them with supersede domain-name-servers in /etc/dhcp/dhclient.conf",
    "dhcpcd": "set them with static domain_name_servers in /etc/dhcpcd.conf",
}


class Outcome(t.NamedTuple):
    """What was done, or in a check run would be: the file, its text before and after, what is found afterwards."""

    path: str
    before: str
    after: str
    found: t.List[str]

    @property
    def changed(self) -> bool:
        """Whether the file changes."""
        return self.before != self.after


def servers_of(given: t.Sequence[t.Any]) -> t.List[str]:
    """Read the addresses of name servers."""
    found = []
    for entry in given:
        try:
            address = ipaddress.ip_address(str(entry))
        except ValueError:
            raise RolloutError(f"servers: {shown(entry)} is no address of a name server") from None
        found.append(str(address))
    if not found:
        raise RolloutError("servers: the list is empty; name at least one name server")
    if len(found) > 3:
        raise RolloutError(f"servers: {len(found)} are named, and a resolver asks only three; name the best three")
    return found


def resolv_conf(text: str, servers: t.Sequence[str]) -> str:
    """Return a resolv.conf with other name servers, in the place of the old ones; every other line stays."""
    lines = "".join(f"nameserver {server}\n" for server in servers)
    first = NAMED.search(text)
    rest = re.sub(NAMED.pattern + r"\n?", "", text, flags=re.MULTILINE)
    if first is None:
        return f"{rest}{'' if not rest or rest.endswith(chr(10)) else chr(10)}{lines}"
    before = text[: first.start()]
    return before + lines + rest[len(before) :]


def drop_in(servers: t.Sequence[str]) -> str:
    """Return the drop-in of systemd-resolved: these servers for every name."""
    return f"[Resolve]\nDNS={' '.join(servers)}\nDomains=~.\n"


class Host:
    """Where this host keeps its name servers."""

    def __init__(self, path: str) -> None:
        self.named = path
        real = os.path.realpath(path)
        self.resolved = real.startswith("/run/systemd/resolve/")
        self.path = DROP_IN if self.resolved else path
        saved = files.look(self.path)
        self.text = (saved.content or b"").decode(errors="surrogateescape")
        self.saved = saved
        if not self.resolved:
            self._refuse_others(real)

    def _refuse_others(self, real: str) -> None:
        """Refuse a file that another program writes anew whenever it likes."""
        head = "\n".join(self.text.splitlines()[:5])
        for program, way_out in OTHERS.items():
            if program.lower() in real.lower() or re.search(rf"(?i)^[#;].*{program}", head, re.MULTILINE):
                raise RolloutError(f"{self.named}: {program} writes it, and would take them away again; {way_out}")
        if os.path.islink(self.named) and real != self.named:
            raise RolloutError(f"{self.named}: it is a link to {real}, which another program writes; set them there")

    def write(self, saved: files.Saved) -> None:
        """Write the file (or remove it), and let everybody read it."""
        if saved.content is None:
            files.remove(self.path)
            if self.resolved and not os.listdir(os.path.dirname(self.path)):
                os.rmdir(os.path.dirname(self.path))
        else:
            files.write(self.path, saved.content, saved.mode, saved.uid, saved.gid)
        if self.resolved:
            commands.check(["systemctl", "restart", "systemd-resolved"], timeout=60)
        elif saved.content is not None:
            for copy in COPIES:
                self._copy(copy, saved.content)

    @staticmethod
    def _copy(path: str, content: bytes) -> None:
        old = files.look(path)
        if old.content is not None and old.content != content:
            files.write(path, content, old.mode, old.uid, old.gid)


def discovered(patience: float) -> t.List[str]:
    """Return the addresses that this host finds for the well-known name, once there are any (RFC 7050)."""
    end = time.monotonic() + patience
    while True:
        try:
            told = socket.getaddrinfo(WELL_KNOWN, None, socket.AF_INET6, socket.SOCK_STREAM)
        except OSError:
            told = []
        found = sorted({str(entry[4][0]) for entry in told})
        if found or time.monotonic() >= end:
            return found
        time.sleep(0.2)


def present(servers: t.Sequence[t.Any], path: str, dns64: bool, really: bool, patience: float = 10.0) -> Outcome:
    """Let the host ask these name servers; the old ones come back where the new ones do not do what they should."""
    wanted = servers_of(servers)
    host = Host(path)
    text = drop_in(wanted) if host.resolved else resolv_conf(host.text, wanted)
    outcome = Outcome(host.path, host.text, text, [])
    if not outcome.changed or not really:
        return outcome
    content = text.encode(errors="surrogateescape")
    ledger = files.Ledger(LEDGER)
    ledger.wrote(host.path, host.saved, content)
    ledger.save()
    host.write(host.saved._replace(content=content))
    found = discovered(patience) if dns64 else []
    if dns64 and not found:
        host.write(host.saved)
        before = ledger.before(host.path)
        if before == host.saved:
            ledger.files.pop(host.path)
        else:
            ledger.wrote(host.path, host.saved, host.saved.content)
        ledger.save()
        raise RolloutError(
            f"servers: {', '.join(wanted)} gave no AAAA record for {WELL_KNOWN}, so none of them is a DNS64 that this "
            "host may use; the name servers of before are back"
        )
    return outcome._replace(found=found)


def absent(path: str, really: bool) -> t.Tuple[Outcome, str]:
    """Give the name servers of before back; return as well what could not go back as it was."""
    ledger = files.Ledger(LEDGER)
    kept = [name for name in (path, DROP_IN) if ledger.before(name) is not None]
    if not kept:
        return Outcome(path, "", "", []), ""
    before = ledger.before(kept[0])
    now = files.read(kept[0])
    old = (before.content or b"").decode(errors="surrogateescape") if before else ""
    outcome = Outcome(kept[0], (now or b"").decode(errors="surrogateescape"), old, [])
    warning = ""
    if not ledger.untouched(kept[0]):
        warning = f"{kept[0]} was edited since, and stays as it is"
        outcome = outcome._replace(after=outcome.before)
    if really:
        if not warning and before is not None:
            host = Host(path)
            host.path = kept[0]
            host.write(before)
        ledger.files.pop(kept[0])
        ledger.save()
    return outcome, warning
