# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a host's variables without failing, so that what is wrong with all hosts can be told in one message."""

from __future__ import annotations

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import services


class ActionModule(ActionBase):
    """Runs on the controller."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Return the specification, or what is wrong with the variables."""
        result = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        host = task_vars["inventory_hostname"]
        variables, faults = {}, []
        for name in services.HOST_VARIABLES:
            if name in task_vars:
                try:
                    variables[name] = self._templar.template(task_vars[name])
                except AnsibleError as error:
                    faults.append(f"{name} of {host}: {error}")
        result.update(changed=False, spec={}, refused="; ".join(faults))
        if not faults:
            try:
                result["spec"] = services.host_spec(variables, host)
            except RolloutError as error:
                result["refused"] = str(error)
        return result
