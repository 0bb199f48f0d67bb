# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file for ifupdown."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_ifupdown as ifupdown
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import Wanted, WantedAddress, WantedRoute

OURS = "/etc/network/interfaces.d/60-ipv6-rollout-eth0"
SYSCTLS = {"accept_ra": "0", "autoconf": "0", "use_tempaddr": "0"}
WISH = Wanted(
    "eth0",
    (WantedAddress("2001:db8::1/64"), WantedAddress("2001:db8::2/64", True)),
    "fe80::1",
    SYSCTLS,
    (WantedRoute("2001:db8:9::/48", "fe80::2", 512),),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source /etc/network/interfaces.d/*\n", True),
        ("source interfaces.d/*\n", True),
        ("source-directory interfaces.d\n", True),
        ("source-directory /etc/network/interfaces.d/\n", True),
        ("# source /etc/network/interfaces.d/*\n", False),
        ("source /etc/network/interfaces.d/*.cfg\n", False),
        ("auto lo\niface lo inet loopback\n", False),
        ("source \\\n /etc/network/interfaces.d/*\n", True),
    ],
)
def test_sourced(text, expected):
    assert ifupdown.sourced(text, OURS) is expected


def test_stanzas():
    boot, found = ifupdown.stanzas(
        "auto lo eth0\nallow-hotplug eth1\n# auto eth9\niface eth0 inet static\n  address 192.0.2.1/24\n"
        "iface eth0 inet6 static\n  address 2001:db8::5/64\nmapping eth2\n  script x\n"
    )
    assert boot == {"lo", "eth0", "eth1"}
    assert [(stanza.family, dict(stanza.options)) for stanza in found] == [
        ("inet", {"address": "192.0.2.1/24"}),
        ("inet6", {"address": "2001:db8::5/64"}),
    ]


def test_file():
    assert ifupdown.file_text(WISH, set(), []).splitlines()[1:] == [
        "auto eth0",
        "iface eth0 inet6 static",
        "    address 2001:db8::1/64",
        "    gateway fe80::1",
        "    accept_ra 0",
        "    autoconf 0",
        "    privext 0",
        "    up ip -6 route replace 2001:db8:9::/48 via fe80::2 dev eth0 metric 512 onlink",
        "iface eth0 inet6 static",
        "    address 2001:db8::2/64",
        "    preferred-lifetime 0",
    ]


def test_routes_without_a_gateway():
    text = ifupdown.file_text(WISH._replace(gateway=None), {"eth0"}, [])
    assert "gateway" not in text
    assert "auto" not in text.splitlines()[1]
    assert text.count("route replace") == 1


def test_what_others_have_is_left_out():
    _boot, found = ifupdown.stanzas("auto eth0\niface eth0 inet6 static\n address 2001:DB8::1/64\n")
    text = ifupdown.file_text(WISH, {"eth0"}, found)
    assert "2001:db8::1/" not in text
    assert "    address 2001:db8::2/64\n    preferred-lifetime 0\n    gateway fe80::1\n" in text


def test_all_addresses_are_in_other_files():
    _boot, found = ifupdown.stanzas(
        "iface eth0 inet6 static\n address 2001:db8::1/64\niface eth0 inet6 static\n address 2001:db8::2/64\n"
    )
    lines = ifupdown.file_text(WISH, {"eth0"}, found).splitlines()
    assert lines[1] == "iface eth0 inet6 manual"
    assert "    up sysctl -qw net/ipv6/conf/eth0/accept_ra=0" in lines
    assert "    up ip -6 route replace ::/0 via fe80::1 dev eth0 metric 1024 onlink" in lines


@pytest.fixture(name="etc")
def fixture_etc(tmp_path, monkeypatch):
    monkeypatch.setattr(ifupdown, "INTERFACES", str(tmp_path / "interfaces"))
    monkeypatch.setattr(ifupdown, "INTERFACES_D", str(tmp_path / "interfaces.d"))
    (tmp_path / "interfaces.d").mkdir()
    return tmp_path


def test_source_line_is_added_where_it_is_missing(etc):
    (etc / "interfaces").write_text("auto lo\niface lo inet loopback")
    wrote, remarks = ifupdown.wanted_files(WISH)
    assert wrote[str(etc / "interfaces")].endswith(b"loopback\n" + ifupdown.SOURCE.encode())
    assert len(remarks) == 1


def test_no_interfaces_file(etc):
    with pytest.raises(RolloutError, match="interfaces is missing"):
        ifupdown.wanted_files(WISH)


def test_knows(etc):
    (etc / "interfaces").write_text(f"source {etc}/interfaces.d/*\niface lo inet loopback\n")
    (etc / "interfaces.d" / "uplink").write_text("iface eth0 inet dhcp\n")
    assert ifupdown.knows("eth0") == str(etc / "interfaces.d" / "uplink")
    assert ifupdown.knows("lo") == str(etc / "interfaces")
    assert ifupdown.knows("eth1") == ""


def test_knows_no_file_that_is_not_read(etc):
    (etc / "interfaces").write_text("iface lo inet loopback\n")
    (etc / "interfaces.d" / "uplink").write_text("iface eth0 inet dhcp\n")
    assert ifupdown.knows("eth0") == ""


def test_settle_reads_only_what_is_ifupdown_s(monkeypatch):
    calls = []
    monkeypatch.setattr(commands, "found", lambda program: program)
    monkeypatch.setattr(commands, "check", calls.append)
    ifupdown.settle(["/etc/netplan/x.yaml"])
    assert not calls
    ifupdown.settle([OURS])
    assert calls == [["ifquery", "--list"]]


def test_source_line_comes_out_again():
    before = b"auto lo\niface lo inet loopback\n"
    edited = before + ifupdown.SOURCE.encode() + b"# edited later\n"
    assert ifupdown.without_source(edited) == before + b"# edited later\n"
