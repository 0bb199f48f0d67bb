# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's labels (``ip addrlabel``), by which it chooses the source address: what has to change, and how.

The kernel forgets them at every boot, and knows no verb that replaces a label. So a label is deleted and added, and a
unit of systemd does the same at boot, before the network is up.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.gai_conf import canonical
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import MAPPED, Row, read_prefix

UNIT_PATH = "/etc/systemd/system/ipv6-rollout-labels.service"
LINK_PATH = "/etc/systemd/system/sysinit.target.wants/ipv6-rollout-labels.service"
SYSTEMD = "/run/systemd/system"
PROC = "/proc/sys/net/ipv6"

# What Linux starts with (net/ipv6/addrlabel.c).
KERNEL: t.Dict[str, int] = {
    "::1/128": 0,
    "::/96": 3,
    "::ffff:0:0/96": 4,
    "2001::/32": 6,
    "2001:10::/28": 7,
    "3ffe::/16": 12,
    "2002::/16": 2,
    "fec0::/10": 11,
    "fc00::/7": 5,
    "::/0": 1,
}

_UNIT = """\
# Written by the ipv6.rollout collection: the module address_selection replaces and removes it.
# A line with a dash deletes what the kernel, or an earlier start of this unit, has there. It may fail.
[Unit]
Description=Set the labels of the IPv6 address selection policy
DefaultDependencies=no
ConditionPathExists={proc}
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
{commands}
[Install]
WantedBy=sysinit.target
"""

Held = t.Dict[str, int]


class Step(t.NamedTuple):
    """One prefix, the label that it has, and the one that it gets; None: no row of its own."""

    prefix: str
    before: t.Optional[int]
    after: t.Optional[int]


# For every prefix of the policy, and every one that was removed: the label of before the first run, and ours.
Record = t.Dict[str, t.Tuple[t.Optional[int], t.Optional[int]]]


class Plan(t.NamedTuple):
    """The steps to what is wanted, the record of them, and what was found of others: kept, and replaced."""

    steps: t.List[Step]
    record: Record
    kept: t.List[str]
    replaced: t.List[str]


def wanted(rows: t.Iterable[Row]) -> Held:
    """Return the labels that the kernel gets for a policy. It takes none for a part of IPv4 (EINVAL)."""
    return {row.prefix: row.label for row in rows if not _part_of_ipv4(row.prefix)}


def _part_of_ipv4(prefix: str) -> bool:
    first, length = read_prefix(prefix, "prefix")
    return length > 96 and first >> 32 == MAPPED >> 32


def available() -> bool:
    """Whether the kernel has IPv6 at all. A sysctl ``disable_ipv6`` does not matter: labels can be set under it."""
    return os.path.isdir(PROC)


def refuse() -> None:
    """Refuse a host that can't have labels of its own, now or after a reboot."""
    if not available():
        raise RolloutError(
            "ipv6.disable: the kernel has no IPv6 (it was started with ipv6.disable=1), so the labels of the policy"
            " can't be set; remove it from the kernel's command line and reboot"
        )
    if not commands.found("ip"):
        raise RolloutError(
            "ip: there is no such program on this host, so the kernel's labels can't be set; install iproute2"
        )
    if not os.path.isdir(SYSTEMD):
        raise RolloutError(
            f"systemd: it does not run here ({SYSTEMD} is missing), and the kernel forgets the labels at every boot;"
            " there is no other way that this module knows"
        )
    if os.path.islink(UNIT_PATH):
        target = os.readlink(UNIT_PATH)
        if target == os.devnull:
            unit_name = os.path.basename(UNIT_PATH)
            raise RolloutError(f"{UNIT_PATH}: the unit is masked, so it would not run; 'systemctl unmask {unit_name}'")
        raise RolloutError(f"{UNIT_PATH}: it is a link to {shown(target)}, where a file has to be; remove it")
    if os.path.lexists(UNIT_PATH) and not os.path.isfile(UNIT_PATH):
        raise RolloutError(f"{UNIT_PATH}: it is no regular file; remove it")


def see() -> t.Tuple[Held, t.List[str]]:
    """Return the kernel's labels now, and those that hold for one interface alone, which are always somebody else's."""
    held: Held = {}
    bound = []
    for entry in json.loads(commands.check(["ip", "-j", "addrlabel", "list"]) or "[]"):
        prefix = canonical(f"{entry['address']}/{entry['prefixlen']}")
        if "ifname" in entry:
            bound.append(f"{prefix} dev {entry['ifname']} label {entry['label']}")
        else:
            held[prefix] = int(entry["label"])
    return held, bound


def plan(wanted: Held, held: Held, record: Record) -> Plan:
    """Decide what has to change: rows of the policy, and rows of ours or of the kernel that it does not have."""
    steps, kept, replaced = [], [], []
    for prefix, label in wanted.items():
        current = held.get(prefix)
        if current == label:
            continue
        steps.append(Step(prefix, current, label))
        if current not in (None, KERNEL.get(prefix), record.get(prefix, (None, None))[1]):
            replaced.append(f"{prefix} label {current}: the policy says {label}")
    for prefix, label in held.items():
        if prefix in wanted:
            continue
        before, ours = record.get(prefix, (None, None))
        if label == KERNEL.get(prefix):
            steps.append(Step(prefix, label, None))
        elif label == ours != before:
            steps.append(Step(prefix, label, None if before == KERNEL.get(prefix) else before))
        else:
            kept.append(f"{prefix} label {label}")
    return Plan(steps, _recorded(wanted, held, record, steps), kept, replaced)


def _recorded(wanted: Held, held: Held, record: Record, steps: t.Sequence[Step]) -> Record:
    """Return the record of a run. Labels that were right already are in it: somebody may remove them later."""
    first = {prefix: before for prefix, (before, _ours) in record.items()}
    for prefix in [*wanted, *(step.prefix for step in steps)]:
        first.setdefault(prefix, held.get(prefix))
    changed = {step.prefix: step.after for step in steps}
    found: Record = {}
    for prefix, before in first.items():
        if prefix in wanted:
            found[prefix] = (before, wanted[prefix])
            continue
        if prefix in changed:
            ours = changed[prefix]
        else:
            ours = record[prefix][1] if prefix in held else None
        if before != ours:
            found[prefix] = (before, ours)
    return found


def plan_back(held: Held, record: Record) -> Plan:
    """Decide what gives back all that the record tells of. What somebody has changed since is theirs, and stays."""
    steps, kept = [], []
    for prefix, (before, ours) in record.items():
        current = held.get(prefix)
        if current == before:
            continue
        if current in (None, ours, KERNEL.get(prefix)):
            steps.append(Step(prefix, current, before))
        else:
            kept.append(f"{prefix} label {current}")
    return Plan(steps, {}, kept, [])


def after(held: Held, steps: t.Iterable[Step]) -> Held:
    """Return the labels as they are once the steps are done."""
    then = dict(held)
    for step in steps:
        then.pop(step.prefix, None)
        if step.after is not None:
            then[step.prefix] = step.after
    return then


def described(held: Held) -> str:
    """Return labels as text for a diff, in a fixed order."""
    return "".join(f"prefix {prefix} label {label}\n" for prefix, label in sorted(held.items()))


def _batch(steps: t.Iterable[Step]) -> str:
    said = []
    for step in steps:
        if step.before is not None:
            said.append(f"addrlabel del prefix {step.prefix} label {step.before}\n")
        if step.after is not None:
            said.append(f"addrlabel add prefix {step.prefix} label {step.after}\n")
    return "".join(said)


def apply(steps: t.Sequence[Step]) -> None:
    """Carry the steps out in one call, and look whether they are done. Where they are not, take them back and fail."""
    if not steps:
        return
    before, _bound = see()
    done = commands.run(["ip", "-batch", "-"], stdin=_batch(steps))
    now, _bound = see()
    if done.rc == 0 and now == after(before, steps):
        return
    prefixes = sorted(set(before) | set(now))
    back = [Step(prefix, now.get(prefix), before.get(prefix)) for prefix in prefixes]
    commands.run(["ip", "-batch", "-"], stdin=_batch(step for step in back if step.before != step.after))
    reason = done.said if done.rc else "they were changed by somebody else at the same time"
    raise RolloutError(f"ip addrlabel: the labels of the policy could not be set, and are as they were: {reason}")


def unit(wanted: Held) -> bytes:
    """Return the unit that sets the labels at boot, whatever the kernel starts with by then."""
    said = []
    for prefix, label in wanted.items():
        said.append(f"ExecStart=-ip addrlabel del prefix {prefix} label {label}\n")
        said.append(f"ExecStart=ip addrlabel add prefix {prefix} label {label}\n")
    said += [
        f"ExecStart=-ip addrlabel del prefix {prefix} label {label}\n"
        for prefix, label in KERNEL.items()
        if prefix not in wanted
    ]
    return _UNIT.format(proc=PROC, commands="".join(said)).encode()


def linked() -> bool:
    """Whether the unit is started at boot."""
    return os.path.islink(LINK_PATH) and os.readlink(LINK_PATH) == UNIT_PATH


def link() -> None:
    """Let the unit start at boot."""
    os.makedirs(os.path.dirname(LINK_PATH), exist_ok=True)
    if os.path.lexists(LINK_PATH):
        os.unlink(LINK_PATH)
    os.symlink(UNIT_PATH, LINK_PATH)


def unlink(made_folder: bool) -> None:
    """Let the unit not start at boot any more."""
    if linked():
        os.unlink(LINK_PATH)
    if made_folder:
        try:
            os.rmdir(os.path.dirname(LINK_PATH))
        except OSError:
            pass  # others have put links there since


def reload_units() -> None:
    """Let systemd read its units again. Where it can't now, it does at boot."""
    commands.run(["systemctl", "daemon-reload"])
