# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""unbound as a DNS64: one drop-in, checked in a copy of the whole configuration."""

from __future__ import annotations

import contextlib
import glob
import ipaddress
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, dns64_texts, files, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils.dns64_values import Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

FOLDER = "/etc/unbound"
# Behind the other files: of two module-config lines the last one counts.
DROP_IN = f"{FOLDER}/unbound.conf.d/zz-ipv6-rollout-dns64.conf"
MODULES = "dns64 validator iterator"
LOOPBACK = ("127.0.0.1", "::1")
PORT = 53
# What may stand beside dns64; anything else the administrator has put there for a reason.
_KNOWN = ("dns64", "subnetcache", "validator", "iterator")


class Unbound:
    """The unbound of this host."""

    unit = "unbound.service"
    # It listens where we say.
    opens = True
    package = "unbound"

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.installed = bool(commands.found("unbound-checkconf"))
        self.remarks: t.List[str] = []
        self.pid = sockets_pid(self.unit)

    def wanted(self) -> t.Dict[str, str]:
        """Return the files that are wanted, by path."""
        modules, interfaces = self._configured() if self.installed else (MODULES, False)
        # An interface line takes the place of the default, which is the loopback; who asks there goes on asking.
        loopback = [] if interfaces else [host for host in LOOPBACK if self._free(host)]
        return {DROP_IN: dns64_texts.unbound(self.wish, modules, loopback)}

    def _free(self, host: str) -> bool:
        """Whether unbound has, or could have, a loopback address that is not named anyway."""
        held = sockets.taken([(host, PORT)], self.pid)
        return not held and host not in self.wish.listen and sockets.is_local(host)

    def _configured(self) -> t.Tuple[str, bool]:
        """Return the modules, with dns64 in front, and whether the other files say where to listen."""
        with staged(None) as conf:
            done = commands.run(["unbound-checkconf", conf])
            if done.rc != 0:
                raise RolloutError(
                    f"{FOLDER}: unbound refuses the configuration that is there now: {_said(done, conf)}; mend it first"
                )
            told = commands.run(["unbound-checkconf", "-o", "module-config", conf]).out.strip().strip('"').split()
            interfaces = bool(commands.run(["unbound-checkconf", "-o", "interface", conf]).out.strip())
            asking = commands.run(["unbound-checkconf", "-o", "access-control", conf]).out.splitlines()
        strange = [name for name in told if name not in _KNOWN]
        if strange:
            raise RolloutError(
                f"{FOLDER}: its module-config has {strange[0]}, and dns64 has its place in that list; put 'dns64' in "
                "there yourself, in front of the validator, or take the line out"
            )
        for line in filter(_anybody, asking):
            what = f"{FOLDER}: 'access-control: {line.strip()}' lets anybody ask"
            if not interfaces:  # it was harmless on the loopback
                raise RolloutError(
                    f"{what} as soon as unbound listens for clients; take that line out, or name your networks: the "
                    "prefixes of clients are let in without it"
                )
            self.remarks.append(f"{what}, now on the addresses of listen too; take that line out")
        return MODULES if "validator" in told or not told else "dns64 iterator", interfaces

    def validate(self, wanted: t.Mapping[str, bytes]) -> None:
        """Have unbound-checkconf look at a copy with our file in it."""
        with staged(wanted[DROP_IN]) as conf:
            done = commands.run(["unbound-checkconf", conf])
        if done.rc != 0:
            raise RolloutError(f"unbound refuses the configuration, nothing was changed: {_said(done, conf)}")

    def endpoints(self) -> t.Set[sockets.Endpoint]:
        """Return where it has to listen."""
        return {(host, PORT) for host in self.wish.listen}

    def renewed(self, before: bytes, after: bytes) -> bool:
        """Whether a change needs another start: sockets are opened, and modules loaded, only then."""
        pattern = rb"^\s*(?:interface|module-config):.*$"
        return re.findall(pattern, before, re.MULTILINE) != re.findall(pattern, after, re.MULTILINE)


def _anybody(line: str) -> bool:
    """Whether an access-control entry lets the whole Internet in, or a large part of it."""
    words = line.split()
    try:
        return words[1].startswith("allow") and ipaddress.ip_network(words[0], strict=False).prefixlen < 4
    except (IndexError, ValueError):
        return False


_ANCHOR = re.compile(rb'(?m)^\s*auto-trust-anchor-file:\s*"?([^"\s]+)"?.*$')


def _present(match: t.Match[bytes]) -> bytes:
    """Leave a trust anchor out that is not there yet: Debian's unit makes it when it starts unbound first."""
    return match.group() if os.path.exists(match.group(1)) else b""


@contextlib.contextmanager
def staged(drop_in: t.Optional[bytes]) -> t.Iterator[str]:
    """Give a copy of the configuration, with our drop-in or without one, that reads its own files."""
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-unbound-") as inside:
        folder = f"{inside}/unbound"
        shutil.copytree(FOLDER, folder, symlinks=True)
        own = folder + DROP_IN[len(FOLDER) :]
        files.remove(own)
        if drop_in is not None:
            files.write(own, drop_in)
        for path in glob.glob(f"{folder}/**/*.conf", recursive=True):
            content = files.read(path) or b""
            pattern = rb'(?m)^(\s*include(?:-toplevel)?:\s*"?)' + FOLDER.encode()
            turned = _ANCHOR.sub(_present, re.sub(pattern, rb"\1" + folder.encode(), content))
            if turned != content:
                files.write(path, turned)
        yield f"{folder}/unbound.conf"


def _said(done: commands.Result, conf: str) -> str:
    """Return a checker's words about a copy as if they were about the files themselves."""
    return " / ".join(done.said.replace(os.path.dirname(conf), FOLDER).splitlines()[:3])


def sockets_pid(unit: str) -> int:
    """Return the process of a unit, 0 where it does not run."""
    told = commands.run(["systemctl", "show", "--property=MainPID", "--value", unit]).out.strip()
    return int(told) if told.isdigit() else 0
