# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the table of proofs as plain text, and keep it as JSON beside the inventory."""

from __future__ import annotations

import datetime
import json

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import fleet

ARGUMENTS = {
    "members": {"type": "dict"},
    "checks": {"type": "list", "elements": "dict"},
    "proofs": {"type": "list", "elements": "dict"},
    "path": {"type": "raw", "default": ""},
    "plan": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class ActionModule(ActionBase):
    """Runs on the controller; a report is an output and never counts as a change, but its removal does."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Show the table, write the file, and fail where a line was not proved."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        _options, given = self.validate_argument_spec(
            argument_spec=ARGUMENTS, required_if=[("state", "present", ("members", "checks", "proofs"))]
        )
        try:
            path = fleet.report_path(given["path"], task_vars.get("ansible_inventory_sources"))
            result.update(changed=False, path=path)
            if given["state"] == "absent":
                result.update(changed=self._remove(path))
            else:
                result.update(self._present(path, given))
        except (RolloutError, OSError) as error:
            result.update(failed=True, msg=f"ipv6.rollout.readiness_report: {error}")
        return result

    def _remove(self, path):
        there = files.read(path) is not None
        if there and not self._task.check_mode:
            files.remove(path)
        return there

    def _present(self, path, given):
        told = fleet.report(given["members"], given["checks"], given["proofs"])
        Display().display(f"\n{fleet.table(told)}")
        if not self._task.check_mode:
            made = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            plan = given["plan"]
            whole = fleet.merged(told, _before(path), made, plan.get("prefix", ""), plan.get("hosts", {}))
            files.write(path, json.dumps(whole, indent=2, ensure_ascii=False).encode() + b"\n")
            Display().display(f"The same as JSON: {path}")
        if told["unproved"]:
            msg = f"{told['unproved']} lines of the table above are not proved"
            return {"report": told, "failed": True, "msg": msg}
        return {"report": told}


def _before(path):
    """Return what is in the file; one that can't be read is replaced."""
    try:
        return files.read(path)
    except OSError:
        return None
