# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module postfix."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.action.postfix import ActionModule
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import mail_confirmed

FOUND = {"names": ["mail1.example.com"], "why": [], "unknown": []}


@pytest.fixture(name="asked")
def _asked(monkeypatch):
    asked = []

    def look_up(*given):
        asked.append(given)
        return FOUND

    monkeypatch.setattr(mail_confirmed, "look_up", look_up)
    return asked


def test_the_dns_is_asked_for_the_address_that_counts(asked):
    sending = {
        "address": "2001:db8::25",
        "domains": ["example.com"],
        "dns": {"server": "192.0.2.53"},
        "records": {"a": 1},
    }
    before = dict(sending)
    found = ActionModule._asked(sending, {"smtp_bind_address6": "[2001:db8::26]"})
    assert asked == [("2001:db8::26", ["example.com"], {"server": "192.0.2.53"})]
    assert found["records"] == FOUND and found["address"] == "2001:db8::26"
    assert sending == before


@pytest.mark.parametrize("mode", ["always", "never", "nonsense"])
def test_nobody_is_asked_where_the_answer_decides_nothing(asked, mode):
    assert "records" not in ActionModule._asked({"mode": mode, "records": FOUND}, None)
    assert not asked


def test_what_a_user_writes_as_records_is_not_used(monkeypatch):
    monkeypatch.setattr(mail_confirmed, "Resolver", None)  # nobody is asked without an address
    monkeypatch.setattr(mail_confirmed, "look_up", lambda *given: mail_confirmed.confirmed(given[0], given[1], None))
    assert "set postfix_address" in ActionModule._asked({"records": FOUND}, {})["records"]["why"][0]


@pytest.mark.parametrize(
    ("sending", "why"),
    [
        ({"address": "192.0.2.1", "domains": ["example.com"]}, "postfix_address"),
        ({"dns": "ns1"}, r"sending\.dns"),
        ('{"records": {"names": ["a"]}}', "sending: .* is no dictionary"),
    ],
)
def test_refuses(sending, why):
    with pytest.raises(RolloutError, match=why):
        ActionModule._asked(sending, {})


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ("smtp_bind_address6=2001:db8::26", "parameters: .* is no dictionary"),
        ({"smtp_bind_address6": "$other"}, "write the address"),
    ],
)
def test_an_address_that_can_not_be_confirmed_is_refused(asked, parameters, why):
    with pytest.raises(RolloutError, match=why):
        ActionModule._asked({"address": "2001:db8::25"}, parameters)
    assert not asked
