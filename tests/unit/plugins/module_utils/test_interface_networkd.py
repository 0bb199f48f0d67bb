# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file for systemd-networkd."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import interface_networkd as networkd
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


@pytest.fixture(name="links")
def fixture_links(tmp_path, monkeypatch):
    monkeypatch.setattr(networkd, "LINKS", str(tmp_path))

    def link(index, file):
        (tmp_path / str(index)).write_text(f"ADMIN_STATE=configured\n{f'NETWORK_FILE={file}' if file else ''}\nDNS=\n")

    return link


def test_drop_in():
    assert networkd.file_text(WISH, False).splitlines()[1:] == [
        "[Network]",
        "IPv6AcceptRA=no",
        "IPv6PrivacyExtensions=no",
        "",
        "[Address]",
        "Address=2001:db8::1/64",
        "",
        "[Address]",
        "Address=2001:db8::2/64",
        "PreferredLifetime=0",
        "",
        "[Route]",
        "Destination=::/0",
        "Gateway=fe80::1",
        "GatewayOnLink=yes",
        "Metric=1024",
        "",
        "[Route]",
        "Destination=2001:db8:9::/48",
        "Gateway=fe80::2",
        "GatewayOnLink=yes",
        "Metric=512",
    ]


def test_own_file_keeps_what_is_there():
    whole = networkd.file_text(WISH._replace(name="eth0.5"), True)
    assert "[Match]\nName=eth0.5\n" in whole
    assert "KeepConfiguration=yes\n" in whole


@pytest.mark.parametrize(
    ("sysctls", "expected"),
    [
        ({"accept_ra": "1", "autoconf": "0", "use_tempaddr": "0"}, ["yes", "no", True]),
        ({"accept_ra": "2", "autoconf": "1", "use_tempaddr": "2"}, ["yes", "yes", False]),
        ({"accept_ra": "0", "autoconf": "0", "use_tempaddr": "0"}, ["no", "no", False]),
    ],
)
def test_router_advertisements(sysctls, expected):
    text = networkd.file_text(WISH._replace(sysctls=sysctls), False)
    assert f"IPv6AcceptRA={expected[0]}\n" in text
    assert f"IPv6PrivacyExtensions={expected[1]}\n" in text
    # An address of its own making next to the planned one would be a source address without a PTR.
    assert ("UseAutonomousPrefix=no\n" in text) is expected[2]


def test_paths(links):
    links(2, "/run/systemd/network/20-uplink.network")
    links(3, "")
    drop_in = "/etc/systemd/network/20-uplink.network.d/60-ipv6-rollout.conf"
    assert list(networkd.wanted_files(WISH, 2)) == [drop_in]
    own = "/etc/systemd/network/60-ipv6-rollout-eth0.network"
    assert list(networkd.wanted_files(WISH, 3)) == [own]
    links(3, own)
    assert list(networkd.wanted_files(WISH, 3)) == [own]


def test_a_file_for_several_interfaces(links):
    links(2, "/etc/systemd/network/all.network")
    links(3, "/etc/systemd/network/all.network")
    with pytest.raises(RolloutError, match="configures more than one interface"):
        networkd.wanted_files(WISH, 2)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[Network]\nGateway=192.0.2.1\nGateway = fe80::9\n", ["192.0.2.1", "fe80::9"]),
        ("[Route]\nGateway=fe80::9\n[Route]\nGateway=fe80::8\nMetric=50\n", ["fe80::9"]),
        ("[Route]\nDestination=2001:db8::/32\nGateway=fe80::9\n", []),
        ("[Route]\nDestination=::/0\nGateway=fe80::9\nMetric=1024\n", ["fe80::9"]),
        ("  [Network]\n  Gateway=fe80::9\n", ["fe80::9"]),
        ("[Route]\nDestination=0:0::/0\nGateway=fe80::9\nMetric=0x400\n", ["fe80::9"]),
        ("[Route]\nGateway=fe80::9\nMetric=02000\n", ["fe80::9"]),
        ("[Route]\nGateway=fe80::9\nMetric=x\n", ["fe80::9"]),
        ("[Route]\nGateway=fe80::9\nMetric=0x32\n", []),
        ("[Route]\nGateway=fe80::9\nTable=100\n", []),
        ("[Route]\nGateway=fe80::9\nTable=main\n", ["fe80::9"]),
        ("[Route]\nGateway=fe80::9\nSource=2001:db8::/32\n", []),
        ("[Network]\n;Gateway=fe80::9\nGateway=\n", []),
        ("[Network]\n#Gateway=fe80::9\nAddress=2001:db8::9/64\n", []),
    ],
)
def test_routers(content, expected):
    assert networkd.routers(content) == expected


def test_another_default_route_is_refused(links, tmp_path):
    file = tmp_path / "20-uplink.network"
    links(2, file)
    file.write_text("[Network]\nGateway=fe80::9\n")
    with pytest.raises(RolloutError, match=r"20-uplink\.network has a default route via fe80::9 already"):
        networkd.wanted_files(WISH, 2)
    file.write_text("[Network]\nGateway=192.0.2.1\nGateway=fe80:0:0::1\nGateway=_ipv6ra\n")
    assert networkd.wanted_files(WISH, 2)


@pytest.fixture(name="folders")
def fixture_folders(tmp_path, monkeypatch, links):
    """The folders of networkd, the first one first, each with drop-ins of 20-uplink.network."""
    names = [str(tmp_path / name) for name in ("etc", "run", "local", "usr")]
    monkeypatch.setattr(networkd, "FOLDERS", tuple(names))
    for folder in ("etc", "run", "local", "usr"):
        (tmp_path / folder / "20-uplink.network.d").mkdir(parents=True)
    links(2, "/run/systemd/network/20-uplink.network")

    def write(folder, name, content):
        (tmp_path / folder / "20-uplink.network.d" / name).write_text(content)

    return write


@pytest.mark.parametrize("folder", ["etc", "run", "local", "usr"])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("50-x.conf", "[Network]\nGateway=fe80::9\n", "via fe80::9 already"),
        ("70-x.conf", "[Route]\nGateway=fe80::9\n", "via fe80::9 already"),
        ("70-x.conf", "[Network]\nAddress=\n", "empty 'Address=' takes away"),
        ("70-x.conf", "[Network]\nGateway=\n", "empty 'Gateway=' takes away"),
        ("50-x.conf", "[Network]\nAddress=\nGateway=\n", None),
        ("70-x.conf", "[Network]\nAddress=2001:db8::7/64\n", None),
        ("70-x.conf", "[Network]\nGateway=fe80:0::1\n", None),
    ],
)
def test_drop_ins_of_all_folders(folders, folder, name, content, message):
    folders(folder, name, content)
    if message:
        with pytest.raises(RolloutError, match=message):
            networkd.wanted_files(WISH, 2)
    else:
        assert networkd.wanted_files(WISH, 2)


def test_a_drop_in_hides_those_of_later_folders(folders):
    folders("usr", "50-x.conf", "[Network]\nGateway=fe80::9\n")
    folders("run", "50-x.conf", "")
    assert networkd.wanted_files(WISH, 2)


@pytest.mark.parametrize(
    ("name", "line", "accept_ra", "said"),
    [
        ("70-x.conf", "IPv6AcceptRA=yes", "0", True),
        ("70-x.conf", "IPv6AcceptRA=no", "1", True),
        ("70-x.conf", "IPv6AcceptRA=True", "1", False),
        ("50-x.conf", "IPv6AcceptRA=yes", "0", False),
        ("70-x.conf", "#IPv6AcceptRA=yes", "0", False),
    ],
)
def test_a_later_drop_in_decides_on_advertisements(folders, name, line, accept_ra, said):
    folders("usr", name, f"[Network]\n{line}\n")
    wish = WISH._replace(sysctls={**SYSCTLS, "accept_ra": accept_ra})
    assert [name in remark for remark in networkd.remarks(wish, 2)] == [True] * said


def test_folder_goes_with_its_last_file(tmp_path, monkeypatch):
    monkeypatch.setattr(networkd, "NETWORKD", str(tmp_path))
    folder = tmp_path / "20-uplink.network.d"
    folder.mkdir()
    (folder / "theirs.conf").write_text("")
    networkd.remove_folder(str(folder / "ours.conf"))
    assert folder.exists()
    (folder / "theirs.conf").unlink()
    networkd.remove_folder(str(folder / "ours.conf"))
    assert not folder.exists()
    networkd.remove_folder(str(tmp_path / "60-ipv6-rollout-eth0.network"))
    assert tmp_path.exists()
