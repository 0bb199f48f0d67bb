# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which back end configures an interface, and what is its own."""

from __future__ import annotations

import re

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_backend as common
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_files as persistent
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import Wanted, WantedAddress


@pytest.fixture(name="host")
def fixture_host(tmp_path, monkeypatch):
    """A host: units that run or start at boot, networkd's file, NetworkManager's profile, the stanza's file."""
    state = {"active": set(), "enabled": set(), "network": "", "profile": "", "stanza": "", "programs": {"ifup"}}
    units = {"systemd-networkd.service": "networkd", "NetworkManager.service": "NetworkManager"}

    def run(argv):
        if argv[1] == "is-active":
            words = ["active" if units[unit] in state["active"] else "inactive" for unit in argv[2:]]
            return commands.Result(0, "\n".join(words) + "\n", "")
        return commands.Result(0 if argv[-1] in state["enabled"] else 1, "", "")

    (tmp_path / "interfaces").write_text("auto lo\n")
    monkeypatch.setattr(persistent, "INTERFACES", str(tmp_path / "interfaces"))
    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(commands, "found", lambda program: program if program in state["programs"] else None)
    monkeypatch.setattr(persistent.networkd, "used_file", lambda index: state["network"])
    monkeypatch.setattr(persistent.networkmanager, "profile_path", lambda name: state["profile"])
    monkeypatch.setattr(persistent.ifupdown, "knows", lambda name: state["stanza"])
    return state


NETWORK = "/etc/systemd/network/20-uplink.network"
KEYFILE = "/etc/NetworkManager/system-connections/uplink.nmconnection"
STANZA = "/etc/network/interfaces"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"network": NETWORK, "active": {"networkd"}}, "networkd"),
        ({"network": "/run/systemd/network/10-netplan-up.network", "active": {"networkd"}}, "netplan"),
        ({"profile": KEYFILE, "active": {"NetworkManager"}}, "networkmanager"),
        (
            {
                "profile": "/run/NetworkManager/system-connections/netplan-up.nmconnection",
                "active": {"NetworkManager"},
            },
            "netplan",
        ),
        ({"stanza": STANZA, "enabled": {"networking.service"}}, "ifupdown"),
        # What is left in /run of a networkd that does not run any more tells nothing.
        ({"network": NETWORK, "stanza": STANZA, "enabled": {"networking.service"}}, "ifupdown"),
        # A stanza that nothing brings up tells nothing either.
        ({"network": NETWORK, "active": {"networkd"}, "stanza": STANZA}, "networkd"),
        # Nobody has it: the one that starts at boot.
        ({"enabled": {"networking.service"}}, "ifupdown"),
        ({"enabled": {"systemd-networkd.service"}}, "networkd"),
        ({"enabled": {"networking.service"}, "programs": set()}, None),
        ({}, None),
    ],
)
def test_backend(host, change, expected):
    host.update(change)
    if expected is None:
        with pytest.raises(RolloutError, match="nothing was found that configures eth0"):
            persistent.backend(2, "eth0")
    else:
        assert persistent.backend(2, "eth0") == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"network": NETWORK, "active": {"networkd"}, "stanza": STANZA}, ["ifupdown", NETWORK, STANZA, "networkd"]),
        (
            {"network": NETWORK, "profile": KEYFILE, "active": {"networkd", "NetworkManager"}},
            ["systemd-networkd", NETWORK, "NetworkManager", KEYFILE],
        ),
    ],
)
def test_several_programs(host, change, named):
    host.update(change, enabled={"networking.service"})
    with pytest.raises(RolloutError, match="more than one program") as refused:
        persistent.backend(2, "eth0")
    assert all(word in str(refused.value) for word in named)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/network/interfaces.d/60-ipv6-rollout-eth0", 0o644),
        ("/etc/systemd/network/60-ipv6-rollout-eth0.network", 0o644),
        ("/etc/netplan/60-ipv6-rollout-eth0.yaml", 0o600),
        ("/etc/NetworkManager/system-connections/uplink.nmconnection", 0o600),
        ("/etc/NetworkManager/dispatcher.d/60-ipv6-rollout-eth0", 0o755),
    ],
)
def test_mode(path, expected):
    assert persistent.mode(path) == expected


@pytest.mark.parametrize(
    ("kind", "expected"), [("ifupdown", False), ("networkd", True), ("netplan", True), ("networkmanager", True)]
)
def test_reads_advertisements(kind, expected):
    assert persistent.reads_advertisements(kind) is expected


@pytest.mark.parametrize(
    ("kind", "accept_ra", "learnt", "said"),
    [
        ("networkd", "0", "default via fe80::1 metric 1024", True),
        ("networkd", "1", "default via fe80::1 metric 1024", False),
        ("networkd", "0", "", False),
        ("ifupdown", "0", "default via fe80::1 metric 1024", False),
    ],
)
def test_what_was_learnt_stays_until_the_next_boot(monkeypatch, kind, accept_ra, learnt, said):
    wish = Wanted("eth0", (WantedAddress("2001:db8::1/64"),), None, {"accept_ra": accept_ra})
    monkeypatch.setattr(commands, "run", lambda argv: commands.Result(0, learnt, ""))
    monkeypatch.setattr(persistent.ifupdown, "wanted_files", lambda wish: ({}, []))
    monkeypatch.setattr(persistent.networkd, "used_file", lambda index: "")
    remarks = persistent.wanted_files(wish, kind, 2)[1]
    assert bool(remarks) is said
    assert all("systemd-networkd goes on with the router advertisements" in remark for remark in remarks)


@pytest.mark.parametrize(
    ("kind", "autoconf", "said"),
    [("netplan", "0", True), ("networkmanager", "0", True), ("networkmanager", "1", False), ("networkd", "0", False)],
)
def test_advertisements_without_an_address(monkeypatch, kind, autoconf, said):
    wish = Wanted("eth0", (WantedAddress("2001:db8::1/64"),), None, {"accept_ra": "1", "autoconf": autoconf})
    monkeypatch.setattr(persistent.netplan, "wanted_files", lambda wish, index: ({}, []))
    monkeypatch.setattr(persistent.networkmanager, "wanted_files", lambda wish: ({}, []))
    monkeypatch.setattr(persistent.networkd, "used_file", lambda index: "")
    assert bool(persistent.wanted_files(wish, kind, 2)[1]) is said


@pytest.mark.parametrize(
    ("name", "now", "said"),
    [
        ("60-ipv6-rollout-eth0", b"old\niface eth0 inet6 manual\n", True),
        ("60-ipv6-rollout-eth0", b"old\n", False),
        ("60-ipv6-rollout-eth0", b"new\n", False),
        ("60-ipv6-rollout-eth0", None, False),
        ("interfaces", b"anything\n", False),
    ],
)
def test_edits_in_a_file_of_ours_are_told(tmp_path, monkeypatch, name, now, said):
    path = tmp_path / name
    real = files.Ledger
    monkeypatch.setattr(files, "Ledger", lambda name: real(name, str(tmp_path / "ledger")))
    ledger = files.Ledger(persistent.LEDGER)
    ledger.wrote(str(path), files.look(str(path)), b"old\n")
    ledger.save()
    if now is not None:
        path.write_bytes(now)
    assert [str(path) in remark for remark in persistent.edited({str(path): b"new\n"})] == [True] * said


@pytest.mark.parametrize(
    ("paths", "removed", "renderer", "said"),
    [
        (["/etc/systemd/network/a.network.d/60-ipv6-rollout.conf"], ["2001:db8::1/64"], "", True),
        (["/etc/systemd/network/a.network.d/60-ipv6-rollout.conf"], [], "", False),
        (["/etc/netplan/60-ipv6-rollout-eth0.yaml"], ["2001:db8::1/64"], "networkd", True),
        (["/etc/netplan/60-ipv6-rollout-eth0.yaml"], ["2001:db8::1/64"], "NetworkManager", False),
        (["/etc/network/interfaces.d/60-ipv6-rollout-eth0"], ["2001:db8::1/64"], "", False),
    ],
)
def test_what_networkd_remembers(monkeypatch, paths, removed, renderer, said):
    monkeypatch.setattr(persistent.glob, "glob", lambda pattern: ["there"] if renderer == "networkd" else [])
    assert [removed[0] in remark for remark in persistent.remembered("eth0", paths, removed)] == [True] * said


@pytest.mark.parametrize(
    ("path", "saved", "untouched", "expected"),
    [
        (STANZA, b"", False, b"# edited\n"),
        (STANZA, b"", True, None),
        (KEYFILE, b"before", False, b"profile"),
        (KEYFILE, None, False, None),
        ("/etc/netplan/60-ipv6-rollout-eth0.yaml", None, False, None),
    ],
)
def test_given_back(monkeypatch, path, saved, untouched, expected):
    monkeypatch.setattr(persistent.networkmanager, "given_back", lambda path, content, saved: b"profile")
    content = b"# edited\n" + persistent.ifupdown.SOURCE.encode()
    assert persistent.given_back(path, content, saved, untouched) == expected


@pytest.mark.parametrize(("name", "expected"), [("eth0", "eth0"), ("eth0_5", "eth0_5"), ("br-lan", "br-lan")])
def test_own_name(name, expected):
    assert common.own_name(name) == expected


def test_own_names_differ():
    names = ["v_5", "v.5", "v:5", "v@5"]
    found = {common.own_name(name) for name in names}
    assert len(found) == len(names)
    assert all(re.fullmatch("v_5(-[0-9a-f]{6})?", name) for name in found)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("::/0", True),
        ("default", True),
        ("2001:db8::/32", False),
        ("0.0.0.0/0", False),
        ("0:0::/0", True),
        ("x", False),
    ],
)
def test_is_default(to, expected):
    assert common.is_default(to) is expected
