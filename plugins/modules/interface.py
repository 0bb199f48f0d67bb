#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: interface
short_description: Set the IPv6 addresses, the default route and the router advertisement sysctls of an interface
version_added: "0.1.0"
description:
  - Puts IPv6 addresses on an interface at once, without a link flap, and writes the same for the next boot through the
    program that configures the interface, C(ifupdown) or C(systemd-networkd).
  - New addresses are used only once duplicate address detection (DAD) has passed. Where another host has the address,
    the module fails, names it, and leaves nothing behind.
  - IPv4 is never touched, nor is any address that this module has not added.
  - What was there before is kept under C(/var/lib/ipv6-rollout), so that O(state=absent) gives it back.
options:
  state:
    description:
      - V(present) sets the addresses, the route and the sysctls.
      - V(absent) takes back what this module added, on O(name) or, without it, on every interface.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The interface.
      - By default the one that carries O(management_address), or else the one of the IPv4 default route.
    type: str
  management_address:
    description: The address over which the host is managed, as in C(ansible_host). A host name is ignored.
    type: str
  addresses:
    description:
      - The IPv6 addresses of the interface, each with its prefix length.
      - An address that this module added and that is not named any more is removed, after the new ones work.
    type: list
    elements: raw
    default: []
  gateway:
    description:
      - The router for the IPv6 default route. A link-local address is allowed.
      - Without it the default route is left alone.
    type: raw
  backend:
    description:
      - What configures the interface at boot.
      - V(auto) finds it out and fails where it is neither of the two.
    type: str
    choices: [auto, ifupdown, networkd]
    default: auto
  accept_ra:
    description: Whether router advertisements are accepted. A host with a planned address needs none.
    type: bool
    default: false
  privacy:
    description: Whether the host uses temporary addresses (RFC 8981) for outgoing connections. Needs O(accept_ra).
    type: bool
    default: false
  dad_timeout:
    description: How many seconds to wait for duplicate address detection.
    type: int
    default: 10
author:
  - ipv6.rollout contributors (@ipv6-rollout)
attributes:
  check_mode:
    support: full
    description: Tells exactly what a real run would change, but not whether another host has the address.
  diff_mode:
    support: full
    description: Shows addresses, routes, sysctls and files before and after.
"""

EXAMPLES = r"""
- name: Give the host its planned address
  ipv6.rollout.interface:
    management_address: "{{ ansible_host }}"
    addresses: ["2001:db8:1200::80/64"]
    gateway: "fe80::1"

- name: Take it back
  ipv6.rollout.interface:
    state: absent
"""

RETURN = r"""
name:
  description: The interface; with O(state=absent) and without O(name), the names of all, with commas.
  returned: success
  type: str
  sample: eth0
backend:
  description: What configures the interface at boot.
  returned: when O(state=present)
  type: str
  sample: ifupdown
addresses:
  description: The global IPv6 addresses of the interface after the run.
  returned: success
  type: list
  elements: str
  sample: ["2001:db8:1200::80/64"]
files:
  description: The files that were changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/network/interfaces.d/60-ipv6-rollout-eth0]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface as core
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_files as persistent
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_target as target
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

LEDGER = "interface"


def file_diff(path: str, before: bytes | None, after: bytes | None) -> dict[str, str]:
    return {
        "before_header": path,
        "after_header": path,
        "before": (before or b"").decode(errors="replace"),
        "after": (after or b"").decode(errors="replace"),
    }


def present(module: AnsibleModule, ledger: files.Ledger) -> dict[str, t.Any]:
    links = target.links()
    name = core.interface_name(module.params["name"] or target.name_of(links, module.params["management_address"]))
    link = target.refuse(name, links)
    if module.params["privacy"] and not module.params["accept_ra"]:
        raise RolloutError("privacy: temporary addresses are made from router advertisements; set accept_ra as well")
    if not module.params["addresses"]:
        raise RolloutError("addresses: there is none; name at least one, or use state=absent")
    wish = core.wanted(
        name,
        module.params["addresses"],
        module.params["gateway"],
        module.params["accept_ra"],
        module.params["privacy"],
        target.forwarding(name),
    )
    kind = module.params["backend"]
    if kind == "auto":
        kind = persistent.backend(link["ifindex"], name)
    live = wish
    if kind == "networkd" and module.params["accept_ra"]:
        # networkd reads router advertisements itself and keeps the kernel from doing it.
        live = wish._replace(sysctls={key: value for key, value in wish.sysctls.items() if key != "accept_ra"})
    notes = ledger.notes.get(name, {})
    seen = target.see(name, links, core.Record.load(notes))
    steps = core.changes(live, seen)
    wrote, remarks = persistent.wanted_files(wish, kind, link["ifindex"])
    stale = [path for path in notes.get("files", []) if path not in wrote and path != persistent.INTERFACES]
    changed_files = [path for path, content in wrote.items() if files.read(path) != content]
    result = {
        "changed": bool(steps or changed_files or stale),
        "name": name,
        "backend": kind,
        "addresses": [address.with_length for address in core.after(name, seen, steps).addresses[name]],
        "files": changed_files + stale,
        "diff": [
            {
                "before_header": name,
                "after_header": name,
                "before": core.described(name, seen),
                "after": core.described(name, core.after(name, seen, steps)),
            },
            *[file_diff(path, files.read(path), wrote[path]) for path in changed_files],
            *[file_diff(path, files.read(path), None) for path in stale],
        ],
    }
    for remark in remarks:
        module.warn(remark)
    if module.check_mode or not result["changed"]:
        return result
    kept = files.read(ledger.path)
    record = core.recorded(live, seen, steps)
    paths = list(dict.fromkeys([*(path for path in notes.get("files", []) if path not in stale), *changed_files]))
    # The ledger first: whatever happens after this, a later run knows what is ours.
    ledger.notes[name] = {**record.dump(), "files": paths}
    befores = {path: files.look(path) for path in changed_files}
    for path in changed_files:
        ledger.wrote(path, befores[path], wrote[path])
    ledger.save()
    applied = False
    try:
        target.apply(name, steps, module.params["dad_timeout"])
        applied = True
        for path in changed_files:
            before = befores[path]
            files.write(path, wrote[path], before.mode, before.uid, before.gid)
    except (RolloutError, OSError):
        if applied:
            target.take_back(name, steps)
        for path, before in befores.items():
            if before.content is None:
                files.remove(path)
                persistent.remove_folder(path)
            else:
                files.write(path, before.content, before.mode, before.uid, before.gid)
        if kept is None:
            empty = files.Ledger(LEDGER)
            empty.notes, empty.files = {}, {}
            empty.save()
        else:
            files.write(ledger.path, kept, mode=0o600)
        raise
    for path in stale:
        give_back(ledger, path)
    ledger.save()
    return result


def give_back(ledger: files.Ledger, path: str) -> None:
    """Put a file back; from one that others edited since, only our line is taken out."""
    current = files.look(path)
    if path == persistent.INTERFACES and not ledger.untouched(path) and current.content is not None:
        files.write(path, persistent.without_source(current.content), current.mode, current.uid, current.gid)
        del ledger.files[path]
        return
    ledger.give_back(path)


def absent(module: AnsibleModule, ledger: files.Ledger) -> dict[str, t.Any]:
    names = [core.interface_name(module.params["name"])] if module.params["name"] else sorted(ledger.notes)
    result: dict[str, t.Any] = {"changed": False, "name": ",".join(names), "addresses": [], "files": [], "diff": []}
    links = target.links()
    for name in names:
        if name not in ledger.notes:
            continue
        result["changed"] = True
        notes = ledger.notes[name]
        seen = target.see(name, links, core.Record.load(notes))
        steps = core.changes_back(name, seen)
        then = core.after(name, seen, steps)
        result["addresses"] += [address.with_length for address in then.addresses.get(name, [])]
        result["diff"].append(
            {
                "before_header": name,
                "after_header": name,
                "before": core.described(name, seen),
                "after": core.described(name, then),
            }
        )
        shared = {path for other, held in ledger.notes.items() if other != name for path in held.get("files", [])}
        paths = [path for path in notes.get("files", []) if path not in shared and path in ledger.files]
        for path in paths:
            saved = ledger.before(path)
            result["files"].append(path)
            result["diff"].append(file_diff(path, files.read(path), saved.content if saved else None))
        if module.check_mode:
            continue
        for path in paths:
            give_back(ledger, path)
            persistent.remove_folder(path)
        target.apply(name, steps, module.params["dad_timeout"])
        del ledger.notes[name]
        ledger.save()
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "name": {"type": "str"},
            "management_address": {"type": "str"},
            "addresses": {"type": "list", "elements": "raw", "default": []},
            "gateway": {"type": "raw"},
            "backend": {"type": "str", "choices": ["auto", "ifupdown", "networkd"], "default": "auto"},
            "accept_ra": {"type": "bool", "default": False},
            "privacy": {"type": "bool", "default": False},
            "dad_timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    try:
        ledger = files.Ledger(LEDGER)
        result = present(module, ledger) if module.params["state"] == "present" else absent(module, ledger)
    except (RolloutError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
