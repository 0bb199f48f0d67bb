# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of addresses against glibc itself, on hosts that are made up at random, with the kernel's sources."""

from __future__ import annotations

import collections
import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import gai_conf
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import TABLES, policy_table
from ansible_collections.ipv6.rollout.plugins.plugin_utils.destination_order import (
    KERNEL,
    explained,
    glibc_places,
    merge_sort,
    rfc_places,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.destination_report import destination_report, gathered
from ansible_collections.ipv6.rollout.plugins.plugin_utils.source_address import (
    IPV4_SCOPES,
    Policy,
    choose_as_linux,
    common_prefix,
)
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils import glibc_live

# FUZZ_EXAMPLES=10000 is the long run. With fewer hosts than this not every quirk would be met.
EXAMPLES = max(540, int(os.environ.get("FUZZ_EXAMPLES", "0")))
WHY_NOT = glibc_live.why_not()

ONE_PRECEDENCE = [{"prefix": "::/0", "precedence": 40, "label": 1}]
# What may stand in /etc/gai.conf.
FILES = {
    "none": "",
    "rfc6724": gai_conf.written(TABLES["rfc6724"], b"").decode(),
    "prefer_ipv4": gai_conf.written(TABLES["prefer_ipv4"], b"").decode(),
    # Where IPv6 and IPv4 are equal, rule 9 can make the order go round in a circle.
    "one precedence": gai_conf.written(policy_table(ONE_PRECEDENCE), b"").decode(),
    "one line": "precedence ::ffff:0:0/96 100\n",
    "what people write": """\
# tabs, CRLF, words at the end, host bits, and lines that do nothing
Precedence ::ffff:0:0/96 100
precendence ::ffff:0:0/96 100
precedence 0.0.0.0/0 100
precedence\t::ffff:0:0/96\t35 and so on
precedence ::ffff:0:0/96 90
precedence 2001:db8:a::1/48 45\r
precedence fc00::/7 -1
precedence 2002::/16 0
label 2001:db8:a::/48 0
label FD11:1111:1111::/48 14
label ::1/+0 7
scopev4 ::ffff:10.0.0.0/104 5
scopev4 192.0.2.0/25 5
scopev4 ::ffff:169.254.0.0/112 2
scopev4 ::ffff:203.0.113.9/0124 5
scopev4 198.51.100.9/+26 2
scopev4 192.0.2.0/24 2_0
""",
}

# What glibc is known to do in its own way (docs/address-selection.md).
QUIRKS = {
    "table": "glibc has its own default table, or /etc/gai.conf another one",
    "scope of IPv4": "scopev4 lines in /etc/gai.conf",
    "no IPv6 address": "without any IPv6 address on the host flags, prefix lengths and interfaces count for nothing",
    "point-to-point": "an address with a peer is in its list under the address of the peer",
    "IPv4-mapped": "an IPv4-mapped address is one of IPv6, of global scope",
    "twice": "of an address that is on two interfaces it finds one of them",
    "rule 9, IPv4": "counts on the subnet of the source alone, and there beyond the prefix length",
    "rule 9, IPv6": "counts beyond the prefix length",
}


def quirk(rule, strict, glibc, policy, here):
    """Return the quirk that explains why a place's merit by one rule is another one in glibc; None: there is none."""
    there, source = strict.destination, strict.source
    if rule in (2, 8, 9) and there.mapped:
        return "IPv4-mapped"
    if rule in (2, 8) and there.ipv4 and policy.scopes != IPV4_SCOPES:
        return "scope of IPv4"
    if rule in (5, 6) and policy.rows != TABLES["rfc6724"]:
        return "table"
    if rule in (3, 7, 9) and all(one.address.ipv4 or one.address.loopback for one in here):
        return "no IPv6 address"
    if rule in (3, 7, 9) and (source.peer is not None or source.address.number in [one.peer for one in here]):
        return "point-to-point"
    if rule in (3, 7, 9) and [one.address.number for one in here].count(source.address.number) > 1:
        return "twice"
    if rule == 9:
        shared = common_prefix(there.number, source.address.number)
        expected = 0 if there.ipv4 and shared < source.address.prefix else shared
        if glibc.merits[rule - 1] == expected:
            return "rule 9, IPv4" if there.ipv4 else "rule 9, IPv6"
    return None


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """For each /etc/gai.conf the hosts, and what was found on each."""
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    every = {}
    for name, content in FILES.items():
        made = glibc_live.hosts(name, EXAMPLES // len(FILES))
        every[name] = list(zip(made, glibc_live.answers(tmp_path_factory.mktemp("glibc"), content, made), strict=True))
    return every


@pytest.fixture(params=sorted(FILES))
def found(request, everything):
    """The hosts with one /etc/gai.conf."""
    return everything[request.param]


def in_order_of_the_file(host, answer):
    """What decides, with the destinations as /etc/hosts has them, which is the order that rule 10 keeps."""
    order = sorted(answer["order"], key=lambda entry: host["addresses"].index(entry["address"]))
    return gathered({**answer, "order": order})


def texts(places):
    """The addresses of places, in order."""
    return [place.destination.text for place in places]


def differences(host, answer):
    """The quirks that show in what glibc compares on a host, and whether they change the order."""
    pairs, here, policy, _why = in_order_of_the_file(host, answer)
    by_rfc = rfc_places(pairs, Policy(TABLES["rfc6724"]))
    by_glibc = glibc_places(pairs, policy, here)
    causes = set()
    for strict, glibc in zip(by_rfc, by_glibc, strict=True):
        for rule, (one, other) in enumerate(zip(strict.merits, glibc.merits, strict=True), start=1):
            if one != other:
                cause = quirk(rule, strict, glibc, policy, here)
                assert cause, f"rule {rule} for {strict.destination.text}: {one} and {other} on {host} {answer}"
                causes.add(cause)
    return causes, texts(merge_sort(by_rfc)) != texts(merge_sort(by_glibc))


def test_the_order_is_that_of_getaddrinfo(found):
    """Not one of the hosts has another order than the rules give with glibc's habits."""
    for host, answer in found:
        order = [entry["address"] for entry in answer["order"]]
        assert sorted(order) == sorted(host["addresses"])
        pairs, here, policy, _why = in_order_of_the_file(host, answer)
        given = [destination.text for destination, _source in gathered(answer)[0]]
        assert texts(merge_sort(glibc_places(pairs, policy, here))) == given, f"{host} {answer}"


def test_the_report_agrees(found):
    """The report, which does not know the order of the name service, finds no difference either."""
    for host, answer in found:
        lines = destination_report(answer)
        assert not any("DIFFERENCE" in line for line in lines), f"{host} {lines}"
        assert len(host["addresses"]) == 1 or "The rules and getaddrinfo() agree on this order." in lines


def test_what_differs_from_the_rfc_is_a_known_quirk(found):
    """Where RFC 6724 with its own table gives another order, a quirk that is named here made the difference."""
    differing = 0
    for host, answer in found:
        causes, another_order = differences(host, answer)
        assert causes or not another_order, f"{host} {answer}"
        differing += another_order
    assert differing, "no host shows a quirk, so nothing was tested"


def test_all_rules_and_all_quirks_were_met(everything):
    """The hosts are made well enough: nothing is left out but home addresses, which are for Mobile IPv6."""
    rules, causes = collections.Counter(), collections.Counter()
    for hosts in everything.values():
        for host, answer in hosts:
            pairs, here, policy, _why = in_order_of_the_file(host, answer)
            ordered = merge_sort(glibc_places(pairs, policy, here))
            rules.update(decision.rule for decision in explained(ordered))
            names, another_order = differences(host, answer)
            causes.update(names if another_order else ())
    assert sum(map(len, everything.values())) >= 500
    assert set(rules) == {1, 2, 3, 5, 6, 7, 8, 9, 10}, rules
    assert set(causes) == set(QUIRKS), causes


def test_a_line_that_crashes_glibc_is_named(tmp_path):
    """What crashes 2.36 does nothing in 2.41."""
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    made = [{"commands": [], "addresses": ["192.0.2.80", "2001:db8::80"]}]
    (answer,) = glibc_live.answers(tmp_path, "# here\nscopev4 203.0.113.0 5\n", made)
    assert len(answer["order"]) == 2 or "/etc/gai.conf line 2: scopev4 203.0.113.0 5: it may" in answer["problem"]
    assert any("it may crash every program" in remark for remark in answer["gai_conf"]["remarks"])


def test_the_kernel_picks_the_same_source(everything):
    """Section 5 against Linux: IPv6, all addresses on one interface, and no route that says otherwise."""
    compared = 0
    for host, answer in (one for hosts in everything.values() for one in hosts):
        text = " ".join(host["commands"])
        own = [entry for entry in answer["sources"] if ":" in entry["address"]]
        if " src " in text or "addrlabel" in text or len({entry["interface"] for entry in own} - {"lo"}) != 1:
            continue
        pairs, here, _policy, _why = gathered(answer)
        for destination, source in pairs:
            # From ::1 comes what does not leave the host.
            if source and not destination.ipv4 and not source.address.loopback:
                mine = choose_as_linux(destination, here, KERNEL)
                assert mine and mine.address.text == source.address.text, f"{destination} on {host} {answer}"
                compared += len(own) > 2
    assert compared >= 20, f"{compared} destinations with more than one source"
