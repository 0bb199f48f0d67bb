# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarding of both families for a translator: now, for the next boot, and back."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import interface_sysctl, tunnel_host, tunnel_live
from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_told import Outcome

FORWARDING4 = "net.ipv4.ip_forward"
# Switching forwarding changes these as well: a router does not take redirects, a host does.
BESIDE4 = ("net.ipv4.conf.all.accept_redirects",)

Notes = t.Dict[str, t.Any]


class Sysctls:
    """The sysctls of a host that translates."""

    def __init__(self, links: t.Sequence[tunnel_host.Link], device: str, notes: Notes) -> None:
        heard = {*(name for name in tunnel_host.routers_heard(links) if name != device), *notes.get("heard", [])}
        # Where somebody has set 0 since then, nobody lives on router advertisements any more.
        self.heard = sorted(name for name in heard if tunnel_host.sysctl(tunnel_live.accept_ra(name)) in ("1", "2"))
        self.values = {**tunnel_live.forwarding(self.heard), FORWARDING4: "1"}
        self.missing = {key: value for key, value in self.values.items() if tunnel_host.sysctl(key) != value}
        locked = [key for key in self.missing if not tunnel_host.writable(key)]
        if locked:
            raise RolloutError(
                f"forwarding: {locked[0]} can't be set here, and a translator has to forward; set it where this "
                "system's sysctls are set (for a container, outside of it)"
            )

    @property
    def anything(self) -> bool:
        """Whether one has another value."""
        return bool(self.missing)

    @property
    def text(self) -> str:
        """The file for the next boot."""
        lines = [f"{tunnel_host.sysctl_name(key)} = {value}\n" for key, value in self.values.items()]
        return texts.HEADER + "".join(lines)

    def tell(self, told: Outcome) -> None:
        """Tell what changes."""
        for key, value in self.missing.items():
            told.tell(key, f"{tunnel_host.sysctl(key)}\n", f"{value}\n")

    def held(self) -> t.Dict[str, str]:
        """Return all that a change of forwarding changes, in the order in which it is put back."""
        found = {key: tunnel_host.sysctl(key) for key in self.missing}
        if tunnel_live.FORWARDING in found:
            found.update(tunnel_host.forwarding_each())
        if FORWARDING4 in found:
            found.update({key: tunnel_host.sysctl(key) for key in BESIDE4})
        return _backwards(found)

    def note(self, notes: Notes) -> None:
        """Keep what was there before the first change."""
        notes["heard"] = self.heard
        for key, value in self.held().items():
            notes["sysctls"].setdefault(key, value)

    def set(self) -> None:
        """Set what has another value."""
        tunnel_live.set_sysctls(self.missing)


def _backwards(values: t.Mapping[str, str]) -> t.Dict[str, str]:
    """Return sysctls in the order in which they are taken back: what sets others comes first."""
    return dict(sorted(values.items(), key=lambda item: item[0] not in (tunnel_live.FORWARDING, FORWARDING4)))


def freed(notes: Notes) -> t.Tuple[t.Dict[str, str], t.List[str]]:
    """Return the sysctls that nobody else asks for, and who keeps others."""
    found = {key: value for key, value in notes["sysctls"].items() if tunnel_host.sysctl(key)}
    kept = []
    settings = [one for one in interface_sysctl.boot_settings() if one.path != texts.SYSCTL_FILE and one.value != "-"]
    for family, key in (("ipv6", tunnel_live.FORWARDING), ("ipv4", FORWARDING4)):
        names = {tunnel_host.sysctl_name(key), *(["net/ipv4/conf/all/forwarding"] if family == "ipv4" else [])}
        asked = [one for one in settings if one.key in names]
        if key in found and asked and asked[-1].value == "1" != found[key]:
            kept.append(f"{key} stays 1: {asked[-1].where} asks for it")
            found = {name: value for name, value in found.items() if not name.startswith(f"net.{family}.")}
    return _backwards(found), kept
