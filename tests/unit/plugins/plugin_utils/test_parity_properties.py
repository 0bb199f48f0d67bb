# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any rules: the parity report against a model of its own, and how long it takes."""

from __future__ import annotations

import ipaddress
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity import firewall_parity


def saved(*rules):
    """A filter table as iptables-save prints it."""
    lines = ["*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    return "\n".join([*lines, *(f"-A INPUT {rule}" for rule in rules), "COMMIT", ""])


def report(ipv4, ipv6, **more):
    """The report on two lists of rules for INPUT."""
    return firewall_parity({"ipv4": saved(*ipv4), "ipv6": saved(*ipv6)}, **more)


CLIENTS = [f"192.0.2.{number}" for number in range(1, 9)]
MIRROR = {client: f"2001:db8::{client.rsplit('.', 1)[1]}" for client in CLIENTS}
SOME_RULES = st.lists(
    st.tuples(
        st.sampled_from([*CLIENTS, ""]), st.integers(1, 6), st.integers(0, 3), st.sampled_from(["ACCEPT", "DROP"])
    ),
    max_size=8,
)


def written(rules, twin):
    """The rules in words, for one family."""
    return [
        f"{f'-s {twin(source)} ' if source else ''}-p tcp --dport {low}:{low + more} -j {target}"
        for source, low, more, target in rules
    ]


@settings(deadline=None)
@given(SOME_RULES)
def test_rules_mirrored_are_the_same(rules):
    found = report(written(rules, str), written(rules, MIRROR.get), addresses=MIRROR)
    assert found["differences"] == []


@settings(deadline=None)
@given(SOME_RULES, SOME_RULES)
def test_equal_is_only_what_is_equal(one, other):
    found = report(written(one, str), written(other, MIRROR.get), addresses=MIRROR)

    def let_in(rules, client, number):
        for source, low, more, target in rules:
            if source in ("", client) and low <= number <= low + more:
                return target == "ACCEPT"
        return False

    told = {}
    for entry in found["entries"]:
        low, _dash, high = entry["ports"].partition("-")
        told.update(dict.fromkeys(range(int(low), int(high or low) + 1), entry["verdict"]))
    for number in range(1, 11):
        equal = all(let_in(one, client, number) == let_in(other, client, number) for client in [*CLIENTS, "else"])
        assert (told.get(number, "same") == "same") is equal, number


def test_thousands_of_rules():
    start = int(ipaddress.ip_address("198.18.0.0"))
    clients = [str(ipaddress.ip_address(start + 2 * number)) for number in range(5000)]
    twins = {client: f"2001:db8::{number:x}" for number, client in enumerate(clients)}
    ipv4 = [f"-s {client} -p tcp --dport {100 + number % 50} -j ACCEPT" for number, client in enumerate(clients)]
    ipv6 = [f"-s {twins[client]} -p tcp --dport {100 + n % 50} -j ACCEPT" for n, client in enumerate(clients)]
    began = time.process_time()
    found = report(ipv4, ipv6, addresses=twins)
    assert time.process_time() - began < 8  # about a second where nothing else runs
    assert found["summary"] == {"entries": 50, "same": 50, "differs": 0, "unknown": 0}
