# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as the rollout leaves it has nothing red in firewall, sockets and selection; one defect is seen.

What varies: the services and for whom they are, who may manage, whether IPv4 ever had rules, and what else listens.
"""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    readiness_firewall,
    readiness_selection,
    readiness_sockets,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.services import services
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_rolled_out import (
    OPEN,
    SSHD,
    listener,
    look,
    proofs,
    rolled_out,
    site,
    strict,
    told,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
CHECKS = (*readiness_firewall.CHECKS, *readiness_sockets.CHECKS, *readiness_selection.CHECKS)
STATE4 = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
OFFERS = (
    "http",
    "https",
    "smtp",
    "dns",
    "imaps",
    {"name": "db", "port": 3306, "sources": ["2001:db8:5::/48"]},
    {"name": "vpn", "port": 1194, "protocol": "udp"},
    {"name": "api", "port": 8443},
)
BESIDE = (
    listener(port=8080, process="java"),
    listener("0.0.0.0", 111, process="rpcbind"),
    listener("127.0.0.1", 6379, process="redis-server"),
    listener(port=161, protocol="udp", process="snmpd"),
    listener(port=41234, protocol="udp", process="unbound"),
)


@st.composite
def healthy(draw, **fixed):
    """A site without any defect."""
    offered = draw(st.lists(st.sampled_from(OFFERS), unique_by=str, max_size=len(OFFERS)))
    managers = draw(st.lists(st.sampled_from(["2001:db8:99::/64", "2001:db8:98::1/128"]), unique=True))
    rules = rolled_out(offered, management_sources=managers)
    sockets = [*SSHD, *draw(st.lists(st.sampled_from(BESIDE), unique_by=str))]
    wanted = services(offered)
    for one in wanted:
        place = (one["port"], one["protocol"])
        if draw(st.booleans()):
            sockets.append(listener("::", *place, v6only=False))
        else:
            sockets += [listener("0.0.0.0", *place), listener("::", *place, v6only=True)]
    ipv4 = OPEN
    if draw(st.booleans()):
        opened = [f"-A INPUT -p {one['protocol']} --dport {one['port']} -j ACCEPT" for one in wanted]
        lines = [STATE4, "-A INPUT -p icmp -j ACCEPT", "-A INPUT -p tcp --dport 22 -j ACCEPT", *opened]
        ipv4 = strict(*lines)
    tcp = [one for one in wanted if one["protocol"] == "tcp"]
    outside = proofs(
        ipv4=(22, *(one["port"] for one in tcp)),
        ipv6=tuple(one["port"] for one in tcp if not one["sources"]),
        asked=(22, *(one["port"] for one in tcp)),
    )
    audit = look()["audit"]["saved"]
    saved = {**audit, "ipv6": {**audit["ipv6"], "rules": rules}}
    saved["ipv4"] = {"path": "/etc/iptables/rules.v4", "rules": "" if ipv4 == OPEN else ipv4, "problem": ""}
    return {
        "offered": offered,
        "variables": {"ipv6_management_sources": managers},
        "sockets": sockets,
        "ipv4": ipv4,
        "ipv6": rules,
        "outside": outside,
        "audit": {"saved": saved},
        **fixed,
    }


def red(there):
    """What is red, by check."""
    found = {check.id: [one for one in check.results(there) if one.status == "fail"] for check in CHECKS}
    return {name: told(results) for name, results in found.items() if results}


@settings(max_examples=EXAMPLES, deadline=None)
@given(keywords=healthy())
def test_nothing_is_red_on_a_healthy_host(keywords):
    assert red(site(**keywords)) == {}


@settings(max_examples=EXAMPLES, deadline=None)
@given(keywords=healthy(), port=st.sampled_from([9999, 5432]))
def test_a_rule_that_lets_strangers_in_over_ipv6_alone_is_seen_by_the_rules_check(keywords, port):
    line = f"-A INPUT -p tcp -m tcp --dport {port} -j ACCEPT"
    keywords["ipv6"] = keywords["ipv6"].replace("-A INPUT -i lo", f"{line}\n-A INPUT -i lo")
    keywords["audit"]["saved"]["ipv6"]["rules"] = keywords["ipv6"]
    keywords["ipv4"] = strict(STATE4, "-A INPUT -p tcp --dport 22 -j ACCEPT")
    keywords["audit"]["saved"]["ipv4"]["rules"] = keywords["ipv4"]
    found = red(site(**keywords))
    assert f"tcp {port}" in found["F04"]
    assert set(found) == {"F04"}
