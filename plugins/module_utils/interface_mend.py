# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others have switched off on an interface: named and refused, or overruled where the user said so."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import Wanted
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_sysctl import (
    Setting,
    after_boot,
    boot_settings,
    boot_value,
)


class Mending(t.NamedTuple):
    """What is overruled for an interface: sysctls with their values, why, and the lines that say otherwise."""

    values: t.Mapping[str, str]
    reasons: t.Sequence[str]
    culprits: t.Sequence[Setting]


def _disabled(name: str, live: str, settings: t.Sequence[Setting]) -> t.Tuple[str, t.Optional[t.Any]]:
    """Return why an interface has no IPv6, now or after the next boot, and the line that says so."""
    line = boot_value(settings, name, "disable_ipv6")
    culprit = line if line is not None and line.value != "0" else None
    if live != "1" and culprit is None:
        return "", None
    now = f"it is {live} now" if live == "1" else "it is 0 now, but not after the next boot"
    later = boot_value(after_boot(), name, "disable_ipv6")
    if culprit is not None:
        return f"{now}; {culprit.where} switches it on", culprit
    if later is not None and later.value != "0":
        return f"{now}; {later.where} switches it on, whenever 'sysctl -p' is called", None
    return f"{now}, and no sysctl file says why", None


def mending(
    wish: Wanted, by_kernel: bool, live: str, mend: t.Collection[str], mended: t.Collection[str]
) -> t.Tuple[Mending, t.List[str]]:
    """Find what others have switched off, and refuse it or say how it is overruled; remarks as well.

    ``by_kernel``: router advertisements are read by the kernel. ``mended``: what was overruled before, and stays so.
    """
    settings = boot_settings()
    values: t.Dict[str, str] = {}
    reasons, culprits, remarks = [], [], []
    why, line = _disabled(wish.name, live, settings)
    if why and "disable_ipv6" not in mend:
        raise RolloutError(
            f"net.ipv6.conf.{wish.name}.disable_ipv6: {why}, so {wish.name} can't have an IPv6 address; take that out "
            "(and set it to 0), or put disable_ipv6 into mend"
        )
    if "disable_ipv6" in mend and (why or "disable_ipv6" in mended):
        values["disable_ipv6"] = "0"
        reasons += [f"net.ipv6.conf.{wish.name}.disable_ipv6: {why}"] if why else []
        culprits += [line] if line is not None else []
    line = boot_value(settings, wish.name, "accept_ra") if wish.accepts_ra and by_kernel else None
    if line is not None and line.value == "0":
        why = f"net.ipv6.conf.{wish.name}.accept_ra: {line.where} switches router advertisements off"
        if "accept_ra" not in mend:
            raise RolloutError(f"{why}, while accept_ra is wanted; take that out, or put accept_ra into mend")
        values["accept_ra"] = wish.sysctls["accept_ra"]
        reasons.append(why)
        culprits.append(line)
    for key in values:
        other = boot_value(after_boot(), wish.name, key)
        if other is not None and other.value != values[key]:
            remarks.append(
                f"{other.where} is not read at boot on this host, but by 'sysctl -p' and 'sysctl --system', which "
                "would switch it again; take the line out"
            )
    return Mending(values, reasons, culprits), remarks
