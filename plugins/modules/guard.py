#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guard
short_description: Take changes of the network back unless a fresh login proves that the host can still be reached
version_added: "0.1.0"
description:
  - Commit-confirmed, as network devices have it (RFC 6241, section 8.4), for a Linux host, around any tasks.
  - V(armed) records addresses, routes, policy rules, interfaces, neighbours, sysctls, the rules of both families,
    nftables and named files on the host, and starts a timer there. Unless V(committed) comes in time, the host
    restores all of that by itself.
  - The timer needs neither the controller nor the ssh session nor Python. Two holders keep it, a systemd timer and a
    process in its own session; either one is enough. A reboot before the commit is a rollback, too.
  - V(committed) first compares. Where nothing has changed it only stops the timer. Otherwise it proves a fresh login
    over each family of O(prove), with the host's own key, before the change is kept.
  - One run at a time guards a host; another one is refused with the owner and the age of the lease.
options:
  state:
    description:
      - V(armed) records the state and starts the timer. Called again in the same run, it starts the time anew, and
        starts again what keeps the timer where that was killed. It can't name files or services that the first one
        has not.
      - V(committed) keeps the changes, once the logins are proved.
      - V(rolled_back) restores now what this run has armed; what another run has armed only with O(force).
    type: str
    choices: [armed, committed, rolled_back]
    required: true
  timeout:
    description: How many seconds the host waits for the commit, counted on the host.
    type: int
    default: 60
  prove:
    description:
      - The address families over which a fresh login must work.
      - With a connection other than ssh, a fresh connection of that kind is made instead, and a warning is given.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4]
  addresses:
    description:
      - The address to log in to, by family; the keys are V(ipv4) and V(ipv6).
      - By default C(ansible_host), where it is an address of that family or a name that has one.
    type: dict
    default: {}
  on_failure:
    description: What to do where a login can't be proved; V(wait) leaves it to the timer.
    type: str
    choices: [rollback, wait]
    default: rollback
  files:
    description:
      - Further files that are recorded and restored, by absolute path; wildcards are allowed.
      - Nothing below C(/dev), C(/proc), C(/sys) and C(/run), and 20000 files or 64 MiB at most.
      - The files of iptables-persistent, nftables, ifupdown, systemd-networkd, netplan, NetworkManager, sysctl,
        C(gai.conf) and of this collection always are.
    type: list
    elements: str
    default: []
  services:
    description:
      - Units that are reloaded, or restarted where they can't, when a rollback changed a file.
      - One that ran when the host was armed is started again, one that did not is stopped.
    type: list
    elements: str
    default: []
  force:
    description:
      - With O(state=rolled_back), take back what another run has armed, whoever owns it, such as one that was killed.
      - That run may still be at work. It hears of the rollback when it commits.
    type: bool
    default: false
  owner:
    description:
      - Who guards the host, for others to read. By default the user and the name of the controller.
      - At most 128 printable characters.
    type: str
  token:
    description:
      - Ties V(armed) and V(committed) together. By default each run of C(ansible-playbook) has its own.
      - Eight to 64 letters and digits.
    type: str
  step:
    description: Used by the action plugin.
    type: str
    choices: [compare, commit]
author:
  - ipv6.rollout contributors (@ipv6-rollout)
attributes:
  check_mode:
    support: full
    description: Does nothing and needs no connection.
  diff_mode:
    support: none
    description: What changed is returned as RV(differences).
notes:
  - V(armed) and V(committed) only keep books, so they never report a change.
  - A run in which nothing changes leaves no file, no unit and no process on the host.
"""

EXAMPLES = r"""
- name: From here on the host takes everything back
  ipv6.rollout.guard:
    state: armed
    timeout: 60

- name: Set the firewall
  ansible.builtin.include_role:
    name: ipv6.rollout.ip6tables

- name: Set the addresses
  ansible.builtin.include_role:
    name: ipv6.rollout.interfaces

- name: Keep it, if one can still log in
  ipv6.rollout.guard:
    state: committed
    prove: [ipv4, ipv6]
    addresses:
      ipv6: "{{ lookup('ipv6.rollout.plan').hosts[inventory_hostname] }}"

- name: Take back what a run that was killed has left, without waiting for its time to be over
  ipv6.rollout.guard:
    state: rolled_back
    force: true
"""

RETURN = r"""
differences:
  description: What changed since the host was armed, a line each.
  returned: when O(state=committed)
  type: list
  elements: str
  sample: ["+ address eth0 inet6 2001:db8:1200::80/64| valid_lft forever preferred_lft forever"]
proved:
  description: The logins that were made, by family.
  returned: when O(state=committed) and something changed
  type: dict
  sample: {"ipv4": "198.51.100.80", "ipv6": "2001:db8:1200::80"}
holders:
  description: What keeps the timer.
  returned: when O(state=armed)
  type: list
  elements: str
  sample: [systemd timer, process 4711]
rolled_back:
  description: When and why the host was rolled back.
  returned: when it was
  type: str
  sample: "the host was rolled back at 2026-01-01 12:00:00 UTC: asked for (exactly as before)"
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import guard as core
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def armed(guard: core.Guard, params: dict[str, t.Any]) -> dict[str, t.Any]:
    if not 5 <= params["timeout"] <= 3600:
        raise RolloutError(f"timeout: {params['timeout']} is not between 5 and 3600 seconds")
    patterns, services = core.patterns(params["files"]), core.services(params["services"])
    holders = guard.arm(params["owner"], core.checked_token(params["token"]), params["timeout"], patterns, services)
    return {"changed": False, "holders": holders}


def committed(guard: core.Guard, params: dict[str, t.Any]) -> dict[str, t.Any]:
    lease = guard.require(params["token"], params["owner"])
    if params["step"] == "commit":
        guard.disarm(lease.token)
        return {"changed": False}
    if params["step"] != "compare":
        raise RolloutError("step: state=committed works through its action plugin only; call it as a task")
    differences = guard.compare()
    if not differences:
        guard.disarm(lease.token)
        return {"changed": False, "differences": []}
    left = lease.left(core.uptime())
    return {"changed": False, "differences": differences, "left": left, "host_keys": core.host_keys()}


def rolled_back(guard: core.Guard, params: dict[str, t.Any]) -> dict[str, t.Any]:
    token = core.checked_token(params["token"])
    lease = guard.lease()
    if lease is None:
        rollback = guard.rollback()
        guard.forget_rollback(token)
        return {"changed": False, **({"rolled_back": rollback.words} if rollback else {})}
    result: dict[str, t.Any] = {}
    if lease.token != token:
        if not params["force"]:
            raise RolloutError(core.refusal(lease, params["owner"], core.uptime()))
        age = lease.age(core.uptime())
        result["warnings"] = [f"guard: {lease.owner} armed the host {age:.0f} s ago; its changes were taken back"]
    try:
        differences = guard.compare()
    except RolloutError as error:  # that is no reason to keep the changes
        differences = [str(error)]
    rollback = guard.restore(lease.token)
    guard.forget_rollback(token)
    words = rollback.words if rollback else "the host was rolled back"
    return {**result, "changed": bool(differences), "differences": differences, "rolled_back": words}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["armed", "committed", "rolled_back"], "required": True},
            "timeout": {"type": "int", "default": 60},
            "prove": {"type": "list", "elements": "str", "choices": ["ipv4", "ipv6"], "default": ["ipv4"]},
            "addresses": {"type": "dict", "default": {}},
            "on_failure": {"type": "str", "choices": ["rollback", "wait"], "default": "rollback"},
            "files": {"type": "list", "elements": "str", "default": []},
            "services": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "owner": {"type": "str"},
            "token": {"type": "str", "no_log": False},
            "step": {"type": "str", "choices": ["compare", "commit"]},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False)
    states = {"armed": armed, "committed": committed, "rolled_back": rolled_back}
    try:
        if os.geteuid() != 0:
            raise RolloutError(f"guard: it needs root and runs as user {os.geteuid()}; set become: true")
        core.checked_owner(module.params["owner"])
        result = states[module.params["state"]](core.Guard(), module.params)
    except (RolloutError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    for text in result.pop("warnings", []):
        module.warn(text)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
