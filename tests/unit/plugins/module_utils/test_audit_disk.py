# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration of a host would set at boot, read for each of the four back ends."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_disk, commands

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
MACS = {"eth0": "02:00:00:00:00:01", "eth1": "02:00:00:00:00:02"}
LINKS = [{"name": "lo", "mac": "00:00:00:00:00:00"}, *({"name": name, "mac": mac} for name, mac in MACS.items())]


def address(text, interface="eth0"):
    plain, _slash, length = text.partition("/")
    return {"interface": interface, "address": plain, "length": int(length)}


def gateway(text, interface="eth0"):
    return {"interface": interface, "address": text}


def dynamic(family, interface="eth0"):
    return {"interface": interface, "family": family}


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose files are in a folder of the test."""
    monkeypatch.setattr(audit_disk.ifupdown, "INTERFACES", str(tmp_path / "interfaces"))
    monkeypatch.setattr(audit_disk.networkd, "NETWORKD", str(tmp_path / "network"))
    monkeypatch.setattr(audit_disk.networkd, "FOLDERS", (str(tmp_path / "network"), str(tmp_path / "vendor")))
    monkeypatch.setattr(audit_disk.netplan, "FOLDERS", (str(tmp_path / "netplan"),))
    monkeypatch.setattr(audit_disk, "PROFILES", (str(tmp_path / "profiles"),))
    monkeypatch.setattr(audit_disk, "_starts", lambda unit: False)
    return tmp_path


def put(host, files):
    for name, text in files.items():
        path = host / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("HERE", str(host)))


# name: (text, addresses, gateways, dynamic, whether there is a problem)
IFUPDOWN = {
    "static": (
        "auto eth0\niface eth0 inet6 static\n address 2001:db8::80/64\n gateway fe80::1\n",
        [address("2001:db8::80/64")],
        [gateway("fe80::1")],
        [],
        False,
    ),
    "netmask": (
        "auto eth0\niface eth0 inet static\n address 192.0.2.80\n netmask 255.255.255.0\n gateway 192.0.2.1\n"
        "iface eth0 inet6 static\n address 2001:db8::80\n netmask 64\n",
        [address("192.0.2.80/24"), address("2001:db8::80/64")],
        [gateway("192.0.2.1")],
        [],
        False,
    ),
    "not at boot": ("iface eth0 inet6 static\n address 2001:db8::80/64\n", [], [], [], False),
    "pattern": (
        "auto /eth*\niface eth1 inet6 static\n address 2001:db8::81/64\n",
        [address("2001:db8::81/64", "eth1")],
        [],
        [],
        False,
    ),
    "label": (
        "auto eth0:1\niface eth0:1 inet static\n address 192.0.2.81/24\n",
        [address("192.0.2.81/24")],
        [],
        [],
        False,
    ),
    "automatic": (
        "allow-hotplug eth0\niface eth0 inet dhcp\niface eth0 inet6 auto\n",
        [],
        [],
        [dynamic("ipv4"), dynamic("ipv6")],
        False,
    ),
    "advertisements beside a static one": (
        "auto eth0\niface eth0 inet6 static\n address 2001:db8::80/64\n accept_ra 2\n",
        [address("2001:db8::80/64")],
        [],
        [dynamic("ipv6")],
        False,
    ),
    "commands": (
        "auto eth0\niface eth0 inet6 manual\n"
        " up ip -6 addr add 2001:db8::80/64 dev $IFACE preferred_lft 0\n"
        " up ip addr add 2001:db8::81/64 dev eth1\n"
        " up ip -6 addr change 2001:db8::99/64 dev eth0\n"
        " post-up ip -6 route replace default via fe80::1 dev eth0 metric 1024 onlink\n"
        " down ip -6 addr add 2001:db8::98/64 dev eth0\n",
        [address("2001:db8::80/64"), address("2001:db8::81/64", "eth1")],
        [gateway("fe80::1")],
        [],
        False,
    ),
    "a name": ("auto eth0\niface eth0 inet6 static\n address www.example.com\n", [], [], [], True),
    "loopback": ("auto lo\niface lo inet loopback\n", [], [], [], False),
    "twice": (
        "auto eth0\niface eth0 inet6 static\n address 2001:db8::80/64\niface eth0 inet6 static\n"
        " address 2001:DB8:0::80/64\n",
        [address("2001:db8::80/64")],
        [],
        [],
        False,
    ),
}


@pytest.mark.parametrize("name", IFUPDOWN)
def test_ifupdown(host, name):
    text, addresses, gateways, asks, problem = IFUPDOWN[name]
    put(host, {"interfaces": "source HERE/interfaces.d/*\n", "interfaces.d/one": text})
    found = audit_disk.look("ifupdown", LINKS)
    assert (found["addresses"], found["gateways"], found["dynamic"]) == (addresses, gateways, asks)
    assert bool(found["problem"]) is problem
    assert found["files"] == [str(host / "interfaces"), str(host / "interfaces.d/one")]


def test_ifupdown_stays_beside_another_back_end(host, monkeypatch):
    monkeypatch.setattr(audit_disk, "_starts", lambda unit: unit == "networking.service")
    put(host, {"interfaces": "auto eth0\niface eth0 inet6 static\n address 2001:db8::80/64\n"})
    found = audit_disk.look("networkd", LINKS)
    assert (found["backend"], found["addresses"]) == ("networkd", [address("2001:db8::80/64")])


# name: (files, addresses, gateways, dynamic)
NETWORKD = {
    "all in one": (
        {"network/eth.network": "[Match]\nName=eth0\n[Network]\nAddress=2001:db8::80/64\nGateway=fe80::1\n"},
        [address("2001:db8::80/64")],
        [gateway("fe80::1")],
        [dynamic("ipv6")],
    ),
    "sections": (
        {
            "network/eth.network": "[Match]\nName=eth0\n[Network]\nIPv6AcceptRA=no\n"
            "[Address]\nAddress=2001:db8::80/64\n[Route]\nGateway=fe80::1\nDestination=::/0\n[Route]\nGateway=fe80::2\nDestination=2001:db8:1::/48\n"
        },
        [address("2001:db8::80/64")],
        [gateway("fe80::1")],
        [],
    ),
    "the first file that fits": (
        {
            "network/20-late.network": "[Match]\nName=eth*\n[Network]\nAddress=2001:db8::20/64\nIPv6AcceptRA=no\n",
            "network/10-early.network": "[Match]\nName=eth0\n[Network]\nAddress=2001:db8::10/64\nIPv6AcceptRA=no\n",
        },
        [address("2001:db8::10/64"), address("2001:db8::20/64", "eth1")],
        [],
        [],
    ),
    "a drop-in, ours among them": (
        {
            "network/eth.network": "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=yes\n",
            "network/eth.network.d/60-ipv6-rollout.conf": "[Network]\nIPv6AcceptRA=no\n"
            "[Address]\nAddress=2001:db8::80/64\n[Route]\nDestination=::/0\nGateway=fe80::1\n",
        },
        [address("2001:db8::80/64")],
        [gateway("fe80::1")],
        [dynamic("ipv4")],
    ),
    "an empty line takes all back": (
        {
            "network/eth.network": "[Match]\nName=eth0\n[Network]\nAddress=2001:db8::80/64\nIPv6AcceptRA=no\n",
            "network/eth.network.d/z.conf": "[Network]\nAddress=\nAddress=2001:db8::81/64\n",
        },
        [address("2001:db8::81/64")],
        [],
        [],
    ),
    "of two files with one name the first folder's": (
        {
            "vendor/eth.network": "[Match]\nName=eth0\n[Network]\nAddress=2001:db8::66/64\n",
            "network/eth.network": "[Match]\nName=eth0\n[Network]\nAddress=2001:db8::80/64\nIPv6AcceptRA=no\n",
        },
        [address("2001:db8::80/64")],
        [],
        [],
    ),
    "by MAC address": (
        {
            "network/a.network": "[Match]\nMACAddress=02-00-00-00-00-02\n[Network]\nAddress=2001:db8::81/64\n"
            "IPv6AcceptRA=no\n"
        },
        [address("2001:db8::81/64", "eth1")],
        [],
        [],
    ),
    "all but one": (
        {"network/a.network": "[Match]\nName=!eth0\n[Network]\nAddress=2001:db8::81/64\nIPv6AcceptRA=no\n"},
        [address("2001:db8::81/64", "eth1")],
        [],
        [],
    ),
    "by what is not known here": ({"network/a.network": "[Match]\nType=ether\n[Network]\nDHCP=yes\n"}, [], [], []),
    "two lines are one list": (
        {
            "network/a.network": "[Match]\nName=nothing\nName=eth1\n"
            "[Network]\nAddress=2001:db8::81/64\nIPv6AcceptRA=no\n"
        },
        [address("2001:db8::81/64", "eth1")],
        [],
        [],
    ),
    "nothing": ({}, [], [], []),
}


@pytest.mark.parametrize("name", NETWORKD)
def test_networkd(host, name):
    files, addresses, gateways, asks = NETWORKD[name]
    put(host, files)
    found = audit_disk.look("networkd", LINKS)
    assert (found["addresses"], found["gateways"], found["dynamic"]) == (addresses, gateways, asks)


def test_networkd_knows_best_what_a_match_means(host, monkeypatch):
    put(host, {"network/a.network": "[Match]\nType=ether\n[Network]\nAddress=2001:db8::80/64\nIPv6AcceptRA=no\n"})
    monkeypatch.setattr(audit_disk, "_used", lambda name: str(host / "network/a.network") if name == "eth0" else "")
    assert audit_disk.look("networkd", LINKS)["addresses"] == [address("2001:db8::80/64")]


NETPLAN = """\
network:
  version: 2
  ethernets:
    eth0:
      addresses:
      - "2001:db8::80/64"
      - "2001:db8::81/64":
          lifetime: "0"
      nameservers:
        addresses:
        - "2001:db8::53"
      accept-ra: false
      dhcp4: true
      routes:
      - to: "::/0"
        via: "fe80::1"
    other:
      match:
        macaddress: "02:00:00:00:00:02"
      addresses:
      - 192.0.2.81/24
      gateway4: 192.0.2.1
"""


def test_netplan(host, monkeypatch):
    put(host, {"netplan/a.yaml": "network: {version: 2}\n"})
    monkeypatch.setattr(audit_disk.commands, "run", lambda *_given, **_more: commands.Result(0, NETPLAN, ""))
    found = audit_disk.look("netplan", LINKS)
    assert found["addresses"] == [
        address("2001:db8::80/64"),
        address("2001:db8::81/64"),
        address("192.0.2.81/24", "eth1"),
    ]
    assert found["gateways"] == [gateway("fe80::1"), gateway("192.0.2.1", "eth1")]
    assert found["dynamic"] == [dynamic("ipv4"), dynamic("ipv6", "eth1")]
    assert found["files"] == [str(host / "netplan/a.yaml")]
    assert found["problem"] == ""


def test_netplan_that_can_not_be_read_is_a_problem(host, monkeypatch):
    monkeypatch.setattr(audit_disk.commands, "run", lambda *_given, **_more: commands.Result(1, "", "a bad\nfile"))
    assert audit_disk.look("netplan", LINKS)["problem"] == "netplan get: a bad file"


def profile(name="", more="", ipv6="method=manual\naddress1=2001:db8::80/64,fe80::1\n"):
    wanted = f"interface-name={name}\n" if name else ""
    return f"[connection]\nid=one\ntype=ethernet\n{wanted}{more}\n[ipv4]\nmethod=disabled\n\n[ipv6]\n{ipv6}"


# name: (files, addresses, gateways, dynamic, whether there is a problem)
NETWORKMANAGER = {
    "manual": (
        {"profiles/a.nmconnection": profile("eth0")},
        [address("2001:db8::80/64")],
        [gateway("fe80::1")],
        [],
        False,
    ),
    "with a route": (
        {
            "profiles/a.nmconnection": profile(
                "eth0",
                ipv6="method=auto\naddress1=2001:db8::80/64\nroute1=::/0,fe80::1,1024\nroute1_options=onlink=true\n",
            )
        },
        [address("2001:db8::80/64")],
        [gateway("fe80::1")],
        [dynamic("ipv6")],
        False,
    ),
    "by MAC address": (
        {"profiles/a.nmconnection": profile() + "\n[ethernet]\nmac-address=02:00:00:00:00:02\n"},
        [address("2001:db8::80/64", "eth1")],
        [gateway("fe80::1", "eth1")],
        [],
        False,
    ),
    "not at boot": ({"profiles/a.nmconnection": profile("eth0", "autoconnect=false\n")}, [], [], [], False),
    "the more urgent": (
        {
            "profiles/a.nmconnection": profile("eth0", "autoconnect-priority=5\n"),
            "profiles/b.nmconnection": profile("eth0", ipv6="method=manual\naddress1=2001:db8::99/64\n"),
        },
        [address("2001:db8::80/64")],
        [gateway("fe80::1")],
        [],
        False,
    ),
    "two alike": (
        {"profiles/a.nmconnection": profile("eth0"), "profiles/b.nmconnection": profile("eth0")},
        [address("2001:db8::80/64")],
        [gateway("fe80::1")],
        [],
        True,
    ),
}


@pytest.mark.parametrize("name", NETWORKMANAGER)
def test_networkmanager(host, name):
    files, addresses, gateways, asks, problem = NETWORKMANAGER[name]
    put(host, files)
    found = audit_disk.look("networkmanager", LINKS)
    assert (found["addresses"], found["gateways"], found["dynamic"]) == (addresses, gateways, asks)
    assert bool(found["problem"]) is problem


def test_without_a_back_end_nothing_can_be_told(host):
    found = audit_disk.look("", LINKS)
    assert found["addresses"] == []
    assert "nothing was found" in found["problem"]


WORDS = st.sampled_from(
    ["auto", "iface", "eth0", "inet6", "static", "address", "2001:db8::80/64", "up", "ip -6 addr add", "\\", "source"]
    + ["[Match]", "[Network]", "[Address]", "[ipv6]", "[connection]", "Name=eth0", "Address=", "address1=", "Gateway="]
    + ["network:", "  ethernets:", "    eth0:", "      addresses:", "      - x", "      -", ":", "'", '"', "\x00", "*"]
)
TEXTS = st.lists(WORDS | st.text(max_size=6), max_size=40).map("\n".join) | st.lists(WORDS, max_size=40).map(" ".join)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=TEXTS, backend=st.sampled_from(["ifupdown", "networkd", "netplan", "networkmanager"]))
def test_any_text_gives_an_answer(tmp_path_factory, text, backend):
    host = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_disk.ifupdown, "INTERFACES", str(host / "interfaces"))
        patch.setattr(audit_disk.networkd, "NETWORKD", str(host / "network"))
        patch.setattr(audit_disk.networkd, "FOLDERS", (str(host / "network"),))
        patch.setattr(audit_disk, "PROFILES", (str(host / "network"),))
        patch.setattr(audit_disk.commands, "run", lambda *_given, **_more: commands.Result(0, text, ""))
        for name in ("interfaces", "network/a.network", "network/a.nmconnection"):
            (host / name).parent.mkdir(exist_ok=True)
            (host / name).write_text(text, encoding="utf-8", errors="replace")
        found = audit_disk.look(backend, LINKS)
    for entry in found["addresses"]:
        assert set(entry) == {"interface", "address", "length"}
    assert len(found["problem"]) <= 1000
