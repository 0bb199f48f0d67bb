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


def sourced(content, path):
    """Whether a line of /etc/network/interfaces reads a file that is not there yet."""
    return any(
        ifupdown._matches(path, pattern) and ifupdown._allowed(line, path)
        for line in ifupdown.logical_lines(content)
        for pattern in ifupdown._patterns(line, "/etc/network")
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
        ("source\t/etc/network/interfaces.d/*\n", True),
        ("source /etc/none/* /etc/network/interfaces.d/*\n", True),
        ("source /etc//network/interfaces.d/*\n", True),
        ("source ../network/interfaces.d/*\n", True),
        ("source 'interfaces.d'/*\n", True),
        ('source "interfaces.d"/60\\-*\n', True),
        ("source 'interfaces.d/*'\n", False),
        ("source /etc/network/interfaces.d/60-[^x]*\n", True),
        # As ifupdown does it: a quote is no slash, so the path begins in /etc/network.
        ("source '/etc/network/interfaces.d/60-ipv6-rollout-eth0'\n", False),
        ("source '/etc/network/\n", False),
        ("source /etc/network/*\n", False),
        ("source /etc/network/*/*\n", True),
        ("source-directory /etc/network/inter*\n", True),
        ("source-dir interfaces.d\n", True),
        # A comment ends with its line, a line that goes on is no comment any more.
        ("# x \\\nsource interfaces.d/*\n", True),
        ("auto \\\n# x\nsource interfaces.d/*\n", True),
        ("auto x\\\n#source interfaces.d/*\n", False),
    ],
)
def test_sourced(text, expected):
    assert sourced(text, OURS) is expected


@pytest.mark.parametrize(("name", "expected"), [("eth0.cfg", False), ("eth0", True), (".eth0", False)])
def test_source_directory_takes_plain_names_only(name, expected):
    assert sourced("source-directory interfaces.d\n", f"/etc/network/interfaces.d/{name}") is expected


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
    _boot, found = ifupdown.stanzas("auto eth0\niface eth0 inet6 static\n address 2001:DB8:0::1/64\n")
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


def test_what_others_have_is_deprecated_where_it_is_there():
    _boot, found = ifupdown.stanzas("iface eth0 inet6 static\n address 2001:db8:0::2\n netmask 64\n")
    change = (
        '    up [ -z "$(ip -6 -o addr show dev eth0 to 2001:db8::2)" ] || '
        "ip -6 addr change 2001:db8::2/64 dev eth0 preferred_lft 0"
    )
    both = WISH, WISH._replace(addresses=WISH.addresses[1:])
    assert [ifupdown.file_text(wish, {"eth0"}, found).splitlines().count(change) for wish in both] == [1, 1]


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


def test_knows_what_is_sourced_at_any_depth(etc):
    (etc / "run").mkdir()
    (etc / "run" / "eth0").write_text("iface eth0 inet dhcp\n")
    (etc / "run" / "eth1.cfg").write_text("iface eth1 inet dhcp\n")
    (etc / "interfaces.d" / "cloud").write_text(f"source-directory {etc}/run\nsource ../interfaces\n")
    (etc / "interfaces").write_text("source interfaces.d/*\n")
    assert ifupdown.knows("eth0") == str(etc / "run" / "eth0")
    assert ifupdown.knows("eth1") == ""


def test_ours_is_sourced_by_a_file_that_is_sourced(etc):
    (etc / "more").write_text("source interfaces.d/*\n")
    (etc / "interfaces").write_text("source more\n")
    wrote, remarks = ifupdown.wanted_files(WISH)
    assert (list(wrote), remarks) == ([str(etc / "interfaces.d" / "60-ipv6-rollout-eth0")], [])


@pytest.mark.parametrize(
    ("stanza", "refused"),
    [
        ("iface eth0 inet6 static\n address 2001:db8::7/64\n gateway fe80::99\n", True),
        ("iface eth0 inet6 static\n address 2001:db8::7/64\n gateway fe80:0::1\n", False),
        ("iface eth0 inet6 static\n address 2001:db8::7/64\n gateway fe80::99\n metric 50\n", False),
        ("iface eth1 inet6 static\n address 2001:db8::7/64\n gateway fe80::99\n", False),
        ("iface eth0 inet static\n address 192.0.2.7/24\n gateway 192.0.2.1\n", False),
    ],
)
def test_another_router_is_refused(etc, stanza, refused):
    (etc / "interfaces").write_text(f"{stanza}source interfaces.d/*\n")
    if refused:
        with pytest.raises(RolloutError, match=r"interfaces has a default route via fe80::99 already"):
            ifupdown.wanted_files(WISH)
        ifupdown.wanted_files(WISH._replace(gateway=None))
    else:
        assert ifupdown.wanted_files(WISH)[0]


@pytest.mark.parametrize(
    ("main", "accept_ra", "expected"),
    [
        ("iface eth0 inet6 auto\nsource interfaces.d/*\n", "0", ["inet6 auto' switches router advertisements on"]),
        ("iface eth0 inet6 auto\nsource interfaces.d/*\n", "1", []),
        ("iface eth0 inet6 manual\n accept_ra 2\nsource interfaces.d/*\n", "0", ["inet6 manual' switches"]),
        ("iface eth0 inet6 static\n accept_ra 0\nsource interfaces.d/*\n", "1", ["advertisements off at boot"]),
        ("iface eth1 inet6 auto\nsource interfaces.d/*\n", "0", []),
        ("source interfaces.d/*\niface eth0 inet6 static\n address 2001:db8::2/64\n", "0", ["comes after our file"]),
        ("iface eth0 inet6 static\n address 2001:db8::2/64\nsource interfaces.d/*\n", "0", []),
        (
            "source interfaces.d/*\niface eth0 inet6 static\n address 2001:db8::2/64\n preferred-lifetime 0\n",
            "0",
            [],
        ),
    ],
)
def test_what_works_against_it_is_told(etc, main, accept_ra, expected):
    (etc / "interfaces").write_text(main)
    remarks = ifupdown.wanted_files(WISH._replace(sysctls={**SYSCTLS, "accept_ra": accept_ra}))[1]
    assert (
        [part in remark for part, remark in zip(expected, remarks)] == [True] * len(expected) == [True] * len(remarks)
    )


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


@pytest.mark.parametrize(
    ("packaged", "other", "stays"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_folder_goes_with_its_last_file(etc, monkeypatch, packaged, other, stays):
    folder = etc / "interfaces.d"
    (etc / "list").write_text(f"/.\n{etc}\n{folder if packaged else ''}\n")
    monkeypatch.setattr(ifupdown, "PACKAGED", str(etc / "list"))
    if other:
        (folder / "theirs").write_text("")
    ifupdown.remove_folder(str(etc / "interfaces"))
    assert folder.exists()
    ifupdown.remove_folder(str(folder / "60-ipv6-rollout-eth0"))
    assert folder.exists() is stays
