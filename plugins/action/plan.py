# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the address plan: runs on the controller, touches nothing but the plan file."""

from __future__ import annotations

import datetime

from ansible.plugins.action import ActionBase

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

ARGUMENTS = {
    "prefix": {"type": "raw"},
    "subnets": {"type": "raw", "default": []},
    "hosts": {"type": "raw", "default": {}},
    "path": {"type": "raw"},
    "growth": {"type": "raw", "default": "leftmost"},
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
        plan, after = {}, None
        if args["state"] == "present":
            previous = None if before is None else plan_file.parse(before, path)
            today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
            plan = subnet_plan(
                args["prefix"],
                args["subnets"],
                previous,
                args["hosts"],
                today=today,
                purge=args["purge"],
                growth=args["growth"],
                source=path,
            )
            after = plan_file.render(plan)
        changed = before != after
        if changed and not self._task.check_mode:
            if after is None:
                files.remove(path)
            else:
                plan_file.save(path, after)
        told = {"changed": changed, "path": path, "plan": plan}
        if changed and self._task.diff:
            told["diff"] = {
                "before": before or "",
                "after": after or "",
                "before_header": path,
                "after_header": path,
            }
        return told
