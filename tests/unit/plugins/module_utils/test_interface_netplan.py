# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file for netplan."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_netplan as netplan
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import Wanted, WantedAddress, WantedRoute

SYSCTLS = {"accept_ra": "0", "autoconf": "0", "use_tempaddr": "0"}
WISH = Wanted(
    "eth0",
    (WantedAddress("2001:db8::1/64"), WantedAddress("2001:db8::2/64", True)),
    "fe80::1",
    SYSCTLS,
    (WantedRoute("2001:db8:9::/48", "fe80::2", 512),),
)
# As `netplan get` prints it.
GET = """\
network:
  version: 2
  renderer: networkd
  ethernets:
    uplink:
      match:
        name: "eth0"
      addresses:
      - "2001:db8::81/64":
          lifetime: "0"
      - "198.51.100.13/24"
      routes:
      - metric: 1024
        to: "::/0"
        via: "fe80::1"
    second:
      match:
        macaddress: "02:00:00:00:00:02"
      set-name: "lan0"
    eth2:
      dhcp4: true
  vlans:
    eth0.5:
      id: 5
      link: "uplink"
"""
PROFILE = "/run/NetworkManager/system-connections/netplan-uplink.nmconnection"
USED = "/run/systemd/network/10-netplan-uplink.network"


def test_definitions():
    found = netplan.definitions(GET)
    assert [(one.kind, one.identifier) for one in found] == [
        ("ethernets", "uplink"),
        ("ethernets", "second"),
        ("ethernets", "eth2"),
        ("vlans", "eth0.5"),
    ]
    assert found[0].setting("  name") == "eth0"
    assert found[1].setting("set-name") == "lan0"
    assert found[2].setting("set-name") == ""


@pytest.mark.parametrize(
    ("name", "mac", "expected"),
    [
        ("eth0", "02:00:00:00:00:01", ["uplink"]),
        ("lan0", "02:00:00:00:00:09", ["second"]),
        ("eth1", "02:00:00:00:00:02", ["second"]),
        ("eth2", "02:00:00:00:00:03", ["eth2"]),
        ("eth0.5", "02:00:00:00:00:01", ["eth0.5"]),
        ("eth9", "02:00:00:00:00:09", []),
    ],
)
def test_matching(name, mac, expected):
    assert [one.identifier for one in netplan.matching(netplan.definitions(GET), name, mac)] == expected


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (['name: "eth*"'], True),
        (['name: "en*"'], False),
        (["name:", '- "en*"', '- "eth*"'], True),
        (["name:", '- "en*"', '- "wl*"'], False),
        (['driver: "virtio_net"'], True),
        (['driver: "ixgbe"'], False),
        (["driver:", '- "ixgbe"', '- "virtio*"'], True),
        (['driver: "virtio_net"', 'name: "en*"'], False),
        (['macaddress: "02:00:00:00:00:AA"'], True),
        (['path: "pci-*"'], False),
    ],
)
@pytest.mark.parametrize("indent", ["", "  "])
def test_every_key_of_a_match_counts(monkeypatch, match, expected, indent):
    monkeypatch.setattr(netplan, "driver_of", lambda name: "virtio_net")
    lines = "".join(f"        {indent if line.startswith('-') else ''}{line}\n" for line in match)
    there = netplan.definitions(f"network:\n  ethernets:\n    wan:\n      match:\n{lines}      dhcp4: true\n")
    assert bool(netplan.matching(there, "eth0", "02:00:00:00:00:aa")) is expected


@pytest.fixture(name="host")
def fixture_host(tmp_path, monkeypatch):
    """A host with netplan; `used` is the file of it that is in use, `said` what `netplan generate` answers."""
    state = {"used": USED, "get": GET, "said": commands.Result(0, "", ""), "calls": []}

    def run(argv, **_more):
        state["calls"].append(argv)
        return commands.Result(0, state["get"], "") if argv[1] == "get" else state["said"]

    def check(argv):
        done = run(argv)
        if done.rc:
            raise RolloutError(done.said)
        return done.out

    monkeypatch.setattr(netplan, "NETPLAN", str(tmp_path))
    monkeypatch.setattr(netplan, "FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(commands, "found", lambda program: program)
    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(commands, "check", check)
    monkeypatch.setattr(netplan, "source", lambda index, name: state["used"])
    monkeypatch.setattr(netplan.networkd, "alone", lambda index, used: None)
    return state


def test_file(host, tmp_path):
    wrote, remarks = netplan.wanted_files(WISH, 2)
    assert list(wrote) == [f"{tmp_path}/60-ipv6-rollout-eth0.yaml"]
    assert remarks == []
    assert wrote[f"{tmp_path}/60-ipv6-rollout-eth0.yaml"].decode().splitlines()[1:] == [
        "network:",
        "  version: 2",
        "  ethernets:",
        '    "uplink":',
        "      accept-ra: false",
        "      dhcp6: false",
        "      ipv6-privacy: false",
        "      addresses:",
        '        - "2001:db8::1/64"',
        '        - "2001:db8::2/64":',
        "            lifetime: 0",
        "      routes:",
        '        - to: "::/0"',
        '          via: "fe80::1"',
        "          on-link: true",
        "          metric: 1024",
        '        - to: "2001:db8:9::/48"',
        '          via: "fe80::2"',
        "          on-link: true",
        "          metric: 512",
    ]


@pytest.mark.parametrize(
    ("used", "accept_ra", "expected"),
    [
        (USED, "0", ["accept-ra: false", "dhcp6: false"]),
        (USED, "1", ["accept-ra: true"]),
        (PROFILE, "0", ["accept-ra: false", "dhcp6: false"]),
        # For NetworkManager that is the setting which decides.
        (PROFILE, "1", ["accept-ra: true", "dhcp6: true"]),
    ],
)
def test_router_advertisements(host, tmp_path, used, accept_ra, expected):
    host["used"] = used
    wish = WISH._replace(addresses=WISH.addresses[:1], sysctls={**SYSCTLS, "accept_ra": accept_ra})
    text = netplan.wanted_files(wish, 2)[0][f"{tmp_path}/60-ipv6-rollout-eth0.yaml"].decode()
    assert [line.strip() for line in text.splitlines() if "accept-ra" in line or "dhcp6" in line] == expected


def test_name_in_use_decides_over_the_match():
    used = "/run/systemd/network/10-netplan-eth0.5.network"
    assert netplan.definition("eth0", used, netplan.definitions(GET)).kind == "vlans"


def test_unknown_interface():
    with pytest.raises(RolloutError, match=r"netplan knows no eth9; it knows uplink, second, eth2, eth0\.5"):
        netplan.definition("eth9", "", netplan.definitions(GET))


def test_two_definitions_for_one_interface():
    there = netplan.definitions(GET + '    other:\n      match:\n        name: "eth*"\n')
    with pytest.raises(RolloutError, match="eth0 is both uplink and other"):
        netplan.definition("eth0", "", [*there, there[0]._replace(identifier="other")])


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (("fe80::1", "FE80:0::1"), False),
        (("fe80::1", "fe80::9"), True),
        (('1024\n        to: "::/0"\n        via: "fe80::1', '50\n        to: "::/0"\n        via: "fe80::9'), False),
        (('to: "::/0"\n        via: "fe80::1"', 'table: 100\n        to: "::/0"\n        via: "fe80::9"'), False),
        (
            (
                '- metric: 1024\n        to: "::/0"\n        via: "fe80::1"',
                '- from: "2001:db8::/64"\n        to: "::/0"\n        via: "fe80::9"',
            ),
            False,
        ),
        (("      routes:", '      gateway6: "fe80::9"\n      routes:'), True),
        (('to: "::/0"\n        via: "fe80::1"', 'to: "2001:db8::/32"\n        via: "fe80::9"'), False),
        (('to: "::/0"\n        via: "fe80::1"', 'to: "default"\n        via: "192.0.2.1"'), False),
    ],
)
def test_two_default_routes(host, change, refused):
    assert change[0] in GET
    host["get"] = GET.replace(*change, 1)
    if refused:
        with pytest.raises(RolloutError, match="netplan's uplink has a default route via fe80::9"):
            netplan.wanted_files(WISH, 2)
        netplan.wanted_files(WISH._replace(gateway=None), 2)
    else:
        netplan.wanted_files(WISH, 2)


def test_refused_by_netplan(host):
    host["said"] = commands.Result(1, "", "ERROR: uplink: no such thing\n")
    with pytest.raises(RolloutError, match=r"netplan refuses what .*rollout-eth0.yaml would say: ERROR: uplink"):
        netplan.wanted_files(WISH, 2)


def test_warning_is_passed_on_once(host, tmp_path):
    host["said"] = commands.Result(0, "", "Conflicting default route declarations\nFailed to send reload request: x\n")
    wrote, remarks = netplan.wanted_files(WISH, 2)
    assert remarks == ["netplan warns: Conflicting default route declarations"]
    for path, content in wrote.items():
        (tmp_path / path).write_bytes(content)
    assert netplan.wanted_files(WISH, 2)[1] == []


def test_networkmanager_renderer_has_no_lifetimes(host):
    host["used"] = "/run/NetworkManager/system-connections/netplan-uplink.nmconnection"
    with pytest.raises(RolloutError, match=r"2001:db8::2/64 is deprecated, .*renderer: networkd"):
        netplan.wanted_files(WISH, 2)
    assert netplan.wanted_files(WISH._replace(addresses=WISH.addresses[:1]), 2)[0]


def test_settle(host, tmp_path, monkeypatch):
    loaded = []
    profile = "/run/NetworkManager/system-connections/netplan-uplink.nmconnection"
    monkeypatch.setattr(netplan.networkmanager, "load", loaded.append)
    monkeypatch.setattr(netplan.networkmanager, "profile_path", lambda name: profile)
    netplan.settle("eth0", ["/etc/network/interfaces"])
    assert not host["calls"]
    netplan.settle("eth0", [f"{tmp_path}/60-ipv6-rollout-eth0.yaml"])
    assert host["calls"] == [["netplan", "generate"]]
    assert loaded == [profile]
