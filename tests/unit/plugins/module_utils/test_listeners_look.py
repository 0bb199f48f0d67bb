# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real sockets of every kind, told right: held against what was made, against connections, and against ss."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path

import ansible_collections
import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import listeners, socket_owners
from ansible_collections.ipv6.rollout.plugins.module_utils.socket_diag import Socket
from ansible_collections.ipv6.rollout.plugins.module_utils.socket_owners import Process, SocketUnit

_spec = importlib.util.spec_from_file_location("listeners_live", Path(__file__).with_name("listeners_live.py"))
live = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(live)

# name: scope, v6only, serves IPv4, serves IPv6
EXPECTED = {
    "v4 wildcard": ("wildcard", None, True, False),
    "v4 specific": ("global", None, True, False),
    "v4 loopback": ("loopback", None, True, False),
    "v6 mapped": ("wildcard", False, True, True),
    "v6 only": ("wildcard", True, False, True),
    "v6 specific": ("global", True, False, True),
    "v6 loopback": ("loopback", True, False, True),
    "v6 link-local": ("link", True, False, True),
    "mapped bind": ("global", False, True, False),
    "mapped wildcard": ("wildcard", False, True, False),
    "mapped loopback": ("loopback", False, True, False),
    "v4 on a device": ("wildcard", None, True, False),
    "v6 on a device": ("wildcard", False, True, True),
    "v6 only on lo": ("wildcard", True, False, True),
    "freebind": ("global", True, False, True),
    "udp v4": ("wildcard", None, True, False),
    "udp mapped": ("wildcard", False, True, True),
    "udp v6 only": ("wildcard", True, False, True),
    "udp link-local": ("link", True, False, True),
    "udp group": ("multicast", True, False, True),
    "shared by two": ("wildcard", False, True, True),
    "reuseport": ("wildcard", None, True, False),
    "both at one port, v4": ("wildcard", None, True, False),
    "both at one port, v6": ("wildcard", True, False, True),
}


@pytest.fixture(name="told", scope="module")
def _told():
    if live.why_not():
        pytest.skip(live.why_not())
    collections = next(
        folder
        for folder in ansible_collections.__path__
        if os.path.isdir(os.path.join(folder, "ipv6", "rollout", "plugins"))
    )
    return live.run(os.path.dirname(collections))


def place(name):
    protocol, _family, address, port, _options, device = live.SOCKETS[name]
    return protocol, address, port, device


def entry(entries, name):
    (found,) = [one for one in entries if (one["protocol"], one["address"], one["port"], one["device"]) == place(name)]
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_each_socket_is_told_right(told, name):
    one = entry(told["look"]["listeners"], name)
    assert (one["scope"], one["v6only"], one["ipv4"], one["ipv6"]) == EXPECTED[name]
    assert one["freebind"] is (name == "freebind")
    assert one["sockets"] == (2 if name == "reuseport" else 1)
    assert one["pid"] == told["pids"][0]
    assert one["program"].startswith("python")
    assert one["user"] == "root"


def test_all_sockets_are_expected_ones(told):
    assert set(EXPECTED) == set(live.SOCKETS)
    found = [(one["protocol"], one["address"], one["port"], one["device"]) for one in told["look"]["listeners"]]
    assert sorted(found) == sorted([*map(place, live.SOCKETS), ("udp", "::", told["client"], "")])


def test_connections_tell_the_same(told):
    sockets = told["look"]["listeners"]
    assert len(told["truth"]) > 10
    for name, truth in told["truth"].items():
        port = live.SOCKETS[name][3]
        for family in ("ipv4", "ipv6"):
            serves = any(one[family] for one in sockets if (one["protocol"], one["port"]) == ("tcp", port))
            assert serves == truth[family], (name, family)


def test_two_processes_of_one_socket_are_both_told(told):
    holders = entry(told["look"]["listeners"], live.SHARED)["processes"]
    assert [holder["pids"] for holder in holders] == [[told["pids"][0]], [told["pids"][1]]]
    assert holders[1]["process"] == live.STRANGE[:15]


def test_without_sock_diag_what_is_missing_is_unknown(told):
    blind = told["blind"]
    assert blind["sockets"]["exact"] is False
    places = {(one["protocol"], one["address"], one["port"]) for one in blind["listeners"]}
    assert places == {(one["protocol"], one["address"], one["port"]) for one in told["look"]["listeners"]}
    for one in blind["listeners"]:
        assert one["v6only"] is None
        assert one["ipv4"] is None or one["address"] != "::"


def test_ss_tells_the_same(told):
    if not shutil.which("ss"):
        pytest.skip("there is no ss on this machine to compare with")
    found = set()
    for line in told["ss"].splitlines():
        protocol, _state, _received, _sent, local = line.split()[:5]
        address, _colon, port = local.rpartition(":")
        address, _percent, device = address.partition("%")
        v6only = re.search(r" v6only:([01]) ", line)
        found.add(
            (
                protocol,
                "::" if address == "*" else address.strip("[]"),
                int(port),
                device.rstrip("]"),
                bool(int(v6only.group(1))) if v6only else None,
            )
        )
    keys = ("protocol", "address", "port", "device", "v6only")
    assert found == {tuple(one[key] for key in keys) for one in told["look"]["listeners"]}


# -------------------------------------------------------------------------------------------------- without a kernel

MAPPED = Socket("tcp", "ipv6", "::", 22, 0, False, False, 0, 5)
UNIT = SocketUnit("ssh.socket", (("tcp", "::", 22),), "ssh.service")
SYSTEMD = Process(1, "systemd", "systemd", "root", "init.scope")
SSHD = Process(400, "sshd", "sshd", "root", "ssh.service")


@pytest.mark.parametrize(
    ("holders", "process", "unit"),
    [([SYSTEMD], "systemd", "ssh.socket"), ([SYSTEMD, SSHD], "sshd", "ssh.socket"), ([SSHD], "sshd", ""), ([], "", "")],
)
def test_a_socket_that_systemd_opened_names_its_unit_and_who_serves(holders, process, unit):
    found = listeners.entry([MAPPED], {5: holders}, [UNIT])
    assert (found["process"], found["socket_unit"]) == (process, unit)
    assert found["starts"] == ("ssh.service" if unit else "")


def test_a_socket_of_the_kernel_has_no_process_but_a_user():
    found = listeners.entry([MAPPED], {}, [])
    assert (found["pid"], found["process"], found["user"], found["processes"]) == (0, "", "root", [])


def test_the_workers_of_a_program_are_one_entry():
    workers = [SSHD._replace(pid=pid, user="www-data") for pid in (402, 401)]
    found = listeners.entry([MAPPED], {5: [SSHD, *workers]}, [])
    assert [(one["user"], one["pids"]) for one in found["processes"]] == [("root", [400]), ("www-data", [401, 402])]


def test_protocols_that_are_not_looked_at_are_counted():
    table = "protocol  size sockets  memory\nSCTPv6 1 2 0 no\nSCTP 1 0 0 no\nUDP-Lite 1 1 0 no\nTCP 1 9 0 no\n"
    assert listeners.others(table) == {"SCTPv6": 2, "UDP-Lite": 1}


def test_an_interface_may_have_any_name(monkeypatch):
    monkeypatch.setattr(listeners.socket, "if_indextoname", lambda _number: b"eth\xff".decode(errors="surrogateescape"))
    assert listeners.device(2).encode() == b"eth?"


@pytest.mark.parametrize("hidden", [True, False])
def test_processes_that_proc_hides_are_not_all(tmp_path, hidden):
    (tmp_path / "412" / "fd").mkdir(parents=True)
    if not hidden:
        (tmp_path / "1" / "fd").mkdir(parents=True)
    assert socket_owners.holders({5}, str(tmp_path)) == ({}, not hidden)


def test_an_interface_that_is_gone_is_told_by_its_number():
    assert listeners.device(2**31 - 1) == str(2**31 - 1)
