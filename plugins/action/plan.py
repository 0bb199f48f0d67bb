# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the address plan: runs on the controller, touches nothing but the plan file."""

from __future__ import annotations

import datetime
import os

from ansible.plugins.action import ActionBase

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import reserved_prefixes, subnet_plan
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map import plan_map
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_read import read_plan
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_report import plan_report
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import plan_table

ARGUMENTS = {
    "prefix": {"type": "raw"},
    "subnets": {"type": "raw", "default": []},
    "hosts": {"type": "raw", "default": {}},
    "path": {"type": "raw"},
    "growth": {"type": "raw", "default": "leftmost"},
    "reserved": {"type": "raw", "default": []},
    "vlan_numbers": {"type": "raw", "default": "vlan_hex"},
    "ula_prefix": {"type": "raw", "default": ""},
    "seed": {"type": "str", "default": "", "no_log": True},
    "forwards": {"type": "raw", "default": []},
    "forward_ports": {"type": "raw", "default": ""},
    "map": {"type": "raw", "default": ""},
    "show": {"type": "bool", "default": False},
    "purge": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class ActionModule(ActionBase):
    """The action behind ipv6.rollout.plan."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        """Bring the plan file up to date and return the plan."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        try:
            path = plan_file.default_path(args["path"], task_vars.get("ansible_inventory_sources"), "path")
            with plan_file.locked(path):
                result.update(self._bring(path, args))
        except RolloutError as error:
            result.update(failed=True, msg=f"ipv6.rollout.plan: {error}")
        return result

    def _bring(self, path, args):
        before = plan_file.read_text(path)
        plan, text, svg, told = {}, None, None, {}
        picture = plan_file.map_path(args["map"], path)
        drawn = plan_file.read_text(picture) if picture else None
        if args["state"] == "present":
            previous = None if before is None else plan_file.parse(before, path)
            today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
            site = {name: args[name] for name in ("growth", "reserved", "vlan_numbers")}
            plan = subnet_plan(
                args["prefix"],
                args["subnets"],
                previous,
                args["hosts"],
                today=today,
                purge=args["purge"],
                ula_prefix=args["ula_prefix"],
                seed=args["seed"],
                source=path,
                forwards=args["forwards"],
                forward_ports=args["forward_ports"],
                **site,
            )
            read_plan(plan, path)  # what is written is read again by the next run: it must be right by the same rules
            text = plan_file.render(plan)
            told = self._tell(plan, previous, reserved_prefixes(plan, args["subnets"], **site), args["show"])
            svg = plan_map(plan, told["reserved"]) if picture else None
        changes = [(path, before, text)]
        if picture:
            changes.append((picture, drawn, svg))
        for where, old, new in changes:
            if old != new and not self._task.check_mode:
                if new is None:
                    files.remove(os.path.realpath(where))
                else:
                    plan_file.save(where, new)
        told.update(
            changed=any(old != new for _where, old, new in changes), path=path, map=picture if svg else "", plan=plan
        )
        if before != text and self._task.diff:
            told["diff"] = {
                "before": before or "",
                "after": text or "",
                "before_header": path,
                "after_header": path,
            }
        elif drawn != svg and self._task.diff:
            told["diff"] = {"prepared": f"The map {picture} is {'drawn' if svg else 'removed'}.\n"}
        return told

    def _tell(self, plan, previous, reserved, show):
        """Return what else there is to say of a plan, and show it where that is wanted."""
        report = plan_report(plan, reserved)
        told = {
            "reserved": reserved,
            "notes": report["notes"],
            "headroom": {path: entry["headroom"] for path, entry in report["subnets"].items()},
            "renumbered": {},
        }
        if previous and previous.get("prefix") != plan["prefix"]:
            told["renumbered"] = {"from": previous["prefix"], "to": plan["prefix"]}
            self._display.warning(
                f"ipv6.rollout.plan: ipv6_prefix was {previous['prefix']} and is {plan['prefix']}; every subnet "
                "keeps its number and every host its interface identifier"
            )
        before_ula, after_ula = ((side or {}).get("ula") or {} for side in (previous, plan))
        if before_ula and after_ula and before_ula["prefix"] != after_ula["prefix"]:
            self._display.warning(
                f"ipv6.rollout.plan: ipv6_ula_prefix was {before_ula['prefix']} and is {after_ula['prefix']}; every "
                "twin moves there"
            )
        if show:
            self._display.display("\n" + "\n".join(plan_table(plan, reserved)))
        return told
