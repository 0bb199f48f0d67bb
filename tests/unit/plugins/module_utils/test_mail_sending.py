# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether mail leaves over IPv6."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import mail_sending
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

ADDRESS = "2001:db8::25"
HELO = "mail1.example.com"
BOTH = {4, 6}


def wish(mode="confirmed", names=(HELO,), why=(), unknown=(), address=ADDRESS):
    """Return what the controller sends along."""
    records = {"names": list(names), "why": list(why), "unknown": list(unknown)}
    return mail_sending.clean({"mode": mode, "address": address, "records": records})


@pytest.mark.parametrize(
    ("given", "families", "helo", "before", "ipv6", "why"),
    [
        (wish(), BOTH, HELO, "", True, ""),
        (wish(), BOTH, "MAIL1.example.com.", "", True, ""),
        (wish(), BOTH, "mail1.internal", "", False, "Postfix says HELO mail1.internal"),
        (wish(), BOTH, "mail1.internal", ADDRESS, False, "Postfix says HELO mail1.internal"),
        (wish(names=["ipv6.mail1.example.com"]), BOTH, HELO, "", False, "leads to ipv6.mail1.example.com"),
        (wish(names=["a.example", HELO]), BOTH, HELO, "", True, ""),
        (wish(names=[], why=["no PTR"]), BOTH, HELO, ADDRESS, False, "no PTR"),
        (wish(unknown=["no answer"]), BOTH, HELO, "", False, "no answer"),
        (wish(unknown=["no answer"]), BOTH, HELO, ADDRESS, True, "no answer"),
        (wish(unknown=["no answer"]), BOTH, HELO, "2001:db8::26", False, "no answer"),
        (wish(unknown=["no answer"], why=["SPF"]), BOTH, HELO, ADDRESS, False, "SPF"),
        (wish(), {4}, HELO, "", False, "has no IPv6"),
        (wish(), {6}, HELO, "", True, ""),
        (wish("never"), BOTH, HELO, ADDRESS, False, "never"),
        (wish("always", names=[], why=["no PTR"]), BOTH, "x", "", True, ""),
        (wish("always"), {4}, HELO, "", False, "has no IPv6"),
    ],
)
def test_decides(given, families, helo, before, ipv6, why):
    decision = mail_sending.decide(given, families, helo, before)
    assert decision.ipv6 is ipv6
    assert why in "; ".join(decision.why)
    assert bool(decision.why) == bool(why)


def test_says_what_to_do_only_where_something_is_to_do():
    decision = mail_sending.decide(wish(names=[], why=["no PTR"]), BOTH, HELO, "")
    (told,) = mail_sending.warnings(decision, BOTH)
    assert "sends over IPv4 only: no PTR" in told
    (told,) = mail_sending.warnings(mail_sending.decide(wish(unknown=["silent"]), BOTH, HELO, ADDRESS), BOTH)
    assert "goes on sending over IPv6" in told
    for mode, families in (("never", BOTH), ("always", BOTH), ("confirmed", {4})):
        assert not mail_sending.warnings(mail_sending.decide(wish(mode), families, HELO, ""), families)


def test_the_source_address_is_fixed_where_mail_leaves_over_ipv6():
    yes = mail_sending.Decision("confirmed", True, ADDRESS, [])
    assert mail_sending.parameters(yes, {}) == {"smtp_bind_address6": ADDRESS, "smtp_bind_address_enforce": "yes"}
    assert mail_sending.parameters(yes, {"smtp_bind_address_enforce": "no"}) == {"smtp_bind_address6": ADDRESS}
    assert not mail_sending.parameters(yes._replace(ipv6=False), {})
    assert not mail_sending.parameters(yes._replace(address=""), {})


MASTER = """\
smtp   inet  n - y - - smtpd
smtp   unix  - - y - - smtp
relay  unix  - - y - - smtp
  -o inet_protocols=ipv4
slow   unix  - - y - 1 smtp
own6   unix  - - y - - smtp -o inet_protocols=ipv6
own4   unix  - - y - - smtp -o inet_protocols=ipv4
retry  unix  - - y - - error
lmtp   unix  - - y - - lmtp
"""
OWN4, OWN6 = (f"own{family}/unix has inet_protocols=ipv{family} of its own" for family in (4, 6))
FOUR, NOTHING = {"inet_protocols": "ipv4"}, {"inet_protocols": None}


@pytest.mark.parametrize(
    ("ipv6", "families", "ours", "given", "found", "told"),
    [
        (False, BOTH, (), (), {"smtp/unix": FOUR, "slow/unix": FOUR}, [OWN6]),
        (False, BOTH, ("relay/unix",), (), {"smtp/unix": FOUR, "relay/unix": FOUR, "slow/unix": FOUR}, [OWN6]),
        (True, BOTH, ("relay/unix",), (), {"smtp/unix": NOTHING, "relay/unix": NOTHING, "slow/unix": NOTHING}, [OWN4]),
        (False, {4}, ("relay/unix",), (), {"smtp/unix": NOTHING, "relay/unix": NOTHING, "slow/unix": NOTHING}, []),
        # What a user says of a service is left alone, and told where it goes against the decision.
        (False, BOTH, (), ("slow/unix",), {"smtp/unix": FOUR}, ["slow/unix has inet_protocols= of its own", OWN6]),
    ],
)
def test_the_services_that_send(ipv6, families, ours, given, found, told):
    decision = mail_sending.Decision("confirmed", ipv6, ADDRESS, [])
    overrides, warnings = mail_sending.overrides(decision, families, MASTER, ours, given)
    assert overrides == found
    assert [text.partition(" in master.cf")[0] for text in warnings] == told


@pytest.mark.parametrize(
    ("given", "why"), [({"mode": "maybe"}, "none of confirmed"), ({"address": "192.0.2.1"}, "is no IPv6 address")]
)
def test_refuses(given, why):
    with pytest.raises(RolloutError, match=why):
        mail_sending.clean(given)


def test_a_service_with_a_name_or_address_of_its_own_is_told():
    text = "smtp unix - - y - - smtp -o smtp_helo_name=x -o smtp_bind_address6=2001:db8::9\n"
    yes = mail_sending.Decision("confirmed", True, ADDRESS, [])
    _overrides, (told,) = mail_sending.overrides(yes, BOTH, text, (), {})
    assert "smtp/unix has smtp_bind_address6=2001:db8::9, smtp_helo_name=x of its own" in told
    assert not mail_sending.overrides(yes._replace(mode="always"), BOTH, text, (), {})[1]
