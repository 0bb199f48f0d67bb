# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GUA and ULA side by side."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

ULA = "fd12:3456:789a::/48"
TREE = [{"name": "web"}, {"name": "mail", "number": "25"}, {"name": "ams", "length": 56, "subnets": [{"name": "lan"}]}]
HOSTS = {"www1": {"subnet": "web", "interface_id": "::80"}, "pc": {"subnet": "ams/lan"}}


def plan(prefix="2001:db8:1200::/48", previous=None, ula_prefix=ULA, **options):
    return subnet_plan(prefix, TREE, previous, HOSTS, today="2026-01-31", ula_prefix=ula_prefix, **options)


def refusal(*args, **options):
    with pytest.raises(RolloutError) as caught:
        plan(*args, **options)
    return str(caught.value)


def test_the_same_numbers_and_identifiers():
    made = plan()
    assert list(made) == ["prefix", "subnets", "hosts", "ula", "retired"]
    assert made["ula"]["prefix"] == ULA
    for section in ("subnets", "hosts"):
        assert made["ula"][section] == {
            name: text.replace("2001:db8:1200:", "fd12:3456:789a:") for name, text in made[section].items()
        }
        assert list(made["ula"][section]) == list(made[section])
    assert plan_file.parse(plan_file.render(made), "x") == made
    assert plan(previous=made) == made


def test_one_level_is_the_same():
    made = subnet_plan("2001:db8:1200::/56", [{"name": f"n{count}"} for count in range(40)], today="x", ula_prefix=ULA)
    assert made["ula"]["subnets"] == {
        name: text.replace("2001:db8:1200:", "fd12:3456:789a:") for name, text in made["subnets"].items()
    }


def test_without_a_ula_prefix_there_is_no_word_of_it():
    assert list(plan(previous=plan(), ula_prefix=None)) == ["prefix", "subnets", "hosts", "retired"]


def test_the_ula_side_stays_when_the_provider_changes():
    before = plan()
    after = plan("3fff:77::/48", before)
    assert after["subnets"]["mail"] == "3fff:77:0:25::/64"
    assert after["ula"] == before["ula"]


def test_a_longer_provider_prefix_has_the_same_numbers():
    made = subnet_plan("2001:db8:0:1200::/56", [{"name": "web", "number": "25"}], today="x", ula_prefix=ULA)
    assert made["subnets"]["web"] == "2001:db8:0:1225::/64"
    assert made["ula"]["subnets"]["web"] == "fd12:3456:789a:25::/64"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda ula: ula["subnets"].update(web="fd12:3456:789a:9::/64"),
            "previous: ula: subnets: web: 'fd12:3456:789a:9::/64' is not the twin of its place in the plan, "
            "fd12:3456:789a::/64; write that, or take the line out to have it made again",
        ),
        (
            lambda ula: ula.update(prefix="fd12:3456:789a::/64"),
            "previous: ula: prefix: fd12:3456:789a::/64 has no room for the twin of mail (2001:db8:1200:25::/64); "
            "pin it to a smaller number, or take a /48 or shorter",
        ),
    ],
)
def test_an_edited_twin_is_refused(change, message):
    before = copy.deepcopy(plan())
    change(before["ula"])
    assert refusal(previous=before) == message


def test_refusals():
    assert refusal(ula_prefix="2001:db8::/48") == (
        "ipv6_ula_prefix: '2001:db8::/48' is not a unique local prefix (RFC 4193); it begins with fd, such as "
        "fd12:3456:789a::/48"
    )
    assert refusal(ula_prefix="fd12:3456:789a:1::/64") == (
        "ipv6_ula_prefix: fd12:3456:789a:1::/64 has no room for the twin of mail (2001:db8:1200:25::/64); pin it to a "
        "smaller number, or take a /48 or shorter"
    )
    before = subnet_plan("2001:db8:1201::/48", [{"name": "web"}], today="x", ula_prefix="fd12::/40")
    with pytest.raises(RolloutError) as caught:
        subnet_plan("2001:db8:1200::/44", [{"name": "web"}], before, today="x", ula_prefix="fd12::/40")
    assert str(caught.value) == (
        "ipv6_prefix: 2001:db8:1200::/44 overlaps 2001:db8:1201::/48 but begins elsewhere, so the addresses in "
        "fd12::/40 "
        "would move; take ipv6_ula_prefix out, or give it another value, in the same change"
    )


def test_a_line_that_is_taken_out_takes_its_twin_along():
    before = plan()
    moved = copy.deepcopy(before)
    del moved["hosts"]["www1"]
    assert plan(previous=moved) == before
    del before["ula"]["hosts"]["www1"]
    assert plan(previous=before)["ula"]["hosts"]["www1"] == "fd12:3456:789a::80"


def test_the_provider_gives_more():
    wider = plan("2001:db8:1200::/44", plan())
    assert wider["ula"] == plan()["ula"]
    assert wider["subnets"] == plan()["subnets"]


@pytest.mark.parametrize(
    ("ula", "message"),
    [
        ("fd00::/8", "ipv6_ula_prefix: 'fd00::/8' has the prefix length 8; it must be between 16 and 128"),
        (
            "fc12::/48",
            "ipv6_ula_prefix: 'fc12::/48' is not a unique local prefix (RFC 4193); it begins with fd, such as "
            "fd12:3456:789a::/48",
        ),
        (
            "2001:db8:1200:1::/64",
            "ipv6_ula_prefix: '2001:db8:1200:1::/64' overlaps ipv6_prefix, 2001:db8:1200::/48; the twins need a prefix "
            "of their own",
        ),
    ],
)
def test_what_is_no_ula_prefix(ula, message):
    assert refusal(ula_prefix=ula) == message
    before = {**plan(), "ula": {"prefix": ula, "subnets": {}, "hosts": {}}}
    assert refusal(previous=before) == message.replace("ipv6_ula_prefix:", "previous: ula: prefix:")
