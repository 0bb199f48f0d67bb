#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: address_selection
short_description: Set the policy table by which a host chooses between its addresses and those of a destination
version_added: "0.1.0"
description:
  - Writes the policy table of RFC 6724 to both places where Linux has one. C(/etc/gai.conf) steers the order in which
    C(getaddrinfo) returns the addresses of a name, C(ip addrlabel) the source address that the kernel takes.
  - All rows are written, since glibc forgets its own table with the first line that it finds. The text is read again as
    glibc reads it, before it is live.
  - The kernel forgets labels at every boot. A unit of systemd, C(ipv6-rollout-labels.service), sets them again before
    the network is up.
  - Labels that somebody else has added, for other prefixes or for one interface, are kept and reported. Lines
    C(reload) of C(/etc/gai.conf) are kept as they are, and lines C(scopev4) that glibc reads for certain. Without a
    prefix length they may crash every program that resolves a name.
options:
  state:
    description:
      - V(present) sets the policy.
      - V(absent) gives back C(/etc/gai.conf), to the byte, and the labels that were there before.
    type: str
    choices: [present, absent]
    default: present
  policy:
    description:
      - The name of a policy table, or its rows.
      - V(prefer_ipv6) and V(rfc6724) are the default table of RFC 6724, section 2.1. V(prefer_ipv4) is the same with
        IPv4 first (section 10.3). V(glibc) is what is built into glibc, which lies between RFC 3484 and RFC 6724.
      - A row has C(prefix), C(precedence) and C(label). There must be one for C(::/0). IPv4 is C(::ffff:0:0/96).
        The kernel takes no label for a part of IPv4, so such a row stands in C(/etc/gai.conf) alone.
    type: raw
    default: prefer_ipv6
  restart:
    description:
      - Units of systemd that are restarted where C(/etc/gai.conf) changed, if they run.
      - A program reads the file once, so what runs already keeps the old table.
      - A restart that failed is done by the next run that names the unit.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns the files and the kernel's labels before and after.
    support: full
  platform:
    description: Debian 12 and 13. A C library that does not read C(/etc/gai.conf), such as musl, is refused.
    support: full
    platforms: debian
notes:
  - Programs that sort addresses themselves (Postfix, what is written in Go) never read C(/etc/gai.conf).
author:
  - ipv6.rollout contributors (@ipv6-rollout)
seealso:
  - plugin: ipv6.rollout.destination_order
    plugin_type: filter
    description: Tells the order of some destinations, and the rule that decided it.
"""

EXAMPLES = r"""
- name: IPv6 first, as RFC 6724 wants it
  ipv6.rollout.address_selection:

- name: IPv4 first, while the new addresses are tried
  ipv6.rollout.address_selection:
    policy: prefer_ipv4
    restart: [squid.service]

- name: Let addresses of this site's ULA prefix come before global ones
  ipv6.rollout.address_selection:
    policy:
      - {prefix: "::1/128", precedence: 50, label: 0}
      - {prefix: "fd12:3456:789a::/48", precedence: 45, label: 14}
      - {prefix: "::/0", precedence: 40, label: 1}
      - {prefix: "::ffff:0:0/96", precedence: 35, label: 4}
      - {prefix: "fc00::/7", precedence: 3, label: 13}

- name: Give back what was there before
  ipv6.rollout.address_selection:
    state: absent
"""

RETURN = r"""
policy:
  description: The rows of the policy; none with O(state=absent).
  returned: success
  type: list
  elements: dict
  sample: [{"prefix": "::/0", "precedence": 40, "label": 1}]
files:
  description: The files that were changed, and the link that starts the unit at boot where that was.
  returned: success
  type: list
  elements: str
  sample: [/etc/gai.conf, /etc/systemd/system/ipv6-rollout-labels.service]
kept:
  description: Labels of the kernel that somebody else has added. They were left alone.
  returned: success
  type: list
  elements: str
  sample: ["2001:db8:5::/48 dev eth0 label 99"]
replaced:
  description: Active lines of C(/etc/gai.conf), and labels, of somebody else that say something else than the policy.
  returned: success
  type: list
  elements: str
  sample: ["/etc/gai.conf line 3: precedence ::ffff:0:0/96 100: the policy says 35"]
restarted:
  description: The units that were restarted, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [squid.service]
"""

import os
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels as labels
from ansible_collections.ipv6.rollout.plugins.module_utils import commands, destination_info, files, gai_conf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import policy_table

LEDGER = "address_selection"
_UNIT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.\\@-]*")


def refuse() -> None:
    """Refuse a host where the policy would not count, or could not be given back."""
    if not destination_info.libc():
        raise RolloutError(
            f"{gai_conf.PATH}: the C library of this host is not glibc, so nothing reads this file (musl has its table"
            " built in); leave this role out here"
        )
    if os.path.lexists(gai_conf.PATH) and not os.path.isfile(gai_conf.PATH):
        raise RolloutError(f"{gai_conf.PATH}: it is no regular file; put one there, or remove it")
    labels.refuse()


def running(units: t.Iterable[str]) -> list[str]:
    """Return those units that run; refuse one that there is not."""
    found = []
    for unit in units:
        if not _UNIT_NAME.fullmatch(unit):
            raise RolloutError(f"restart: {shown(unit)} is no name of a unit; 'systemctl list-units' shows them")
        said = state_of(unit)
        if "LoadState=not-found" in said:
            raise RolloutError(f"restart: {shown(unit)} is not on this host; take it out of the list")
        if runs(said):
            found.append(unit)
    return found


def state_of(unit: str) -> str:
    return commands.check(["systemctl", "show", "--property=LoadState,ActiveState", unit])


def runs(said: str) -> bool:
    return "ActiveState=active" in said or "ActiveState=reloading" in said


def restart(ledger: files.Ledger, units: list[str]) -> None:
    """Restart units. What is still to be done is kept, so that the next run goes on where this one failed."""
    for unit in units:
        done = commands.run(["systemctl", "try-restart", unit], timeout=120)
        if done.rc != 0:
            raise RolloutError(f"restart: all the rest is done, but {unit} did not restart: {done.said}")
        left = [name for name in ledger.notes["restart"] if name != unit]
        ledger.notes = {**ledger.notes, "restart": left} if left else without_restart(ledger)
        ledger.save()


def without_restart(ledger: files.Ledger) -> dict[str, t.Any]:
    return {key: value for key, value in ledger.notes.items() if key != "restart"}


def to_restart(module: AnsibleModule, ledger: files.Ledger, changed: list[str]) -> tuple[list[str], list[str]]:
    """Return the units to restart now, and those of an earlier run that are still to be done and were not named.

    All that are named are restarted where the file changes, else those alone that are still to be done. What does not
    run any more reads the file when it is started.
    """
    named = list(dict.fromkeys(module.params["restart"]))
    pending = ledger.notes.get("restart", [])
    later = [unit for unit in pending if unit not in named and runs(state_of(unit))]
    if later:
        module.warn(
            f"restart: {', '.join(later)} still has to be restarted, since that failed in an earlier run; name it in"
            " 'restart'"
        )
    return running(named if gai_conf.PATH in changed else [unit for unit in named if unit in pending]), later


def shown_file(path: str, before: files.Saved, after: files.Saved) -> dict[str, str]:
    """Return the difference of one file; its mode is shown where that changes."""
    mode = before.content is not None and after.content is not None and before.mode != after.mode
    return {
        "before_header": f"{path} (mode {before.mode:04o})" if mode else path,
        "after_header": f"{path} (mode {after.mode:04o})" if mode else path,
        "before": (before.content or b"").decode(errors="replace"),
        "after": (after.content or b"").decode(errors="replace"),
    }


def shown_labels(held: labels.Held, steps: list[labels.Step]) -> dict[str, str]:
    """Return the difference of the kernel's labels."""
    return {
        "before_header": "ip addrlabel",
        "after_header": "ip addrlabel",
        "before": labels.described(held),
        "after": labels.described(labels.after(held, steps)),
    }


def shown_link(linked: bool) -> dict[str, str]:
    """Return the difference of the link that starts the unit at boot: it is made, or removed."""
    texts = ["", f"link to {labels.UNIT_PATH}\n"]
    return {
        "before_header": labels.LINK_PATH,
        "after_header": labels.LINK_PATH,
        "before": texts[linked],
        "after": texts[not linked],
    }


def record_of(ledger: files.Ledger) -> labels.Record:
    return {prefix: (before, ours) for prefix, (before, ours) in ledger.notes.get("labels", {}).items()}


def put(path: str, saved: files.Saved) -> None:
    if saved.content is None:
        files.remove(path)
    else:
        files.write(path, saved.content, saved.mode, saved.uid, saved.gid)


def forget(ledger: files.Ledger) -> None:
    """Remove a ledger, with its folder where nobody else keeps anything there."""
    ledger.files, ledger.notes = {}, {}
    ledger.save()


def present(module: AnsibleModule, ledger: files.Ledger) -> dict[str, t.Any]:
    rows = policy_table(module.params["policy"], "policy")
    refuse()
    wanted = labels.wanted(rows)
    held, bound = labels.see()
    plan = labels.plan(wanted, held, record_of(ledger))
    before = {path: files.look(path) for path in (gai_conf.PATH, labels.UNIT_PATH)}
    current = before[gai_conf.PATH].content or b""
    # Everybody who resolves a name reads the file, not only root.
    after = {
        gai_conf.PATH: before[gai_conf.PATH]._replace(
            content=gai_conf.written(rows, current), mode=before[gai_conf.PATH].mode | 0o444
        ),
        labels.UNIT_PATH: before[labels.UNIT_PATH]._replace(content=labels.unit(wanted)),
    }
    changed = [path for path in after if after[path] != before[path]]
    replaced = [] if ledger.untouched(gai_conf.PATH) else gai_conf.differing(rows, current)
    units, later = to_restart(module, ledger, changed)
    linked = labels.linked()
    result = {
        "changed": bool(plan.steps or changed or units or not linked),
        "policy": [row._asdict() for row in rows],
        "files": changed + ([] if linked else [labels.LINK_PATH]),
        "kept": plan.kept + bound,
        "replaced": replaced + plan.replaced,
        "restarted": units,
        "diff": [shown_file(path, before[path], after[path]) for path in changed],
    }
    if not linked:
        result["diff"].append(shown_link(linked))
    if plan.steps:
        result["diff"].append(shown_labels(held, plan.steps))
    if result["kept"]:
        module.warn(
            f"labels of others are kept, so the kernel goes by more than the policy: {', '.join(result['kept'])}"
        )
    if module.check_mode or not result["changed"]:
        return result
    was = files.read(ledger.path)
    # The ledger first: whatever happens after this, a later run knows what is ours.
    folder = os.path.dirname(labels.LINK_PATH)
    ledger.notes = {
        "labels": plan.record,
        "made_folder": ledger.notes.get("made_folder", False) or not os.path.isdir(folder),
        **({"restart": units + later} if units or later else {}),
    }
    for path in changed:
        ledger.wrote(path, before[path], after[path].content)
    ledger.save()
    set_labels = False
    try:
        labels.apply(plan.steps)
        set_labels = True
        for path in changed:
            put(path, after[path])
        if not linked:
            labels.link()
    except (RolloutError, OSError):
        for path in changed:
            put(path, before[path])
        if set_labels:
            labels.apply([labels.Step(step.prefix, step.after, step.before) for step in plan.steps])
        if was is None:
            forget(ledger)
        else:
            files.write(ledger.path, was, 0o600)
        raise
    if labels.UNIT_PATH in changed:
        labels.reload_units()
    restart(ledger, units)
    return result


def absent(module: AnsibleModule, ledger: files.Ledger) -> dict[str, t.Any]:
    # Where there are no labels any more, there is nothing to give back.
    usable = labels.available() and commands.found("ip") is not None
    held, bound = labels.see() if usable else ({}, [])
    plan = labels.plan_back(held, record_of(ledger) if usable else {})
    before = {path: files.look(path) for path in sorted(ledger.files)}
    after = {path: ledger.before(path) or before[path] for path in before}
    changed = [path for path in before if after[path] != before[path]]
    units, later = to_restart(module, ledger, changed)
    ours = bool(ledger.files or without_restart(ledger))
    linked = ours and labels.linked()
    for path in changed:
        if before[path].content is not None and not ledger.untouched(path):
            module.warn(
                f"{path}: somebody has edited it since; it is given back as it was before, the diff shows what goes"
            )
    result = {
        "changed": bool(ours or units),
        "policy": [],
        "files": changed + ([labels.LINK_PATH] if linked else []),
        "kept": plan.kept + (bound if ours else []),
        "replaced": [],
        "restarted": units,
        "diff": [shown_file(path, before[path], after[path]) for path in changed],
    }
    if linked:
        result["diff"].append(shown_link(linked))
    if plan.steps:
        result["diff"].append(shown_labels(held, plan.steps))
    if not (ledger.empty or result["changed"] or later or module.check_mode):
        forget(ledger)  # at most restarts of what does not run any more
    if module.check_mode or not result["changed"]:
        return result
    labels.apply(plan.steps)
    for path in list(ledger.files):
        ledger.give_back(path)
    if ours:
        labels.unlink(ledger.notes.get("made_folder", False))
    if labels.UNIT_PATH in changed:
        labels.reload_units()
    ledger.notes = {"restart": units + later} if units or later else {}
    ledger.save()
    restart(ledger, units)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "policy": {"type": "raw", "default": "prefer_ipv6"},
            "restart": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        ledger = files.Ledger(LEDGER)
        result = present(module, ledger) if module.params["state"] == "present" else absent(module, ledger)
    except (RolloutError, OSError, ValueError) as error:
        module.fail_json(msg=f"address_selection: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
