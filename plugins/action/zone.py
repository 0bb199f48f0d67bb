# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module zone: it decides what the files are to hold. The rest is the module itself."""

from __future__ import annotations

import datetime

from ansible.plugins.action import ActionBase

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    dns_names,
    dns_update,
    zone_plan,
    zone_result,
    zone_wanted,
)

ARGUMENTS = {
    "server": {"type": "str", "choices": ["bind", "nsd", "knot"], "default": "bind"},
    "config": {"type": "str", "default": ""},
    "zones": {"type": "raw", "default": []},
    "records": {"type": "raw", "default": []},
    "spf": {"type": "raw", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "exclusive": {"type": "bool", "default": False},
    "default_ttl": {"type": "raw", "default": 3600},
    "foreign": {"type": "str", "choices": ["keep", "remove", "refuse"], "default": "keep"},
    "purge": {"type": "bool", "default": False},
    "serial": {"type": "str", "choices": ["date", "epoch", "counter"], "default": "date"},
}


class ActionModule(ActionBase):
    """Reads the files there, compares here, and writes there what has to change: one remote call, or two."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        """Do it, or in check mode say what would be done."""
        self._supports_check_mode = True
        result = super().run(tmp, task_vars)
        _options, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        try:
            dns_names.need_library()
            result.update(self._zones(given, task_vars))
        except RolloutError as error:
            result.update(failed=True, changed=False, msg=str(error))
        return result

    def _zones(self, given, task_vars):
        wanted = zone_wanted.zones(given["zones"])
        wish = dns_update.wanted(
            given["records"], given["spf"], given["state"], given["exclusive"], given["default_ttl"]
        )
        if not wanted and not wish.records and not wish.spf:
            return {"changed": False, "zones": [], "records": [], "loaded": []}
        policy = zone_wanted.Policy(given["foreign"], given["purge"], given["serial"])
        where = {"server": given["server"], "config": given["config"]}
        asked = {zone.name: {"file": zone.file, "view": zone.view} for zone in wanted}
        read = self._module(task_vars, {**where, "step": "read", "zones": asked, "names": zone_plan.names(wish)})
        if read.get("failed") or "there" not in read:
            return read
        found = zone_plan.plan(wanted, wish, read["there"], policy, datetime.datetime.now(datetime.timezone.utc))
        values = zone_result.result(found, read["there"], self._task.diff)
        if not found.jobs:
            return values
        jobs = zone_result.jobs(found, read["there"])
        written = self._module(task_vars, {**where, "step": "write", "jobs": jobs})
        values["warnings"] = values.get("warnings", []) + written.get("said", [])
        if written.get("failed"):
            done = written.get("done", [])
            told = zone_result.of_zones(values, done)
            told.update(failed=True, changed=bool(done), msg=written.get("msg", "the module failed"))
            values = told
        return {**values, "loaded": written.get("loaded", [])}

    def _module(self, task_vars, arguments):
        return self._execute_module(module_name="ipv6.rollout.zone", module_args=arguments, task_vars=task_vars)
