# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh login shares nothing with the connection in use."""

from __future__ import annotations

import getpass
import os
import shlex
import time
import types

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.playbook.play_context import PlayContext
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader

from ansible_collections.ipv6.rollout.plugins.action import guard as action
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import guard_proof


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", ""),
        ("-C -o ControlMaster=auto -o ControlPersist=60s", "-C"),
        ("-o ControlPath=/tmp/x -S /tmp/y -M -4 -6", ""),
        (
            "-oControlMaster=auto -J jump -o 'ProxyCommand=ssh -W %h:%p jump'",
            "-J jump -o 'ProxyCommand=ssh -W %h:%p jump'",
        ),
        ("-o AddressFamily=inet -F /etc/ssh/own", "-F /etc/ssh/own"),
        ("-oAddressFamily=inet -oProxyJump=jump.example.com", "-oProxyJump=jump.example.com"),
        (
            "-o ControlMaster=auto -o ProxyJump=root@jump.example.com:2222,[2001:db8::1]",
            "-o 'ProxyJump=root@jump.example.com:2222,[2001:db8::1]'",
        ),
    ],
)
def test_own_arguments(arguments, expected):
    assert guard_proof.own_arguments(arguments) == expected


@pytest.mark.parametrize("password", [False, True])
def test_login_arguments_come_first(password):
    words = shlex.split(
        guard_proof.login_arguments("ipv6", "/tmp/known hosts", 5, "-o StrictHostKeyChecking=no -J jump", password)
    )
    assert words[0] == "-6"
    assert "UserKnownHostsFile=/tmp/known hosts" in words
    assert words.index("StrictHostKeyChecking=yes") < words.index("StrictHostKeyChecking=no")
    assert "ControlPath=none" in words
    assert "ControlMaster=no" in words
    assert words[-2:] == ["-J", "jump"]
    # With it, ssh would never ask for the password.
    assert ("BatchMode=yes" in words) is not password
    assert ("NumberOfPasswordPrompts=1" in words) is password


@pytest.mark.parametrize(
    ("family", "given", "host", "expected"),
    [
        ("ipv4", {}, "192.0.2.1", "192.0.2.1"),
        ("ipv6", {}, "2001:db8::1", "2001:db8::1"),
        ("ipv6", {"ipv6": "2001:DB8::1/64"}, "192.0.2.1", "2001:db8::1"),
        ("ipv4", {"ipv6": "2001:db8::1"}, "192.0.2.1", "192.0.2.1"),
    ],
)
def test_proof_address(family, given, host, expected):
    assert guard_proof.proof_address(family, given, host) == expected


@pytest.mark.parametrize(
    ("family", "given", "host", "reason"),
    [
        ("ipv6", {}, "192.0.2.1", "give it as addresses.ipv6"),
        ("ipv6", {"ipv6": "192.0.2.1"}, "192.0.2.1", "no ipv6 address"),
        ("ipv6", {"ipv6": 80}, "192.0.2.1", "no ipv6 address"),
        ("ipv4", {}, "no-such-name.invalid", "has none"),
    ],
)
def test_proof_address_refused(family, given, host, reason):
    with pytest.raises(RolloutError, match=reason):
        guard_proof.proof_address(family, given, host)


def test_known_hosts():
    assert guard_proof.known_hosts(["ssh-ed25519 AAAA"]) == "ipv6-rollout-proof ssh-ed25519 AAAA\n"


def test_token_is_the_same_in_one_run():
    assert guard_proof.run_token() == guard_proof.run_token()
    assert len(guard_proof.run_token()) == 32


def test_owner_without_a_name(monkeypatch):
    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert guard_proof.run_owner().startswith(f"{os.getuid()}@")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ["ipv4"]),
        ([], []),
        ("ipv6", ["ipv6"]),
        ("ipv4,ipv6", ["ipv4", "ipv6"]),
        ("ipv4, ipv6", ["ipv4", "ipv6"]),
        (["ipv6", "ipv4", "ipv6"], ["ipv6", "ipv4"]),
    ],
)
def test_families(value, expected):
    assert guard_proof.families(value) == expected


@pytest.mark.parametrize("value", ["", "ipv5", "ipv4,", "IPv6", ["ipv4", None], [["ipv4"]], 6, {"ipv4": 1}, [{}]])
def test_families_refused(value):
    with pytest.raises(RolloutError, match=r"prove: .*write .ipv4., .ipv6. or both"):
        guard_proof.families(value)


@pytest.mark.parametrize("value", ["ipv6=2001:db8::1", ["ipv6"], {"IPv6": "2001:db8::1"}, {"ipv6": "192.0.2.1"}, 5])
def test_addresses_refused(value):
    with pytest.raises(RolloutError, match="addresses"):
        guard_proof.given_addresses(value, ["ipv6"])


def test_addresses_that_are_not_used_may_be_anything():
    assert guard_proof.given_addresses({"ipv6": ""}, ["ipv4"]) == {"ipv6": ""}
    assert guard_proof.given_addresses(None, ["ipv4"]) == {}


# ------------------------------------------------------------------------------------------------ the action around it


class Steps(action.ActionModule):
    """The action with its calls of the module noted instead of made."""

    def __init__(self, connection=None, **args):
        self._task = types.SimpleNamespace(args=args, check_mode=False)
        self._connection = connection
        self._play_context = PlayContext()
        self.called, self.warned = [], []
        self._display = types.SimpleNamespace(warning=self.warned.append)

    def _module(self, **more):
        self.called.append(more.get("step") or more.get("state") or self._task.args["state"])
        return {"changed": False, "differences": ["+ route"], "left": 30, "host_keys": ["ssh-ed25519 AAAA"]}


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})


@pytest.mark.parametrize("state", ["armed", "committed", "rolled_back"])
@pytest.mark.parametrize(
    ("more", "variable"),
    [({"prove": "ipv4,ipv5"}, "prove"), ({"prove": [4]}, "prove"), ({"addresses": "ipv6=2001:db8::1"}, "addresses")],
)
def test_a_slip_is_refused_before_anything(state, more, variable):
    steps = Steps(state=state, **more)
    answer = steps.run()
    assert answer["failed"]
    assert answer["msg"].startswith(f"{variable}: ")
    assert steps.called == []


def test_families_as_text_are_proved_one_by_one(monkeypatch):
    steps = Steps(state="committed", prove="ipv4,ipv6")
    monkeypatch.setattr(steps, "_prove", lambda family, keys, limit: f"{family}'s address")
    answer = steps.run()
    assert answer["proved"] == {"ipv4": "ipv4's address", "ipv6": "ipv6's address"}
    assert steps.called == ["compare", "commit"]


def test_a_connection_that_breaks_at_the_commit(monkeypatch):
    """Nobody knows whether the commit has arrived, so nobody claims that it has not."""
    steps = Steps(state="committed")

    def module(**more):
        if more["step"] == "commit":
            raise AnsibleConnectionFailure("timed out")
        return {"differences": ["+ route"], "left": 30}

    monkeypatch.setattr(steps, "_prove", lambda family, keys, limit: "192.0.2.1")
    monkeypatch.setattr(steps, "_module", module)
    answer = steps.run()
    assert answer["failed"]
    assert "timed out" in answer["msg"]
    assert "or has kept them" in answer["msg"]


def test_no_family_is_no_proof():
    steps = Steps(state="committed", prove=[])
    assert "prove is empty" in steps.run()["msg"]
    assert steps.called == ["compare", "rolled_back"]


def test_owner_is_never_none():
    steps = Steps(state="armed", owner=None, token=None)
    steps.run()
    assert steps._arguments["owner"] == guard_proof.run_owner()
    assert steps._arguments["token"] == guard_proof.run_token()


def loaded(monkeypatch):
    """Find connections as a playbook does, which knows ansible's own by their full names; return those made."""
    made = []
    get = connection_loader.get

    def plain(name, *given):
        made.append(get(name.rpartition(".")[2], *given))
        return made[-1]

    monkeypatch.setattr(action.connection_loader, "get", plain)
    return made


def test_a_local_connection_is_made_anew(monkeypatch):
    current = connection_loader.get("local", PlayContext())
    current.set_options()
    made = loaded(monkeypatch)
    steps = Steps(connection=current, state="committed")
    steps.run()
    (fresh,) = made
    assert fresh is not current
    assert fresh.matches_name(["local"])
    assert "can't prove ipv4" in steps.warned[0]
    assert steps.called == ["compare", "commit"]


class Kept:
    """A connection as paramiko's and libssh's are: the next one of the same host takes over the login of this one."""

    ansible_name = "ansible.netcommon.libssh"
    logins = 0
    cache = False

    def get_options(self):
        return {"host": "192.0.2.1"}

    def set_options(self, direct):
        pass

    def matches_name(self, names):
        return False

    def exec_command(self, command, sudoable):
        if not Kept.cache:
            Kept.logins += 1
            Kept.cache = True
        return 0, b"", b""

    def close(self):
        Kept.cache = False


def test_a_login_that_is_kept_proves_nothing(monkeypatch):
    Kept.logins, Kept.cache = 0, True
    monkeypatch.setattr(action.connection_loader, "get", lambda *given: Kept())
    steps = Steps(connection=Kept(), state="committed")
    assert steps.run()["proved"] == {"ipv4": "192.0.2.1"}
    assert Kept.logins == 1


def test_mitogen_is_refused(monkeypatch):
    current = Kept()
    current.ansible_name = "mitogen_ssh"
    steps = Steps(connection=current, state="committed")
    assert "use the strategy linear" in steps.run()["msg"]
    assert steps.called == ["compare", "rolled_back"]


SSH = """#!/bin/sh
# As ssh does: with BatchMode it asks nobody, else it asks $SSH_ASKPASS.
printf '%s\n' "$@" >>"$0.said"
for word in "$@"; do
    [ "$word" != BatchMode=yes ] || { echo "Permission denied (password)." >&2; exit 255; }
done
[ "$("$SSH_ASKPASS" "root@192.0.2.1's password: ")" = "open sesame" ] || { echo "Permission denied" >&2; exit 255; }
"""


@pytest.mark.parametrize("password", ["open sesame", None])
def test_a_login_with_a_password(tmp_path, monkeypatch, password):
    """By ansible's own ssh connection; only the program ssh is made up."""
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    current = connection_loader.get("ssh", PlayContext())
    current.set_options(direct={"host": "192.0.2.1", "ssh_executable": str(ssh), "password": password})
    steps = Steps(connection=current, state="committed")
    steps._arguments = {"addresses": {}}
    monkeypatch.setattr(action, "TRIES", 1)
    loaded(monkeypatch)
    keys = ["ssh-ed25519 AAAA"]
    if password:
        assert steps._prove("ipv4", keys, time.monotonic() + 30) == "192.0.2.1"
    else:
        with pytest.raises(AnsibleConnectionFailure, match="Permission denied"):
            steps._prove("ipv4", keys, time.monotonic() + 30)
    assert ("BatchMode=yes" in (tmp_path / "ssh.said").read_text()) is not bool(password)
