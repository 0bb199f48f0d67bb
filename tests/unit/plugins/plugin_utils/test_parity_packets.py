# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parity report predicts is what packets do: random rule sets of both families in the kernel."""

from __future__ import annotations

import ipaddress
import os
import random
import re
import shutil

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Packet, answer, verdict
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity import firewall_parity
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils import parity_kernel, parity_rules

# Pairs of rule sets, one for each family. FUZZ_EXAMPLES=5000 is a long run.
PAIRS = int(os.environ.get("FUZZ_EXAMPLES", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "5"))

CLIENT_PORTS = re.compile(r"--(sports?|ports) ")

WHY_NOT = parity_kernel.why_not()


def within(source, texts):
    """Whether an address is in one of the prefixes and ranges."""
    address = ipaddress.ip_address(source)
    for text in texts:
        first, dash, last = text.partition("-")
        if dash and ipaddress.ip_address(first) <= address <= ipaddress.ip_address(last):
            return True
        if not dash and address in ipaddress.ip_network(text):
            return True
    return False


def fate(side, source):
    """What the report says of a source."""
    if within(source, side["depends"]):
        return "depends"
    let_in = {
        "everyone": True,
        "nobody": False,
        "depends": False,
        "some": within(source, side["sources"]),
        "all_but": not within(source, side["sources"]),
    }
    return "accept" if let_in[side["who"]] else "refuse"


def predicted(report, probe):
    """What the report says of a probe; where it has no entry, nobody gets in."""
    protocol = "icmp" if "icmp" in probe["protocol"] else probe["protocol"]
    for entry in report["entries"]:
        low, _dash, high = entry["ports"].partition("-")
        if entry["protocol"] == protocol and (not low or int(low) <= probe["port"] <= int(high or low)):
            return fate(entry[probe["family"]], probe["source"])
    return "refuse"


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
@pytest.mark.parametrize("backend", parity_kernel.BACKENDS)
def test_predicted_is_observed(backend):
    if not shutil.which(f"iptables-{backend}-restore"):
        pytest.skip(f"this machine has no iptables-{backend}")
    chance = random.Random(f"{SEED} {backend}")
    fates = dict.fromkeys(("accept", "refuse", "depends"), 0)
    with parity_kernel.Kernel() as kernel:
        for number in range(PAIRS // 2):
            rules = {family: parity_rules.rule_set(chance, family) for family in ("ipv4", "ipv6")}
            probes = parity_rules.probes(chance, rules)
            answer = kernel.ask({"backend": backend, "rules": rules, "probes": probes})
            more = {"interface": parity_kernel.INTERFACE, "destinations": parity_kernel.SELF}
            report = firewall_parity(answer["saved"], **more)
            assert firewall_parity(rules, **more)["entries"] == report["entries"], (
                f"{number}: read differently\n{rules}"
            )
            passed = set(answer["passed"])
            for probe in probes:
                told = predicted(report, probe)
                fates[told] += 1
                # Who is let in is an ordinary client; who is refused may come from any port.
                low = probe["id"] < 1024 and CLIENT_PORTS.search(rules[probe["family"]])
                if told == "refuse" or (told == "accept" and not low):
                    seen = "accept" if probe["id"] in passed else "refuse"
                    assert told == seen, f"pair {number}: {probe}\n{rules[probe['family']]}"
            probe = chance.choice(probes)
            told = verdict(
                answer["saved"][probe["family"]],
                probe["family"],
                Packet(probe["protocol"], probe["port"], parity_kernel.INTERFACE, parity_kernel.SELF[probe["family"]]),
                probe["source"],
            )
            assert told.result == predicted(report, probe)
    total = sum(fates.values())
    assert min(fates["accept"], fates["refuse"]) > total / 5, f"the rule sets are too much alike: {fates}"
    assert 0 < fates["depends"] < total / 10, f"too little is predicted: {fates}"
    print(f"{backend}: {2 * (PAIRS // 2)} rule sets, {fates}")


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
@pytest.mark.parametrize("backend", parity_kernel.BACKENDS)
def test_predicted_answers_get_out(backend):
    if not shutil.which(f"iptables-{backend}-restore"):
        pytest.skip(f"this machine has no iptables-{backend}")
    chance = random.Random(f"{SEED} {backend} answers")
    fates = dict.fromkeys(("accept", "refuse", "depends"), 0)
    first = 1024
    with parity_kernel.Kernel() as kernel:
        for number in range(min(PAIRS // 2, 1500)):  # the numbers of the packets are used up then
            rules = {family: parity_rules.turned(parity_rules.rule_set(chance, family)) for family in ("ipv4", "ipv6")}
            probes = parity_rules.questions(rules, parity_kernel.LISTENING, first)
            first += len(probes)
            found = kernel.ask({"backend": backend, "rules": rules, "probes": probes, "answers": True})
            for probe in probes:
                family = probe["family"]
                packet = Packet(probe["protocol"], probe["port"], parity_kernel.INTERFACE, parity_kernel.SELF[family])
                told = answer(found["saved"][family], family, packet, probe["source"]).result
                fates[told] += 1
                if told != "depends":
                    seen = "accept" if probe["id"] in found["passed"] else "refuse"
                    assert told == seen, f"pair {number}: {probe}\n{rules[family]}"
    total = sum(fates.values())
    assert min(fates["accept"], fates["refuse"]) > total / 5, f"the rule sets are too much alike: {fates}"
    assert 0 < fates["depends"] < total / 5, f"too little is predicted: {fates}"
    print(f"{backend}: {2 * number + 2} rule sets, {fates}")
