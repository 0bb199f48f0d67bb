# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NAT64 prefix in router advertisements (RFC 8781), by radvd: its file is edited, checked, and given back.

radvd reads one file and has no drop-ins. Each line of ours ends with a mark, so that it is found again.
"""

from __future__ import annotations

import os
import re
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, tunnel_undo
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_told import Outcome

CONFIG = "/etc/radvd.conf"
UNIT = "radvd.service"
PACKAGE = "radvd"
KEY = "radvd"
MARK = "# ipv6.rollout: PREF64"
NEEDED = (2, 20)
_LINK = "/etc/systemd/system/multi-user.target.wants/radvd.service"


def without(text: str) -> str:
    """Return a configuration without our lines."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.rstrip().endswith(MARK))


def _blanked(text: str) -> str:
    """Return the text with comments blanked out, so that all places stay what they are."""
    return re.sub(r"#[^\n]*", lambda match: " " * len(match.group()), text)


def _body(text: str, name: str) -> t.Optional[t.Tuple[int, int]]:
    """Return where the block of an interface begins and ends, None where there is none."""
    plain = _blanked(text)
    found = re.search(rf"(?<![\w.@-])interface\s+{re.escape(name)}\s*\{{", plain)
    if not found:
        return None
    depth = 1
    for at in range(found.end(), len(plain)):
        depth += {"{": 1, "}": -1}.get(plain[at], 0)
        if not depth:
            return found.end(), at
    raise RolloutError(f"{CONFIG}: the block of interface {name} does not end; mend it first")


def edited(text: str, interfaces: t.Iterable[str], prefix: object, lifetime: int) -> str:
    """Return a configuration that tells the prefix on these interfaces; all other lines stay.

    An interface that has no block gets one that says no more than that: this host is no default router there, unless
    somebody has said so.
    """
    text = without(text)
    for name in interfaces:
        ours = f"nat64prefix {prefix} {{ AdvValidLifetime {lifetime}; }};"
        place = _body(text, name)
        if place is None:
            start = text if not text or text.endswith("\n") else text + "\n"
            text = f"{start}interface {name} {{ AdvSendAdvert on; AdvDefaultLifetime 0; {ours} }}; {MARK}\n"
            continue
        inside = _blanked(text)[place[0] : place[1]]
        if re.search(r"\bnat64prefix\b", inside):
            if re.search(rf"\bnat64prefix\s+{re.escape(str(prefix))}[\s{{]", inside):
                continue
            raise RolloutError(f"{CONFIG}: interface {name} tells another nat64prefix already; take it out first")
        text = f"{text[: place[0]]}\n    {ours} {MARK}{_rest(text[place[0] :])}"
    return text


def _rest(text: str) -> str:
    return text if text.startswith("\n") else f"\n{text}"


def version() -> t.Optional[t.Tuple[int, ...]]:
    """Return the version of radvd, None where it is not installed."""
    if not commands.found("radvd"):
        return None
    told = commands.run(["radvd", "--version"])
    found = re.search(r"Version:?\s*(\d+)\.(\d+)", told.out + told.err)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


class Change:
    """From what radvd tells to what it shall tell."""

    def __init__(self, interfaces: t.Sequence[str], prefix: object, lifetime: int, ledger: files.Ledger) -> None:
        self.interfaces, self.ledger = interfaces, ledger
        self.wrong: t.List[str] = []
        self.missing: t.List[str] = []
        self.now = files.look(CONFIG)
        self.enabled = os.path.lexists(_LINK)
        self.active = commands.run(["systemctl", "is-active", "--quiet", UNIT]).rc == 0 if interfaces else False
        self.text = (self.now.content or b"").decode("utf-8", "surrogateescape")
        self.back = Back(ledger) if not interfaces else None
        if interfaces:
            self._look(prefix, lifetime)

    def _look(self, prefix: object, lifetime: int) -> None:
        for name in self.interfaces:
            if not os.path.isdir(f"/sys/class/net/{name}"):
                self.wrong.append(
                    f"pref64_interfaces: there is no interface {name} on this host; name one that is there"
                )
        have = version()
        if have is None:
            self.missing.append(PACKAGE)
        elif have < NEEDED:
            self.wrong.append(
                f"pref64_interfaces: radvd {have[0]}.{have[1]} does not know nat64prefix, and would not start with it; "
                f"{NEEDED[0]}.{NEEDED[1]} (Debian 13) does. Leave pref64_interfaces empty: hosts find the prefix by "
                "DNS (RFC 7050)"
            )
        self.after = edited(self.text, self.interfaces, prefix, lifetime)

    @property
    def anything(self) -> bool:
        """Whether there is anything to do."""
        if self.back is not None:
            return self.back.anything
        return self.after != self.text or not self.enabled or not self.active

    @property
    def content(self) -> bytes:
        """The file as it shall be."""
        return self.after.encode("utf-8", "surrogateescape")

    def tell(self, told: Outcome) -> None:
        """Tell what changes."""
        if self.back is not None:
            self.back.tell(told)
            return
        if self.after != self.text:
            told.show(CONFIG, self.now.content, self.content)
        again = "reloaded\n" if self.active and self.after != self.text else ""
        told.tell(UNIT, _state(self.enabled, self.active), _state(True, True) + again)

    def validate(self) -> None:
        """Have radvd read a copy."""
        if self.back is not None or self.after == self.text:
            return
        with tempfile.TemporaryDirectory(prefix="ipv6-rollout-radvd-") as folder:
            files.write(f"{folder}/radvd.conf", self.content)
            done = commands.run(["radvd", "--logmethod", "stderr_clean", "--configtest", "-C", f"{folder}/radvd.conf"])
        if done.rc != 0:
            raise RolloutError(f"radvd refuses {CONFIG}, nothing was changed: {' / '.join(done.said.splitlines()[:3])}")

    def note(self) -> None:
        """Keep what was there."""
        if self.back is None and self.anything:
            self.ledger.notes.setdefault(KEY, {"enabled": self.enabled, "active": self.active})
            if self.after != self.text:
                self.ledger.wrote(CONFIG, self.now, self.content)

    def apply(self) -> None:
        """Do it: a running radvd reads its file again and goes on."""
        if self.back is not None:
            self.back.apply()
            return
        if self.after != self.text:
            files.write(CONFIG, self.content, self.now.mode, self.now.uid, self.now.gid)
        if not self.enabled:
            os.makedirs(os.path.dirname(_LINK), exist_ok=True)
            os.symlink(f"/lib/systemd/system/{UNIT}", _LINK)
        if not self.active:
            commands.check(["systemctl", "start", UNIT], timeout=30)
        elif self.after != self.text:
            commands.check(["systemctl", "reload", UNIT], timeout=30)
        if commands.run(["systemctl", "is-active", "--quiet", UNIT]).rc != 0:
            raise RolloutError(f"{UNIT} does not run with the new {CONFIG}")

    def undo(self) -> None:
        """Put back what was there."""
        if self.back is None and self.anything:
            tunnel_undo.put_back(CONFIG, self.now)
            _settle(self.enabled, self.active)


class Back:
    """What radvd told before us."""

    def __init__(self, ledger: files.Ledger) -> None:
        self.ledger = ledger
        self.state: t.Optional[t.Dict[str, bool]] = ledger.notes.get(KEY)
        self.now = files.look(CONFIG)
        saved = ledger.before(CONFIG)
        self.content = self.now.content
        if saved is not None:
            whole = ledger.untouched(CONFIG) or self.now.content is None
            self.content = saved.content if whole else self._ours_out()

    def _ours_out(self) -> bytes:
        text = (self.now.content or b"").decode("utf-8", "surrogateescape")
        return without(text).encode("utf-8", "surrogateescape")

    @property
    def anything(self) -> bool:
        """Whether we have ever told anything."""
        return self.state is not None

    def tell(self, told: Outcome) -> None:
        """Tell what changes."""
        if self.state is None:
            return
        if self.content != self.now.content:
            told.show(CONFIG, self.now.content, self.content)
        active = commands.run(["systemctl", "is-active", "--quiet", UNIT]).rc == 0
        told.tell(UNIT, _state(os.path.lexists(_LINK), active), _state(self.state["enabled"], self.state["active"]))

    def apply(self) -> None:
        """Put it back. radvd tells nothing for the prefix any more, so hosts forget it when its time is over."""
        if self.state is None:
            return
        if self.content is None:
            files.remove(CONFIG)
        elif self.content != self.now.content:
            files.write(CONFIG, self.content, self.now.mode, self.now.uid, self.now.gid)
        self.ledger.files.pop(CONFIG, None)
        del self.ledger.notes[KEY]
        _settle(self.state["enabled"], self.state["active"])


def _settle(enabled: bool, active: bool) -> None:
    if not enabled:
        files.remove(_LINK)
    if active:
        commands.check(["systemctl", "reload-or-restart", UNIT], timeout=30)
    else:
        commands.run(["systemctl", "stop", UNIT], timeout=30)


def _state(enabled: bool, active: bool) -> str:
    return f"{'enabled' if enabled else 'disabled'}\n{'active' if active else 'inactive'}\n"
