# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile of NetworkManager."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_networkmanager as networkmanager
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
PROFILE = """\
[connection]
id=uplink
uuid=6a1c7a3e-0f0c-4d1b-9a52-5d2f0c9e1b07

[ipv4]
method=manual
address1=198.51.100.14/24

[ipv6]
addr-gen-mode=stable-privacy
method=auto
dns=2001:db8::53;

[proxy]
"""
WANTED = """\
[ipv6]
addr-gen-mode=stable-privacy
dns=2001:db8::53;
method=manual
ip6-privacy=0
address1=2001:db8::1/64
address2=2001:db8::2/64
route1=::/0,fe80::1,1024
route1_options=onlink=true
route2=2001:db8:9::/48,fe80::2,512
route2_options=onlink=true

[proxy]
"""


def changed(content, wish=WISH):
    section = networkmanager.section(networkmanager.section_of(content) or [], wish)
    return networkmanager.with_section(content, section)


def test_only_the_ipv6_section_changes():
    head, _ipv6, _rest = PROFILE.partition("[ipv6]")
    assert changed(PROFILE) == head + WANTED


def test_a_profile_without_the_section():
    bare = "[connection]\nid=uplink\n\n[ipv4]\nmethod=auto\n"
    assert changed(bare).startswith(bare + "\n[ipv6]\nmethod=manual\n")


def test_what_the_user_has_stays():
    theirs = PROFILE.replace(
        "dns=", "address1=2001:db8::9/64,fe80::9\ngateway=fe80::8\nroute3=2001:db8:7::/48,fe80::7\ndns="
    )
    text = changed(theirs)
    assert "address1=2001:db8::9/64\n" in text
    assert "address2=2001:db8::1/64\n" in text
    assert "route3=2001:db8:7::/48,fe80::7\n" in text
    assert "route4=::/0,fe80::1,1024\n" in text
    # One default route: the one that is asked for.
    assert "gateway=" not in text
    assert "fe80::9" not in text
    # Without a gateway the one that is there stays.
    alone = changed(theirs, WISH._replace(gateway=None))
    assert "gateway=fe80::8\n" in alone
    assert "address1=2001:db8::9/64,fe80::9\n" in alone


def test_another_default_route_goes_with_its_options():
    theirs = PROFILE.replace("dns=", "route1=::/0,fe80::9,50\nroute1_options=mtu=1400\ndns=")
    text = changed(theirs)
    assert "fe80::9" not in text
    assert "mtu=1400" not in text


@pytest.mark.parametrize(
    ("sysctls", "expected"),
    [
        ({"accept_ra": "1", "autoconf": "0", "use_tempaddr": "0"}, "method=auto\nip6-privacy=0\n"),
        ({"accept_ra": "2", "autoconf": "1", "use_tempaddr": "2"}, "method=auto\nip6-privacy=2\n"),
        ({"accept_ra": "0", "autoconf": "0", "use_tempaddr": "0"}, "method=manual\nip6-privacy=0\n"),
    ],
)
def test_router_advertisements(sysctls, expected):
    assert expected in changed(PROFILE, WISH._replace(sysctls=sysctls))


@pytest.fixture(name="nmcli")
def fixture_nmcli(tmp_path, monkeypatch):
    """A host whose nmcli answers from `state`."""
    state = {"STATE": "100 (connected)", "UUID": "6a1c", "path": str(tmp_path / "uplink.nmconnection"), "loaded": []}

    def run(argv, **_more):
        if "device" in argv:
            return commands.Result(0, f"GENERAL.STATE:{state['STATE']}\nGENERAL.CON-UUID:{state['UUID']}\n", "")
        return commands.Result(0, f"ffff:/run/x\n6a1c:{state['path']}\n", "")

    monkeypatch.setattr(commands, "found", lambda program: program)
    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(commands, "check", lambda argv: state["loaded"].append(argv[-1]))
    monkeypatch.setattr(networkmanager, "CONNECTIONS", str(tmp_path))
    monkeypatch.setattr(networkmanager, "_several", lambda name: False)
    ledger = tmp_path / "ledger"
    real = files.Ledger
    monkeypatch.setattr(files, "Ledger", lambda name: real(name, str(ledger)))
    (tmp_path / "uplink.nmconnection").write_text(PROFILE)
    return state


def test_every_byte_outside_of_the_section_stays(nmcli, tmp_path):
    odd = b"[wifi]\nssid=\xff\xfe\x0c\xc2\x85\r\n\n[ipv6]\nmethod=auto\n\n[proxy]\nx=\xe4\n"
    (tmp_path / "uplink.nmconnection").write_bytes(odd)
    wrote = networkmanager.wanted_files(WISH)[0][nmcli["path"]]
    assert wrote.startswith(odd[: odd.index(b"[ipv6]")])
    assert wrote.endswith(b"\n\n[proxy]\nx=\xe4\n")


def test_files(nmcli, tmp_path):
    wrote, remarks = networkmanager.wanted_files(WISH)
    script = "/etc/NetworkManager/dispatcher.d/60-ipv6-rollout-eth0"
    assert list(wrote) == [nmcli["path"], script]
    assert remarks == []
    assert b"    for address in 2001:db8::2/64; do\n" in wrote[script]
    assert b"2001:db8::1/" not in wrote[script]
    plain = WISH._replace(addresses=WISH.addresses[:1])
    assert list(networkmanager.wanted_files(plain)[0]) == [nmcli["path"]]


def converge(nmcli, wish):
    """Write what is wanted and note it, as the module does."""
    content = networkmanager.wanted_files(wish)[0][nmcli["path"]]
    ledger = files.Ledger("interface")
    ledger.wrote(nmcli["path"], files.look(nmcli["path"]), content)
    routes = ["default via fe80::1 dev eth0 onlink", *(f"{route.to} via {route.via}" for route in wish.routes)]
    addresses = [address.words for address in wish.addresses]
    ledger.notes["eth0"] = {"addresses": addresses, "routes": routes, "files": [nmcli["path"]]}
    ledger.save()
    files.write(nmcli["path"], content)
    return content.decode()


FULL = PROFILE.replace(
    "dns=",
    "address1=2001:db8::9/64,fe80::9\ngateway=fe80::8\nnever-default=false\nip6-privacy=2\n"
    "route1=::/0,fe80::7,50\nroute1_options=mtu=1400\nroute2=2001:db8:7::/48,fe80::7\ndns=",
)
OTHER = WISH._replace(addresses=(WantedAddress("2001:db8::3/64"),), routes=())
LINES = [
    "method=auto",
    "method=disabled",
    "ip6-privacy=2",
    "dns=2001:db8::53;",
    "# a remark",
    "",
    "gateway=fe80::8",
    "never-default=true",
    "address1=2001:db8::9/64,fe80::9",
    "address2=2001:db8::1/64",
    "address3=2001:db8:0::2/64",
    "addresses4=2001:db8::8/64;",
    "route1=::/0,fe80::7,50",
    "route1_options=mtu=1400",
    "route2=2001:db8:9::/48,fe80::7",
    "route2_options=onlink=true",
    "route3=2001:db8:7::/48,fe80::7",
]
EDITS = [
    ("198.51.100.14", "198.51.100.15"),
    ("dns=2001:db8::53;", "dns=2001:db8::54;"),
    ("dns=2001:db8::53;\n", ""),
    ("dns=", "address9=2001:db8::77/64\ndns="),
    ("[proxy]\n", "[proxy]\n\n[user]\nx=y\n"),
]


@pytest.mark.parametrize("before", [PROFILE, FULL, "[connection]\nid=x\n", "[connection]\nid=x\n\n[ipv6]"])
def test_again_another_and_back(nmcli, tmp_path, before):
    path = tmp_path / "uplink.nmconnection"
    path.write_text(before)
    once = converge(nmcli, WISH)
    assert converge(nmcli, WISH) == once
    assert converge(nmcli, OTHER) == changed(before, OTHER)
    assert converge(nmcli, WISH) == once
    # Where nobody has edited it, the saved bytes are what it becomes.
    assert networkmanager.given_back(str(path), path.read_bytes(), before.encode()) is None


@settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")), deadline=None)
@given(
    saved=st.lists(st.sampled_from(LINES), unique=True),
    addresses=st.lists(st.sampled_from(["1", "2", "3", "9"]), min_size=1, unique=True),
    gateway=st.sampled_from([None, "fe80::1", "fe80::7"]),
    routes=st.booleans(),
)
def test_without_us_a_section_is_what_it_was(saved, addresses, gateway, routes):
    wish = WISH._replace(
        addresses=tuple(WantedAddress(f"2001:db8::{each}/64") for each in addresses),
        gateway=gateway,
        routes=WISH.routes if routes else (),
    )
    now = networkmanager.section(saved, wish)
    ours = [address.text for address in wish.addresses]
    places = [*(["::/0"] if gateway else []), *(route.to for route in wish.routes)]
    back = networkmanager.theirs(now, saved, ours, places)
    assert back == saved
    assert networkmanager.section(back, wish) == now
    text = "\n".join(now)
    assert all(text.count(f"={address}") == 1 for address in ours)
    assert text.count("method=") == 1


@pytest.mark.parametrize("before", [PROFILE, FULL])
@pytest.mark.parametrize("edit", EDITS)
def test_what_others_changed_since_stays(nmcli, tmp_path, before, edit):
    path = tmp_path / "uplink.nmconnection"
    path.write_text(before)
    converge(nmcli, WISH)
    assert edit[0] in path.read_text()
    path.write_text(path.read_text().replace(*edit))
    # The second run is the one that writes on top of the edit, the third has to know it still.
    for wish in (OTHER, WISH):
        text = converge(nmcli, wish)
        assert edit[1].split("\n")[0] in text
        assert ("2001:db8::3/64" in text) is (wish is OTHER)
    left = networkmanager.given_back(str(path), path.read_bytes(), before.encode()).decode()
    assert sorted(left.split()) == sorted(before.replace(*edit).split())


TWICE = """\
[connection]
id=a

[ipv6]
method=manual
dns=2001:db8::53;

[ipv4]
method=auto

[ipv6]
dns-search=example.com;
method=auto
"""


def test_sections_of_one_name_are_one(nmcli, tmp_path):
    path = tmp_path / "uplink.nmconnection"
    path.write_text(TWICE)
    assert networkmanager.section_of(TWICE) == ["dns=2001:db8::53;", "", "dns-search=example.com;", "method=auto"]
    text = converge(nmcli, WISH)
    assert [text.count(part) for part in ("[ipv6]", "dns-search=", "dns=", "method=manual", "[ipv4]")] == [1] * 5
    assert converge(nmcli, WISH) == text
    assert networkmanager.given_back(str(path), path.read_bytes(), TWICE.encode()) is None


@pytest.mark.parametrize("before", [PROFILE, FULL])
@pytest.mark.parametrize(
    ("edit", "stays", "gone"),
    [
        (("method=manual", "method=link-local"), ["method=link-local"], ["method=auto"]),
        (("ip6-privacy=0", "ip6-privacy=1"), ["ip6-privacy=1"], ["ip6-privacy=2"]),
        ((",fe80::1,1024", ",fe80::77,1024"), ["::/0,fe80::77,1024"], ["gateway=fe80::8", "::/0,fe80::7,"]),
        (("9::/48,fe80::2", "9::/48,fe80::88"), ["9::/48,fe80::88", "method=auto"], ["fe80::77"]),
    ],
)
def test_what_others_changed_of_ours_stays(nmcli, tmp_path, before, edit, stays, gone):
    path = tmp_path / "uplink.nmconnection"
    path.write_text(before)
    converge(nmcli, WISH)
    assert path.read_text().count(edit[0]) >= 1
    ours = path.read_text().rpartition(edit[0])
    path.write_text(ours[0] + edit[1] + ours[2])
    left = (networkmanager.given_back(str(path), path.read_bytes(), before.encode()) or b"").decode()
    part = "\n".join(networkmanager.section_of(left) or [])
    assert [line in part for line in stays] == [True] * len(stays)
    assert [line in part for line in gone] == [False] * len(gone)
    assert "2001:db8::1/64" not in part


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"STATE": "100 (connected (externally))"}, "has not brought up eth0"),
        ({"UUID": ""}, "has not brought up eth0"),
        ({"path": "/run/NetworkManager/system-connections/x.nmconnection"}, "nmcli connection modify 6a1c"),
        ({"path": ""}, "no file at all"),
    ],
)
def test_no_profile_to_write_to(nmcli, change, message):
    nmcli.update(change)
    with pytest.raises(RolloutError, match=message):
        networkmanager.wanted_files(WISH)


@pytest.mark.parametrize(("named", "several", "remarks"), [(True, True, 0), (False, False, 0), (False, True, 1)])
def test_a_profile_for_any_interface(nmcli, tmp_path, monkeypatch, named, several, remarks):
    monkeypatch.setattr(networkmanager, "_several", lambda name: several)
    head = "[connection]\nid=x\n" + ("interface-name=eth0\n" if named else "")
    (tmp_path / "uplink.nmconnection").write_text(head)
    assert len(networkmanager.wanted_files(WISH)[1]) == remarks


def test_shared_profile(nmcli, tmp_path):
    (tmp_path / "uplink.nmconnection").write_text("[ipv6]\nmethod=shared\n")
    with pytest.raises(RolloutError, match="method=shared"):
        networkmanager.wanted_files(WISH)


def test_settle_loads_profiles_only(nmcli):
    networkmanager.settle([nmcli["path"], "/etc/NetworkManager/dispatcher.d/60-ipv6-rollout-eth0"])
    assert nmcli["loaded"] == [nmcli["path"]]


@pytest.mark.parametrize(
    ("name", "event", "uuid", "there", "changed_it"),
    [
        ("eth0", "up", "6a1c", True, True),
        ("eth0", "reapply", "6a1c", True, True),
        ("eth0", "up", "6a1c", False, False),
        ("eth1", "up", "6a1c", True, False),
        ("eth0", "down", "6a1c", True, False),
        # Another profile on the same interface is not ours.
        ("eth0", "up", "ffff", True, False),
    ],
)
def test_dispatcher(tmp_path, name, event, uuid, there, changed_it):
    (tmp_path / "ip").write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n' + ("echo held\n" if there else "") + "exit 0\n"
    )
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    for program in ("ip", "sleep"):
        (tmp_path / program).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CONNECTION_UUID": uuid}
    script = networkmanager.dispatcher_text(WISH, "6a1c")
    done = subprocess.run(
        ["sh", "-s", name, event], input=script, text=True, check=False, capture_output=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    calls = (tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else ""
    assert ("addr change 2001:db8::2/64 dev eth0 preferred_lft 0 noprefixroute\n" in calls) is changed_it


def test_prefix_routes_that_nobody_needs(monkeypatch):
    ran = []
    addresses = '[{"addr_info": [{"local": "fe80::5", "prefixlen": 64}, {"local": "2001:db8:1::5", "prefixlen": 64}]}]'

    def run(argv):
        if "show" in argv:
            return commands.Result(0, '[{"metric": 100}, {"metric": 256, "expires": 90}, {"metric": 256}]', "")
        ran.append(argv)
        return commands.Result(0, "", "")

    monkeypatch.setattr(commands, "check", lambda argv: addresses)
    monkeypatch.setattr(commands, "run", run)
    networkmanager.drop_prefix_routes("eth0", ["2001:db8:1::9/64", "2001:db8:2::9/64"])
    assert [argv[4] for argv in ran] == ["2001:db8:2::/64"] * 2
    assert [argv[-1] for argv in ran] == ["100", "256"]
