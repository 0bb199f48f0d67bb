# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the back ends."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import interface_files as persistent
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import wanted

OURS = "/etc/network/interfaces.d/60-ipv6-rollout-eth0"


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
    assert persistent.sourced(text, OURS) is expected


def test_stanzas():
    boot, found = persistent.stanzas(
        "auto lo eth0\nallow-hotplug eth1\n# auto eth9\niface eth0 inet static\n  address 192.0.2.1/24\n"
        "iface eth0 inet6 static\n  address 2001:db8::5/64\nmapping eth2\n  script x\n"
    )
    assert boot == {"lo", "eth0", "eth1"}
    assert [(stanza.family, dict(stanza.options)) for stanza in found] == [
        ("inet", {"address": "192.0.2.1/24"}),
        ("inet6", {"address": "2001:db8::5/64"}),
    ]


def test_ifupdown():
    wish = wanted("eth0", ["2001:db8::1/64", "2001:db8::2/64"], "fe80::1", False, False, False)
    text = persistent.ifupdown_text(wish, set(), [])
    assert text.splitlines()[1:] == [
        "auto eth0",
        "iface eth0 inet6 static",
        "    address 2001:db8::1/64",
        "    gateway fe80::1",
        "    accept_ra 0",
        "    autoconf 0",
        "    privext 0",
        "iface eth0 inet6 static",
        "    address 2001:db8::2/64",
    ]


def test_ifupdown_leaves_out_what_others_have():
    wish = wanted("eth0", ["2001:db8::1/64", "2001:db8::2/64"], None, False, False, False)
    _boot, found = persistent.stanzas("auto eth0\niface eth0 inet6 static\n address 2001:DB8::1/64\n")
    text = persistent.ifupdown_text(wish, {"eth0"}, found)
    assert "2001:db8::1/" not in text
    assert "auto" not in text.splitlines()[1]
    assert "accept_ra 0" in text


@pytest.mark.parametrize(("name", "expected"), [("eth0", "eth0"), ("eth0.5", "eth0_5"), ("br-lan", "br-lan")])
def test_own_name(name, expected):
    assert persistent.own_name(name) == expected


def test_networkd():
    wish = wanted("eth0", ["2001:db8::1/64"], "fe80::1", False, False, False)
    drop_in = persistent.networkd_text(wish, False)
    assert "[Match]" not in drop_in
    assert drop_in.endswith("[Address]\nAddress=2001:db8::1/64\n\n[Route]\nGateway=fe80::1\nGatewayOnLink=yes\n")
    whole = persistent.networkd_text(wish, True)
    assert "Name=eth0\n" in whole
    assert "KeepConfiguration=yes\n" in whole


def test_source_line_comes_out_again():
    before = b"auto lo\niface lo inet loopback\n"
    edited = before + persistent.SOURCE.encode() + b"# edited later\n"
    assert persistent.without_source(edited) == before + b"# edited later\n"
