# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module postfix: what the DNS says of the address that mail is sent from."""

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names, mail_confirmed


class ActionModule(ActionBase):
    """Runs the module with what the DNS says."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        """Return the module's result."""
        self._supports_check_mode = True
        self._supports_async = True
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            sending = arguments.get("sending")
            if sending is not None and arguments.get("state") != "absent":
                arguments["sending"] = self._asked(sending, arguments.get("parameters"))
        except RolloutError as error:
            return {**result, "failed": True, "msg": f"postfix: {error}"}
        done = self._execute_module(
            "ipv6.rollout.postfix",
            module_args=arguments,
            task_vars=task_vars or {},
            wrap_async=self._task.async_val,
        )
        return {**result, **done}

    @staticmethod
    def _asked(sending, parameters):
        """Return what the module needs to decide; the DNS is asked only where its answer decides."""
        parameters = {} if parameters is None else parameters
        for name, value in (("sending", sending), ("parameters", parameters)):
            if not isinstance(value, dict):
                raise RolloutError(f"{name}: {shown(value)} is no dictionary")
        given = {key: value for key, value in sending.items() if key != "records"}
        own = parameters.get("smtp_bind_address6")
        address = str(own or given.get("address") or "").strip("[]")
        given["address"] = address
        if (given.get("mode") or "confirmed") == "confirmed":
            if "$" in address:
                raise RolloutError(
                    f"parameters.smtp_bind_address6: {shown(address)}: write the address that is to be confirmed"
                )
            dns_names.need_library()
            given["records"] = mail_confirmed.look_up(address, given.get("domains") or [], given.get("dns"))
        return given
