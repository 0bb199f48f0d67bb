# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``ip`` says is read as it is meant, and steps are carried out in their order, or undone."""

from __future__ import annotations

import json

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils import interface as core
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_link as link
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_target as target
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

ADDRESS = {"family": "inet6", "local": "2001:db8::1", "prefixlen": 64, "scope": "global"}


@pytest.fixture(name="shell")
def fixture_shell(monkeypatch):
    """Programs that only note what they were called with; answers by the beginning of the command."""

    class Shell:
        def __init__(self):
            self.calls = []
            self.answers = {}
            self.fails = ""

        def run(self, argv, *_args):
            text = " ".join(argv)
            self.calls.append(text)
            if self.fails and self.fails in text:
                return commands.Result(2, "", "RTNETLINK answers: broken")
            found = [answer for start, answer in self.answers.items() if text.startswith(start)]
            return commands.Result(0, found[0] if found else "", "")

        def changed(self):
            """Return what was called to change something."""
            return [text for text in self.calls if " show" not in text]

    shell = Shell()
    monkeypatch.setattr(commands, "run", shell.run)
    monkeypatch.setattr(target, "ask_routers", lambda name: None)
    return shell


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, (False, False, False, False)),
        ({"deprecated": True}, (False, False, True, False)),
        ({"tentative": True}, (False, True, False, False)),
        ({"tentative": True, "dadfailed": True}, (True, True, False, False)),
        # iproute2 of Debian 12 does not say who made an address.
        ({"dynamic": True, "mngtmpaddr": True}, (False, False, False, True)),
        ({"dynamic": True, "temporary": True, "deprecated": True}, (False, False, False, True)),
        ({"dynamic": True}, (False, False, False, False)),
        ({"dynamic": True, "deprecated": True}, (False, False, True, False)),
        ({"mngtmpaddr": True}, (False, False, False, False)),
        ({"dynamic": True, "protocol": "kernel_ra"}, (False, False, False, True)),
        ({"dynamic": True, "mngtmpaddr": True, "protocol": "something"}, (False, False, False, False)),
    ],
)
def test_address(shell, flags, expected):
    shell.answers["ip -o -6 route"] = ""
    entries = [{**ADDRESS, **flags}, {}, {**ADDRESS, "scope": "link"}, {"family": "inet", "local": "192.0.2.1"}]
    seen = target.see("eth0", [{"ifname": "eth0", "addr_info": entries}], core.Record(), ())
    assert [tuple(one[2:6]) for one in seen.addresses["eth0"]] == [expected]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"valid_life_time": 0xFFFFFFFF, "preferred_life_time": 0xFFFFFFFF}, ""),
        ({"valid_life_time": 500, "preferred_life_time": 300}, " valid_lft 500 preferred_lft 300"),
        ({"noprefixroute": True, "home": True}, " noprefixroute home"),
        ({"dynamic": True, "mngtmpaddr": True, "valid_life_time": 500}, ""),
    ],
)
def test_words_of_an_address(shell, flags, words):
    shell.answers["ip -o -6 route"] = ""
    seen = target.see("eth0", [{"ifname": "eth0", "addr_info": [{**ADDRESS, **flags}]}], core.Record(), ())
    assert seen.addresses["eth0"][0].words == f"2001:db8::1/64{words}"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("", ["ip -6 route replace default nhid 5 proto static metric 9"]),
        (
            "nhid",
            [
                "ip -6 route replace default nhid 5 proto static metric 9",
                "ip -6 route replace default via fe80::a dev eth0 proto static metric 9",
            ],
        ),
    ],
)
def test_a_route_by_a_nexthop_object(shell, broken, expected):
    shell.fails = broken
    step = core.Operation("route", "default nhid 5 via fe80::a dev eth0 proto static metric 9")
    target.apply("eth0", [step], 1)
    assert shell.changed() == expected


def test_routes(shell):
    shell.answers["ip -o -6 route show"] = (
        "2001:db8::/64 dev eth0 proto kernel metric 256 expires 86399sec pref medium\n"
        "2001:db8:9::5 via fe80::5 dev eth0 metric 50 onlink pref medium\n"
        "unreachable 2001:db8:8::/48 dev lo metric 1024 error -101 pref medium\n"
        "2001:db8:7::/48 via fe80::5 dev eth0 metric 50 expires 77sec pref medium\n"
        "default via fe80::1 dev eth0 proto ra metric 1024 expires 8sec hoplimit 64 pref medium\n"
        "default metric 1024 pref medium \\\tnexthop via fe80::2 dev eth0 weight 1 "
        "\\\tnexthop via fe80::3 dev eth0 weight 1\n"
    )
    found = [(one.to, one.gateway, one.device, one.metric, one.learnt, one.words) for one in target.routes()]
    nowhere, expiring = found.pop(2), found.pop(2)
    assert nowhere == ("2001:db8:8::/48", "", "lo", 1024, False, "unreachable 2001:db8:8::/48 dev lo metric 1024")
    assert expiring[-1] == "2001:db8:7::/48 via fe80::5 dev eth0 metric 50 expires 77"
    assert found[:3] == [
        ("2001:db8::/64", "", "eth0", 256, True, "2001:db8::/64 dev eth0 proto kernel metric 256"),
        ("2001:db8:9::5/128", "fe80::5", "eth0", 50, False, "2001:db8:9::5 via fe80::5 dev eth0 metric 50 onlink"),
        (
            "default",
            "fe80::1",
            "eth0",
            1024,
            True,
            "default via fe80::1 dev eth0 proto ra metric 1024 hoplimit 64",
        ),
    ]
    assert found[3][0] == "default"
    assert len(found) == 4


STEPS = [
    core.Operation("probe", "fe80::1"),
    core.Operation("add", "2001:db8::2/64"),
    core.Operation("add", "2001:db8::3/64 preferred_lft 0"),
    core.Operation("lifetime", "2001:db8::1/64 preferred_lft 0", "2001:db8::1/64 preferred_lft forever"),
    core.Operation("route", "default via fe80::1 dev eth0 onlink", "default via fe80::9 dev eth0 metric 1024"),
    core.Operation("forget", "route default via fe80::7 dev eth0 proto ra"),
    core.Operation("forget", "2001:db8::77/64"),
    core.Operation("remove", "2001:db8::4/64 preferred_lft 0"),
]
DONE = [
    "ip -6 addr replace 2001:db8::2/64 dev eth0",
    "ip -6 addr replace 2001:db8::3/64 preferred_lft 0 dev eth0",
    "ip -6 addr change 2001:db8::1/64 preferred_lft 0 dev eth0",
    "ip -6 route replace default via fe80::1 dev eth0 onlink",
    "ip -6 route del default via fe80::7 dev eth0 proto ra",
    "ip -6 addr del 2001:db8::77/64 dev eth0",
    "ip -6 addr del 2001:db8::4/64 dev eth0",
]
UNDONE = [
    "ip -6 route replace default via fe80::9 dev eth0 metric 1024",
    "ip -6 addr change 2001:db8::1/64 preferred_lft forever dev eth0",
    "ip -6 addr del 2001:db8::3/64 dev eth0",
    "ip -6 addr del 2001:db8::2/64 dev eth0",
]


def held(*addresses):
    return json.dumps([{"addr_info": [{**ADDRESS, **address} for address in addresses]}])


def test_apply(shell):
    shell.answers["ip -j -6 addr show"] = held({"local": "2001:db8::2"}, {"local": "2001:db8::3"})
    asked = []
    target.apply("eth0", STEPS, 1, asked.append)
    assert asked == [STEPS[0]]
    assert shell.changed() == DONE
    # All new addresses at once, before anything else.
    assert shell.calls.index("ip -j -6 addr show dev eth0") == 2


@pytest.mark.parametrize(
    ("fails", "addresses", "reason", "expected"),
    [
        (
            "addr del 2001:db8::4",
            [{"local": "2001:db8::2"}, {"local": "2001:db8::3"}],
            "broken",
            [*DONE, *UNDONE],
        ),
        (
            "",
            [{"local": "2001:db8::2"}, {"local": "2001:db8::3", "dadfailed": True, "tentative": True}],
            "2001:db8::3 is a duplicate: the host with the MAC address 02:00:00:00:00:09 has it already",
            [*DONE[:2], *UNDONE[2:]],
        ),
        (
            "",
            [{"local": "2001:db8::2", "tentative": True}, {"local": "2001:db8::3"}],
            "2001:db8::2 is still tentative after 0 s",
            [*DONE[:2], *UNDONE[2:]],
        ),
        ("", [{"local": "2001:db8::2"}], "2001:db8::3 vanished", [*DONE[:2], *UNDONE[2:]]),
    ],
)
def test_what_fails_is_undone(shell, monkeypatch, fails, addresses, reason, expected):
    monkeypatch.setattr(target, "who_has", lambda name, address: "02:00:00:00:00:09")
    shell.fails = fails
    shell.answers["ip -j -6 addr show"] = held(*addresses)
    with pytest.raises(RolloutError, match=reason):
        target.apply("eth0", STEPS, 0)
    assert shell.changed() == expected


def test_any_error_undoes(shell):
    def broken(_step):
        raise OSError("no such program")

    with pytest.raises(OSError, match="no such program"):
        target.apply("eth0", [core.Operation("route", "default via fe80::1"), STEPS[0]], 1, broken)
    assert shell.changed() == ["ip -6 route replace default via fe80::1", "ip -6 route del default via fe80::1"]


def test_a_refusal_of_the_link_undoes_what_came_before(shell, monkeypatch):
    values = []
    monkeypatch.setattr(target, "_set_sysctl", lambda name, setting: values.append(setting))

    def refuse(_step):
        raise RolloutError("no")

    steps = [core.Operation("sysctl", "accept_ra=0", "1"), *STEPS]
    with pytest.raises(RolloutError, match="no"):
        target.apply("eth0", steps, 1, refuse)
    assert values == ["accept_ra=0", "accept_ra=1"]
    assert shell.changed() == []


@pytest.mark.parametrize(
    ("flags", "neighbour", "asked"),
    [
        (["UP"], "", ["fe80::1"]),
        (["UP"], "fe80::1 lladdr 02:00:00:00:00:01 STALE", ["fe80::1"]),
        (["UP"], "fe80::1 lladdr 02:00:00:00:00:01 PERMANENT", []),
        (["UP", "POINTOPOINT"], "", []),
        (["UP", "NOARP"], "", []),
    ],
)
def test_who_is_asked(shell, monkeypatch, flags, neighbour, asked):
    questions = []

    def ask(_name, routers, _listen, needed):
        questions.append((list(routers), needed))
        return link.Heard({"fe80::1": ""}, {})

    monkeypatch.setattr(target, "ask", ask)
    shell.answers["ip -j -6 addr show"] = held({"local": "fe80::2", "scope": "link"})
    shell.answers["ip -o -6 neigh show"] = neighbour
    wish = core.wanted("eth0", ["2001:db8::2/64"], "fe80::1", False, False, False)
    target.probe({"flags": flags}, wish, target.Limits(1), STEPS[0])
    assert questions == [(asked, False)]


def test_a_link_without_an_address_of_its_own_is_not_asked(shell):
    shell.answers["ip -j -6 addr show"] = "[{}]"
    wish = core.wanted("eth0", ["2001:db8::2/64"], None, False, False, False)
    target.probe({"flags": ["UP"]}, wish, target.Limits(0), core.Operation("probe", ""))
    with pytest.raises(RolloutError, match="eth0 has no link-local address after 0 s"):
        target.probe({"flags": ["UP"]}, wish, target.Limits(0), STEPS[0])


@pytest.mark.parametrize(
    ("name", "links", "reason"),
    [
        ("eth5", [{"ifname": "eth0", "flags": ["UP"]}], "there is no interface eth5; this host has eth0"),
        ("eth0", [{"ifname": "eth0", "flags": []}], "eth0 is down"),
    ],
)
def test_interface_refused(monkeypatch, name, links, reason):
    monkeypatch.setattr(target.os.path, "isdir", lambda path: True)
    with pytest.raises(RolloutError, match=reason):
        target.link_of(name, links)


def test_kernel_without_ipv6(monkeypatch):
    monkeypatch.setattr(target, "_read", lambda path: "1" if path.endswith("parameters/disable") else "")
    monkeypatch.setattr(target, "disabled_at_boot", lambda: "/etc/default/grub line 9")
    with pytest.raises(RolloutError, match=r"started with ipv6.disable=1 \(/etc/default/grub line 9\)"):
        target.link_of("eth0", [{"ifname": "eth0", "flags": ["UP"]}])


@pytest.mark.parametrize(
    ("management", "routes", "expected"),
    [
        ("192.0.2.80", "[]", "eth1"),
        ("2001:db8::80", "[]", "eth1"),
        ("2001:DB8:0::80", "[]", "eth1"),
        ("www1", '[{"dst": "default", "dev": "eth0"}]', "eth0"),
        (None, "[]", None),
    ],
)
def test_name_of(shell, management, routes, expected):
    links = [
        {"ifname": "eth0", "addr_info": [{"family": "inet", "local": "198.51.100.1", "scope": "global"}]},
        {
            "ifname": "eth1",
            "addr_info": [
                {"family": "inet", "local": "192.0.2.80", "scope": "global"},
                {"family": "inet6", "local": "2001:db8::80", "scope": "global"},
            ],
        },
    ]
    shell.answers["ip -j -4 route"] = routes
    if expected is None:
        with pytest.raises(RolloutError, match="eth0, eth1"):
            target.name_of(links, management)
    else:
        assert target.name_of(links, management) == expected
