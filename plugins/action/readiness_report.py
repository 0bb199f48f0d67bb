# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the table of proofs as plain text, and keep it as JSON beside the plan."""

from __future__ import annotations

import datetime
import json

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.plugin_utils import fleet

SCHEMA = "ipv6.rollout/report/1"


class ActionModule(ActionBase):
    """Runs on the controller; a report is an output and never counts as a change."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Show the table, write the file, and fail where a line was not proved."""
        result = super().run(tmp, task_vars)
        _options, given = self.validate_argument_spec(
            argument_spec={
                "members": {"type": "dict", "required": True},
                "checks": {"type": "list", "elements": "dict", "required": True},
                "proofs": {"type": "list", "elements": "dict", "required": True},
                "path": {"type": "str", "required": True},
                "plan": {"type": "dict", "default": {}},
            }
        )
        told = fleet.report(given["members"], given["checks"], given["proofs"])
        text = fleet.table(told)
        Display().display(f"\n{text}")
        if not self._task.check_mode:
            made = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            whole = {"schema": SCHEMA, "made": made, "prefix": given["plan"].get("prefix", ""), **told}
            files.write(given["path"], json.dumps(whole, indent=2, ensure_ascii=False).encode() + b"\n")
            Display().display(f"The same as JSON: {given['path']}")
        result.update(changed=False, report=told, path=given["path"])
        if told["unproved"]:
            result.update(failed=True, msg=f"{told['unproved']} lines of the table above are not proved")
        return result
