# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a defect is: something wrong on one machine of the site, how it comes and goes, and which checks must see it.

Scripts are POSIX sh and run as root on the machine, past ssh. Before them stand the facts of the site as variables
(see ``site_of_lab.py``): ``$www1_4`` and ``$www1_6`` are the addresses of www1, ``$www1_ptr`` is the owner name of its
PTR record, ``$domain`` the site's domain, ``$lab6`` and ``$outside6`` the addresses of the lab machine that are let in
and that are not.
"""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Step:
    """A part of a defect on one machine: ``host`` is a machine of the lab, or ``router``, or ``here`` for this one."""

    host: str
    seed: str
    undo: str


@dataclasses.dataclass(frozen=True)
class Defect:
    """A defect and the checks that must turn red: all of these, and no others.

    ``expect`` has entries such as ``F04`` (of whatever host) and ``F04 www1`` (of this host and no other). ``passes``
    has what must pass with it, where a healthy site has nothing that the check is about.
    ``variables`` are given to the audit, for what is wrong in the inventory. ``suite`` is the only release of
    Debian that can have it.
    """

    name: str
    check: str
    why: str
    expect: frozenset[str]
    steps: tuple[Step, ...] = ()
    variables: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    passes: frozenset[str] = frozenset()
    suite: str = ""

    def differences(self, red: t.Collection[tuple[str, str]]) -> list[str]:
        """Return what is red and should not be, and what should be and is not."""
        wrong = [f"+{check} {host}".rstrip() for check, host in sorted(red) if not self._meant(check, host)]
        for entry in sorted(self.expect):
            check, _space, host = entry.partition(" ")
            if not any(one == check and host in ("", other) for one, other in red):
                wrong.append(f"-{entry}")
        return wrong

    def _meant(self, check: str, host: str) -> bool:
        return check in self.expect or f"{check} {host}" in self.expect


CATALOGUE: list[Defect] = []


def defect(
    check: str,
    name: str,
    why: str,
    host: str = "",
    seed: str = "",
    undo: str = "",
    *,
    also: t.Iterable[str] = (),
    expect: t.Iterable[str] = (),
    before: t.Iterable[Step] = (),
    variables: t.Mapping[str, t.Any] | None = None,
    passes: t.Iterable[str] = (),
    suite: str = "",
) -> None:
    """Add a defect. It turns ``check`` red on ``host`` and what is in ``also``, or exactly what is in ``expect``.

    ``before`` are steps on other machines that come first, and are taken out last.
    """
    parts = (*before, *((Step(host, seed, undo),) if seed else ()))
    meant = frozenset(expect) or frozenset({f"{check} {host}".rstrip(), *also})
    CATALOGUE.append(Defect(f"{check} {name}", check, why, meant, parts, variables or {}, frozenset(passes), suite))


def fine(
    check: str,
    name: str,
    why: str,
    host: str = "",
    seed: str = "",
    undo: str = "",
    *,
    passes: str,
    before: t.Iterable[Step] = (),
    variables: t.Mapping[str, t.Any] | None = None,
) -> None:
    """Add something that is no defect: nothing turns red, and the check has something to be about."""
    parts = (*before, *((Step(host, seed, undo),) if seed else ()))
    CATALOGUE.append(Defect(f"{check} {name}", check, why, frozenset(), parts, variables or {}, frozenset({passes})))
