# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the guard: compare, prove a fresh login per family, commit."""

from __future__ import annotations

import os
import tempfile
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import guard_proof

Data = dict[str, t.Any]
TRIES = 3
CONNECT_TIMEOUT = 5
HINT = (
    "Are the controller's IPv6 addresses in ipv6_management_sources or ipv6_lab_sources, "
    "and does the gateway route back? "
    "Where the controller has no IPv6, prove [ipv4] alone (ipv6_guard_prove)"
)


class ActionModule(ActionBase):
    """Carry out one step of the guard."""

    _requires_connection = False  # check mode needs none; the module connects by itself

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        """Run the step and return its result."""
        self._supports_check_mode = True
        result: Data = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        args = dict(self._task.args)
        if self._task.check_mode and args.get("state") in ("armed", "committed", "rolled_back"):
            return {**result, "changed": False, "msg": "check mode: nothing is changed, so nothing is guarded"}
        self._arguments = {"owner": guard_proof.run_owner(), "token": guard_proof.run_token(), **args}
        self._arguments.pop("step", None)
        try:
            if args.get("state") != "committed":
                return {**result, **self._module()}
            return {**result, **self._commit()}
        except RolloutError as error:
            return {**result, "failed": True, "msg": str(error)}
        except AnsibleConnectionFailure as error:
            raise AnsibleConnectionFailure(
                f"{error}; nothing is committed, and a host that was armed takes its changes back when its time is over"
            ) from error

    def _module(self, **more: str) -> Data:
        name = "ipv6.rollout.guard"
        done: Data = self._execute_module(name, module_args={**self._arguments, **more}, task_vars=self._vars)
        return done

    def _commit(self) -> Data:
        seen = self._module(step="compare")
        if seen.get("failed") or not seen.get("differences"):
            return seen
        keys, left = seen.pop("host_keys", []), seen.pop("left", 0)
        limit = time.monotonic() + max(left - 3, 0)
        proved: Data = {}
        failures = []
        families = self._arguments.get("prove", ["ipv4"])
        if not families:
            failures.append("none: prove is empty; name ipv4, ipv6 or both")
        for family in [families] if isinstance(families, str) else families:
            try:
                proved[family] = self._prove(family, keys, limit)
            except (RolloutError, AnsibleError) as error:
                failures.append(f"{family}: {error}")
        seen["proved"] = proved
        if not failures:
            done = self._module(step="commit")
            return {**seen, **done}
        # What was changed has been or will be taken back: here it would only hide the reason.
        seen.pop("differences")
        msg = f"committed: no fresh login over {'; '.join(failures)}. Nothing is kept"
        if "ipv6" not in proved:
            msg += f". {HINT}"
        if self._arguments.get("on_failure", "rollback") == "wait":
            return {**seen, "failed": True, "msg": f"{msg}; the host takes its changes back when the time is over"}
        try:
            back = self._module(state="rolled_back")
        except AnsibleConnectionFailure as error:
            return {**seen, "failed": True, "msg": f"{msg}; the host takes its changes back by itself ({error})"}
        said = back.get("rolled_back") or back.get("msg", "")
        return {**seen, "failed": True, "rolled_back": back.get("rolled_back", ""), "msg": f"{msg}; {said}"}

    def _prove(self, family: str, keys: list[str], limit: float) -> str:
        """Log in anew and return the address; raise what ssh says where it does not work."""
        if family not in ("ipv4", "ipv6"):
            raise RolloutError("prove: it takes ipv4 and ipv6")
        current = self._connection
        options = {name: value for name, value in current.get_options().items() if value is not None}
        if not current.matches_name(["ssh"]):
            self._display.warning(
                f"guard: a {current.ansible_name} connection can't prove {family}; it is made anew instead"
            )
            return self._login(options, limit)
        if not keys:
            raise RolloutError("the host has no /etc/ssh/ssh_host_*_key.pub, so its key can't be checked")
        address = guard_proof.proof_address(family, self._arguments.get("addresses") or {}, str(options["host"]))
        handle, path = tempfile.mkstemp(prefix="ipv6-rollout-known-hosts.")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(guard_proof.known_hosts(keys))
            options.update(
                host=address,
                ssh_args=guard_proof.login_arguments(family, path, CONNECT_TIMEOUT, options.get("ssh_args", "")),
                ssh_common_args=guard_proof.own_arguments(options.get("ssh_common_args", "")),
                ssh_extra_args=guard_proof.own_arguments(options.get("ssh_extra_args", "")),
                reconnection_retries=0,
            )
            self._login(options, limit)
        finally:
            os.unlink(path)
        return address

    def _login(self, options: Data, limit: float) -> str:
        for attempt in range(TRIES):
            fresh = connection_loader.get(self._connection.ansible_name, self._play_context)
            fresh.set_options(direct=options)
            try:
                code, _out, err = fresh.exec_command("true", sudoable=False)
                if code == 0:
                    return str(options.get("host", ""))
                problem = AnsibleConnectionFailure(err.decode(errors="replace").strip() or f"return code {code}")
            except AnsibleConnectionFailure as error:
                problem = error
            finally:
                fresh.close()
            if attempt == TRIES - 1 or time.monotonic() + CONNECT_TIMEOUT > limit:
                raise problem
            time.sleep(1)
        raise AssertionError("not reached")
