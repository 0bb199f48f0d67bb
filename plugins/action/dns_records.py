# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep DNS records by dynamic update. It runs on the controller; what it does is in plugin_utils/dns_records.py."""

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    dns_compare,
    dns_names,
    dns_records,
    dns_server,
    dns_update,
)

ARGUMENTS = {
    "server": {"type": "raw", "required": True},
    "port": {"type": "int", "default": 53},
    "key_name": {"type": "str"},
    "key_algorithm": {"type": "str", "default": "hmac-sha256"},
    # raw: the check of a type would put a wrong value into its message
    "key_secret": {"type": "raw", "no_log": True},
    "timeout": {"type": "float", "default": 10.0},
    "compare": {"type": "str", "choices": list(dns_compare.WAYS), "default": "auto"},
    "records": {"type": "raw", "default": []},
    "spf": {"type": "raw", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "exclusive": {"type": "bool", "default": False},
    "default_ttl": {"type": "raw", "default": 3600},
}


class ActionModule(ActionBase):
    """Compares, updates zone by zone, and reads again."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Do it, or in check mode say what would be done."""
        result = super().run(tmp, task_vars)
        _options, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        try:
            dns_names.need_library()
            result.update(self._records(given))
        except RolloutError as error:
            result.update(failed=True, changed=False, msg=str(error))
        return result

    def _records(self, given):
        wish = dns_update.wanted(
            given["records"], given["spf"], given["state"], given["exclusive"], given["default_ttl"]
        )
        key = dns_server.tsig_key(given["key_name"], given["key_secret"], given["key_algorithm"])
        with dns_server.Server(given["server"], given["port"], key, given["timeout"]) as server:
            found = dns_records.plan(wish, server, given["compare"])
            if self._task.check_mode:
                outcome = dns_records.Outcome(found.transactions, dns_records.predicted(found), None)
            else:
                outcome = dns_records.apply(found, server)
        values = dns_records.result(outcome.done, outcome.live, self._task.diff)
        if found.warnings:
            values["warnings"] = found.warnings
        if outcome.error is not None:
            values.update(failed=True, msg=outcome.error)
        return values
