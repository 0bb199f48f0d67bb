# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module ip6tables: from where the administrator will log in."""

from __future__ import annotations

import shlex
import subprocess
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import management

Data = dict[str, t.Any]
SSH = ["ssh", "paramiko_ssh", "paramiko", "libssh", "ansible.netcommon.libssh", "mitogen_ssh"]
"""Connections that come over the network, and so by the rules of the host."""


class ActionModule(ActionBase):
    """Runs the module with a description of the logins that the new rules must let in."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        """Return the module's result."""
        self._supports_check_mode = True
        self._supports_async = True
        result: Data = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        arguments.pop("logins", None)
        try:
            if arguments.get("lockout", "refuse") != "allow":
                arguments["logins"] = self._logins(arguments)
        except RolloutError as error:
            return {**result, "failed": True, "msg": f"ip6tables: {error}"}
        done: Data = self._execute_module(
            "ipv6.rollout.ip6tables",
            module_args=arguments,
            task_vars=task_vars or {},
            wrap_async=self._task.async_val,
        )
        return {**result, **done}

    def _logins(self, arguments: Data) -> list[management.Login]:
        current = self._connection
        if not current.matches_name(SSH):
            return []  # a container's engine, or this machine itself: no rule stands in the way
        prove = arguments.get("prove") or []
        prove = prove.replace(",", " ").split() if isinstance(prove, str) else prove
        unknown = [family for family in prove if family not in ("ipv4", "ipv6")]
        if unknown:
            raise RolloutError(f"prove: {unknown} are no families; it takes ipv4 and ipv6")
        addresses = arguments.get("addresses") or {}
        if not isinstance(addresses, dict):
            raise RolloutError("addresses: it is no mapping such as {'ipv6': '2001:db8::80'}")
        options = {name: value for name, value in current.get_options().items() if value is not None}
        host = str(options.get("host") or options.get("remote_addr") or "")
        return management.logins(prove, addresses, host, options.get("port"), self._ssh_config(options, host))

    def _ssh_config(self, options: Data, host: str) -> str:
        """Ask ssh what it makes of its files and our arguments; nothing is sent to anybody."""
        if not self._connection.matches_name(["ssh"]):
            return ""
        words = [options.get("ssh_executable", "ssh"), "-G"]
        for name in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
            words += shlex.split(options.get(name) or "")
        try:
            done = subprocess.run([*words, host], capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout if done.returncode == 0 else ""
