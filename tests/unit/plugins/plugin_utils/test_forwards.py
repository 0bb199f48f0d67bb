# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that lead to ssh: given out once, never moved, and in the plan file only where somebody asked."""

from __future__ import annotations

import copy
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
PREFIX = "2001:db8:1200::/48"
RANGE = "22001-22004"
NAMES = ["www1", "www2", "mail1", "ns1"]


def made(previous=None, hosts=tuple(NAMES), forwards=(), ports=RANGE, today="2026-01-31", prefix=PREFIX, **more):
    specs = {name: {"subnet": "web", "interface_id": "stable"} for name in hosts}
    wanted = list(forwards) if isinstance(forwards, tuple) else forwards
    return subnet_plan(
        prefix, [{"name": "web"}], previous, specs, today=today, forwards=wanted, forward_ports=ports, **more
    )


def again(plan):
    """The plan as the next run reads it."""
    return plan_file.parse(plan_file.render(plan), "plan")


def test_nobody_asked_so_the_file_does_not_have_it():
    assert "forwards" not in plan_file.render(made(ports=""))
    assert "forwards" not in plan_file.render(made())


def test_the_lowest_free_port_by_name():
    plan = made(forwards=("www2", "mail1"))
    assert plan["forwards"] == {"mail1": 22001, "www2": 22002}
    assert "forwards:\n  mail1: 22001\n  www2: 22002\nretired:\n" in plan_file.render(plan)


def test_who_has_one_keeps_it_whatever_comes():
    plan = made(forwards=("www2",))
    later = made(again(plan), forwards=("mail1", "ns1", "www2"), ports="30000-30009")
    assert later["forwards"] == {"www2": 22001, "mail1": 30000, "ns1": 30001}
    assert made(again(later), ports="")["forwards"] == later["forwards"]
    assert made(again(later), ports="", prefix="2001:db8:5600::/48")["forwards"] == later["forwards"]


def test_who_leaves_is_retired_and_gets_it_back():
    plan = made(forwards=("www1", "www2"))
    left = made(again(plan), forwards=("www2",))
    assert left["forwards"] == {"www2": 22002}
    assert left["retired"]["forwards"] == {"www1": {"port": 22001, "since": "2026-01-31"}}
    other = made(again(left), forwards=("www2", "mail1"), today="2026-02-01")
    assert other["forwards"] == {"www2": 22002, "mail1": 22003}
    assert other["retired"]["forwards"] == left["retired"]["forwards"]
    back = made(again(other), forwards=("www1", "www2", "mail1"))
    assert back["forwards"] == {"www1": 22001, "www2": 22002, "mail1": 22003}
    assert "forwards" not in back["retired"]


def test_a_host_that_leaves_the_inventory_takes_its_port_along():
    plan = made(forwards=("www1", "www2"))
    left = made(again(plan), hosts=["www2"], ports="")
    assert left["forwards"] == {"www2": 22002}
    assert set(left["retired"]["forwards"]) == {"www1"}


def test_a_purge_gives_ports_out_again():
    left = made(again(made(forwards=("www1", "www2"))), forwards=("www2",))
    purged = made(again(left), forwards=("www2", "mail1"), purge=True)
    assert purged["forwards"] == {"mail1": 22001, "www2": 22002}
    assert "forwards" not in purged["retired"]
    # Who leaves in the run of the purge is kept, and who comes back in it gets the old port.
    assert set(made(again(left), forwards=(), purge=True)["retired"]["forwards"]) == {"www2"}
    assert made(again(left), forwards=("www1", "www2"), purge=True)["forwards"]["www1"] == 22001


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"forwards": ("www9",)}, "forwards: 'www9' has no address in the plan"),
        ({"forwards": "www1"}, "forwards: 'www1' is no list"),
        (
            {"forwards": tuple(NAMES), "ports": "22001-22003"},
            "ipv6_forward_ports: '22001-22003' has no port left for www2",
        ),
        ({"ports": "22"}, "ipv6_forward_ports: '22' is no range of ports"),
        ({"ports": 22001}, "ipv6_forward_ports: 22001 is no range of ports"),
        ({"ports": "80-90"}, "ipv6_forward_ports: '80' is no port between 1024 and 65535"),
        ({"ports": "60000-70000"}, "'70000' is no port between"),
        ({"ports": "0-22001"}, "'0' is no port between"),
        ({"ports": "22009-22001"}, "'22009-22001' ends before it begins"),
        ({"previous": {"forwards": []}}, "previous: forwards: [] is not a dictionary"),
        ({"previous": {"forwards": {"www1": "ssh"}}}, "previous: forwards: www1: 'ssh' is no port"),
        ({"previous": {"forwards": {"www1": True}}}, "previous: forwards: www1: True is no port"),
        (
            {"previous": {"forwards": {"www1": 10**5000}}},
            "previous: forwards: www1: a int that is too long to show is no",
        ),
        ({"previous": {"forwards": {"www1": None}}}, "previous: forwards: www1: None is no port"),
        ({"previous": {"forwards": {"www 1": 22001}}}, "previous: forwards: 'www 1' is no host name"),
        ({"previous": {"forwards": {"a": 22001, "b": "22001"}}}, "forwards: b: port 22001 is also the forward of a"),
        (
            {
                "previous": {
                    "forwards": {"a": 22001},
                    "retired": {"forwards": {"a": {"port": 22002, "since": "2026-01-31"}}},
                }
            },
            "previous: retired: forwards: a: it has a forward",
        ),
        (
            {
                "previous": {
                    "forwards": {"a": 22001},
                    "retired": {"forwards": {"b": {"port": 22001, "since": "2026-01-31"}}},
                }
            },
            "previous: retired: forwards: b: port 22001 is also the forward of a",
        ),
        (
            {"previous": {"retired": {"forwards": {"b": {"port": 22001}}}}},
            "retired: forwards: b: since: None is not a date",
        ),
    ],
)
def test_what_is_refused(call, message):
    if "previous" in call:
        call = {**call, "previous": {"prefix": PREFIX, **call["previous"]}}
    with pytest.raises(RolloutError) as error:
        made(**call)
    assert message in str(error.value)


SETS = st.lists(st.sampled_from(NAMES), unique=True)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(SETS, SETS, st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_a_port_never_moves_and_is_never_given_out_twice(steps):
    plan = None
    for hosts, wanted, asked, purge in steps:
        before = copy.deepcopy(plan)
        wanted = [name for name in wanted if name in hosts]
        ports = "22001-22099" if asked else ""
        plan_now = made(plan, hosts=hosts, forwards=list(wanted), ports=ports, purge=purge)
        assert plan == before
        assert plan_file.render(plan_now) == plan_file.render(
            made(plan, hosts=hosts[::-1], forwards=wanted[::-1], ports=ports, purge=purge)
        )
        old = (before or {}).get("forwards") or {}
        now = plan_now.get("forwards") or {}
        gone = plan_now["retired"].get("forwards") or {}
        for name, port in old.items():
            assert now.get(name, int(port)) == int(port)
            assert name in now or gone[name]["port"] == int(port)
        every = [*now.values(), *(entry["port"] for entry in gone.values())]
        assert len(every) == len(set(every))
        assert set(now) == set(wanted) if asked else set(now) == set(old) & set(hosts)
        plan = again(plan_now)
