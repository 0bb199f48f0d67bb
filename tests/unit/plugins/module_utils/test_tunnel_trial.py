# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trial start of OpenVPN, with a stand-in for it; molecule/tunnel has the real one."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, tunnel, tunnel_openvpn
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.tunnel_given import CLIENT, SERVER


def isolated():
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0


alone = pytest.mark.skipif(not isolated(), reason="no network namespace can be made here")


@pytest.fixture(name="stand_in")
def _stand_in(tmp_path, monkeypatch):
    """Put a script in the place of openvpn; it sees the same arguments."""

    def install(script):
        path = tmp_path / "openvpn"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        path.chmod(0o755)
        monkeypatch.setattr(commands, "SEARCH_PATH", f"{tmp_path}{os.pathsep}{commands.SEARCH_PATH}")

    return install


def attempt(given):
    wish = tunnel.wanted(given)
    return tunnel_openvpn.trial(wish, tunnel_openvpn.files_of(wish))


@alone
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (SERVER, "Initialization Sequence Completed"),
        (CLIENT, "UDPv4 link remote: [AF_INET]192.0.2.1:1194"),
    ],
)
def test_it_ends_as_soon_as_everything_was_taken(stand_in, given, says):
    stand_in(f"echo starting; echo '{says}'; exec sleep 60")
    started = time.monotonic()
    assert attempt(given) == ""
    assert time.monotonic() - started < 10


@alone
def test_a_name_that_nobody_resolves_in_an_empty_namespace_is_no_reason(stand_in):
    stand_in("echo 'RESOLVE: Cannot resolve host address: tunnel.example.com:1194'; exit 1")
    assert attempt(CLIENT) == ""


@alone
def test_it_sees_the_files_and_nothing_of_the_host(stand_in):
    """The configuration, keys for root alone, and no network but its own."""
    stand_in(
        'cd "$2" || exit 1; test -s tun6.conf && test -d tun6/clients && test "$(stat -c %a tun6/tunnel.key)" = 600 && '
        "test \"$(ls /proc/self/net/dev_snmp6 | tr -d '\\n')\" = lo && echo Initialization Sequence Completed"
    )
    assert attempt(SERVER) == ""


@alone
def test_an_address_of_the_host_is_not_asked_for_where_it_can_not_be(stand_in):
    stand_in('cd "$2" && grep -q ^local tun6.conf && exit 1; echo Initialization Sequence Completed')
    assert attempt({**SERVER, "local": "192.0.2.10"}) == ""


@alone
@pytest.mark.parametrize(
    "says", ["Options error: Unrecognized option in tun6.conf:3: foo", "OpenSSL: error: key values mismatch:"]
)
def test_a_refusal_is_told_in_its_own_words(stand_in, says):
    stand_in(f"echo '{says}'; echo 'Exiting due to fatal error'; exit 1")
    with pytest.raises(RolloutError) as caught:
        attempt(SERVER)
    assert str(caught.value) == f"OpenVPN refuses the configuration, nothing was changed: {says}"


@alone
def test_one_that_hangs_is_ended(stand_in, monkeypatch):
    monkeypatch.setattr(tunnel_openvpn, "TRIAL", 1)
    stand_in("echo waiting; exec sleep 60")
    with pytest.raises(RolloutError, match="waiting"):
        attempt(SERVER)


@pytest.mark.parametrize(("returned", "message"), [(0, ""), (1, "Options error: x")])
def test_without_a_namespace_the_syntax_is_looked_at(stand_in, monkeypatch, returned, message):
    stand_in(f"echo 'Options error: x'; exit {returned}")
    real = commands.run

    def run(argv, **given):
        if argv[0] == "unshare":
            return commands.Result(1, "", "unshare failed: Operation not permitted")
        return real(argv, **given)

    monkeypatch.setattr(commands, "run", run)
    if message:
        with pytest.raises(RolloutError, match=message):
            attempt(SERVER)
    else:
        assert "only the syntax was checked" in attempt(SERVER)
