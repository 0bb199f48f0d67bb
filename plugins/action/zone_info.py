# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read live zones. It runs on the controller; what it does is in plugin_utils/zone_info.py."""

from __future__ import annotations

import contextlib

from ansible.plugins.action import ActionBase

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names, dns_server, zone_info

ARGUMENTS = {
    "server": {"type": "raw", "required": True},
    "port": {"type": "int", "default": 53},
    "key_name": {"type": "str"},
    "key_algorithm": {"type": "str", "default": "hmac-sha256"},
    # raw: the check of a type would put a wrong value into its message
    "key_secret": {"type": "raw", "no_log": True},
    "timeout": {"type": "float", "default": 10.0},
    "zones": {"type": "raw", "default": []},
    "hosts": {"type": "raw", "default": {}},
    "servers": {"type": "raw", "default": []},
    "not_public": {"type": "raw", "default": []},
    "several_names": {"type": "raw", "default": []},
}


class ActionModule(ActionBase):
    """Reads, judges, and changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Read the zones, in check mode too."""
        result = super().run(tmp, task_vars)
        _options, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        result["changed"] = False
        try:
            dns_names.need_library()
            result.update(self._zones(given))
        except RolloutError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _zones(self, given):
        asked = zone_info.wish(given["zones"], given["hosts"])
        addresses = zone_info.servers(given["servers"])
        key = dns_server.tsig_key(given["key_name"], given["key_secret"], given["key_algorithm"])
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(dns_server.Server(given["server"], given["port"], key, given["timeout"]))
            # The others are asked as everybody asks them.
            others = [
                stack.enter_context(dns_server.Server(address, given["port"], None, given["timeout"]))
                for address in addresses
            ]
            reading = zone_info.read(asked, server)
            differences = zone_info.differences(reading, others)
        judged = zone_info.judged(reading, given["several_names"], given["not_public"])
        return {
            "records": reading.records,
            "zones": reading.zones,
            "unknown": reading.unknown,
            "findings": judged + differences,
            "lines": zone_info.lines(reading, judged + differences),
        }
