# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of transport: what is fine, what is wrong and turns nothing else red, what is not known."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_transport
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import FAIL, NOT_APPLICABLE, PASS, UNKNOWN
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_example import (
    AUDIT,
    GONE,
    OUTSIDE,
    WWW,
    built,
    judged,
    route,
    verify,
)

VARIABLES = f"{WWW}/variables"
PROBING = f"{AUDIT}/kernel/net.ipv4.tcp_mtu_probing"
NARROW, WIDER = (f"proofs/transport|www1|mtu|ipv6|{mtu}" for mtu in (1280, 1400))
PAGE = "proofs/transport|www1|http|ipv6|1280|80"
SEGMENTS = "proofs/routing|www1|http|ipv6|inside|80/seen/mss"
OTHERS = "proofs/routing|www1|https|ipv6|inside|443/seen/mss"
IGNORED = {"ok": False, "evidence": "1500 octets", "seen": {"before": 1500, "after": 1500, "replied_before": True,
           "replied_after": True}}  # fmt: skip
TUNNEL = {
    f"{AUDIT}/routes/ipv6/0": route("default", "", "tun6"),
    f"{AUDIT}/disk/gateways": [],
    f"{AUDIT}/tunnels/+": {"interface": "tun6", "kind": "tun", "mtu": 1420, "parent_mtu": 1500},
}

# Check, what is changed, the status, what the message says, and which other checks turn red as well.
CASES = [
    # P01. Without tcp_mtu_probing, P03 says that the host needs it.
    ("P01", {NARROW: IGNORED}, FAIL, "larger than 1280 octets", {"P03"}),
    ("P01", {WIDER: IGNORED, PROBING: "1"}, FAIL, "larger than 1400 octets", set()),
    ("P01", {f"{NARROW}/ok": False, f"{NARROW}/seen/replied_after": False}, FAIL, "no answer arrives any more",
     {"P03"}),
    ("P01", {f"{NARROW}/ok": False, f"{NARROW}/seen/replied_before": False}, UNKNOWN, "no large echo requests", set()),
    ("P01", {NARROW: {"ok": False, "evidence": "", "seen": {"problem": "not root"}}}, UNKNOWN, "not root", set()),
    ("P01", {NARROW: GONE}, UNKNOWN, "was not made", set()),
    ("P01", {NARROW: {}}, UNKNOWN, "no large echo requests", set()),
    ("P01", {f"{PAGE}/ok": False, f"{PAGE}/seen/complete": False}, FAIL, "a page does not arrive whole", {"P03"}),
    ("P01", {PAGE: {"ok": False, "evidence": "no answer within 5 s", "seen": {"complete": False}}}, FAIL,
     "a page does not arrive whole", {"P03"}),
    ("P01", {PAGE: {"ok": False, "evidence": "handshake failure", "seen": {"complete": False}}}, UNKNOWN,
     "the service gave no page", set()),
    ("P01", {PAGE: {"ok": False, "evidence": "Connection refused", "seen": {}}}, UNKNOWN, "the service gave no page",
     set()),
    ("P01", {f"{PAGE}/ok": False, f"{PAGE}/seen/status": 404}, PASS, "a whole page arrives", set()),
    ("P01", {}, PASS, "heeds Packet Too Big", set()),
    ("P01", {"hosts": {}}, NOT_APPLICABLE, "no host", set()),
    # P02
    ("P02", {**TUNNEL, SEGMENTS: 1360, OTHERS: 1360}, PASS, "segments of 1360 octets fit", set()),
    ("P02", {**TUNNEL, OTHERS: 1360}, FAIL, "segments of 1440 octets don't fit into the path's MTU of 1420", set()),
    ("P02", {**TUNNEL, SEGMENTS: 1360, OTHERS: 1360, "lab/outside_source": ""}, UNKNOWN,
     "the audit itself told", set()),
    ("P02", {f"{VARIABLES}/readiness_path_mtu": 1500}, PASS, "fit into the path's MTU of 1500", set()),
    ("P02", {f"{VARIABLES}/readiness_path_mtu": "1480"}, FAIL, "1420 do", set()),
    ("P02", {f"{VARIABLES}/readiness_path_mtu": 900}, UNKNOWN, "is too small", set()),
    ("P02", {**TUNNEL, SEGMENTS: GONE, OTHERS: 1360}, UNKNOWN, "the size of its segments is not known", set()),
    ("P02", {f"{AUDIT}/problems/tunnels": "ip failed"}, UNKNOWN, "can't tell its tunnels", set()),
    ("P02", {}, NOT_APPLICABLE, "is no tunnel", set()),
    # P03
    ("P03", {PROBING: "1"}, PASS, "finds the path MTU by itself", set()),
    ("P03", {f"{VARIABLES}/readiness_mtu_probing": 1}, FAIL, "is 0, and 1 is declared", set()),
    ("P03", {f"{VARIABLES}/readiness_mtu_probing": True, PROBING: "1"}, PASS, "as declared", set()),
    ("P03", {f"{VARIABLES}/readiness_mtu_probing": 0}, PASS, "as declared", set()),
    ("P03", {NARROW: GONE}, UNKNOWN, "since P01 is not", set()),
    ("P03", {PROBING: ""}, UNKNOWN, "did not tell net.ipv4.tcp_mtu_probing", set()),
    ("P03", {}, NOT_APPLICABLE, "it is not needed", set()),
]  # fmt: skip


@pytest.mark.parametrize(("check", "changes", "status", "says", "also"), CASES)
def test_a_check_sees_what_it_is_meant_to_see(check, changes, status, says, also):
    verify(check, changes, status, says, also)


def test_probes_are_pinned_and_unique():
    made = readiness_transport.probes(built())
    assert {one["family"] for one in made} == {"ipv6"}
    assert len({one["id"] for one in made}) == len(made)
    assert sorted((one["kind"], one["mtu"]) for one in made if "|www1|" in one["id"]) == [
        ("mtu", 1280),
        ("mtu", 1400),
        ("transfer", 1280),
        ("transfer", 1280),
    ]


def test_nobody_says_that_the_way_is_narrow_to_the_address_that_segments_are_seen_from():
    made = {one["id"]: one.get("source") for one in readiness_transport.probes(built()) if one["kind"] == "mtu"}
    assert set(made.values()) == {OUTSIDE}


def test_what_a_host_remembers_of_an_earlier_run_is_no_evidence():
    later = built({f"{NARROW}/evidence": "1280 before", f"{NARROW}/seen/before": 1280, f"{PAGE}/seen/octets": 2001})
    assert judged(built()) == judged(later)
