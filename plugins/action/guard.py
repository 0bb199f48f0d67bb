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
        named = {name: value for name, value in args.items() if value is not None}
        self._arguments = {"owner": guard_proof.run_owner(), "token": guard_proof.run_token(), **named}
        self._arguments.pop("step", None)
        try:
            # Before anything else: a slip of the pen is no reason to take changes back.
            proved = self._arguments["prove"] = guard_proof.families(args.get("prove"))
            self._arguments["addresses"] = guard_proof.given_addresses(args.get("addresses"), proved)
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
        if not self._arguments["prove"]:
            failures.append("none: prove is empty; name ipv4, ipv6 or both")
        for family in self._arguments["prove"]:
            try:
                proved[family] = self._prove(family, keys, limit)
            except (RolloutError, AnsibleError) as error:
                failures.append(f"{family}: {error}")
        seen["proved"] = proved
        if not failures:
            try:
                return {**seen, **self._module(step="commit")}
            except AnsibleConnectionFailure as error:
                msg = f"committed: the connection broke while the guard was removed ({error}). Look at the host"
                return {**seen, "failed": True, "msg": f"{msg}: it takes its changes back in time, or has kept them"}
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
        current = self._connection
        options = {name: value for name, value in current.get_options().items() if value is not None}
        if guard_proof.shared_login(f"{current.ansible_name} {type(current).__module__}"):
            raise RolloutError("connections of Mitogen share one login, so none is fresh; use the strategy linear")
        if not current.matches_name(["ssh"]):
            self._display.warning(
                f"guard: the connection {current.ansible_name} can't prove {family}; it is made anew instead"
            )
            # Some kinds keep a connection for the next one of the same host, and would not log in anew.
            current.close()
            return self._login(options, limit)
        if not keys:
            raise RolloutError("the host has no /etc/ssh/ssh_host_*_key.pub, so its key can't be checked")
        address = guard_proof.proof_address(family, self._arguments["addresses"], str(options["host"]))
        handle, path = tempfile.mkstemp(prefix="ipv6-rollout-known-hosts.")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(guard_proof.known_hosts(keys))
            password = bool(options.get("password") or self._play_context.password)
            arguments = options.get("ssh_args", "")
            options.update(
                host=address,
                ssh_args=guard_proof.login_arguments(family, path, CONNECT_TIMEOUT, arguments, password),
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
