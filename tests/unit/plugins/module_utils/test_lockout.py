# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the next login gets through: judged from the rules."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import filter_table, lockout, rule_set, rules
from ansible_collections.ipv6.rollout.plugins.module_utils.lockout import Login

ADMIN = Login("ipv6", "2001:db8:aa::5", "2001:db8:1::80", 22)


def table(*management, port=22):
    """Return the rules of a policy that lets these sources in."""
    return rule_set.wanted_table(rules.policy([], management, port, []), (), filter_table.EMPTY).text


def judged(text, login=ADMIN):
    """Judge one login by IPv6 rules."""
    return lockout.judge([login], {"ipv6": text})


def test_a_login_from_a_management_source_gets_through():
    assert judged(table("2001:db8:aa::/48")) == lockout.Judgement([], [])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (table(), "-A INPUT -p tcp -j REJECT --reject-with tcp-reset"),
        (table("2001:db8:bb::/48"), "-A INPUT -p tcp -j REJECT --reject-with tcp-reset"),
        (table("2001:db8:aa::/48", port=2222), "-A INPUT -p tcp -j REJECT --reject-with tcp-reset"),
        ("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", "the policy of INPUT"),
        ("*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 2001:db8:aa::5/128 -j DROP\nCOMMIT\n", "-s 2001:db8:aa::5"),
    ],
)
def test_a_login_that_would_be_refused_is_told_with_the_rule(text, rule):
    found = judged(text)
    assert found.unsure == []
    assert len(found.refused) == 1
    assert rule in found.refused[0]
    assert found.refused[0].startswith("IPv6: ssh from 2001:db8:aa::5 to 2001:db8:1::80 port 22: ")


def test_a_foreign_chain_in_front_is_looked_into():
    live = filter_table.parse(
        ":INPUT ACCEPT [0:0]\n:f2b - [0:0]\n-A INPUT -p tcp -j f2b\n-A f2b -s 2001:db8:aa::5/128 -j DROP\n"
    )
    wanted = rules.policy([], ["2001:db8:aa::/48"], 22, [])
    found = judged(rule_set.wanted_table(wanted, (), live).text)
    assert "-A f2b -s 2001:db8:aa::5/128 -j DROP" in found.refused[0]


def test_a_limit_can_not_be_told():
    text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m limit --limit 5/min -j ACCEPT\nCOMMIT\n"
    found = judged(text)
    assert found.refused == []
    assert "it depends on" in found.unsure[0]


def test_an_unknown_source_can_not_be_told():
    found = judged(table(), ADMIN._replace(source="", reason="it goes through a jump host"))
    assert found == lockout.Judgement([], ["IPv6: it goes through a jump host"])


SEEN = "2001:db8:cc::7 50000 2001:db8:1::80 22"


@pytest.mark.parametrize(
    ("logins", "connection", "expected"),
    [
        # The host sees another source than the controller supposes: it is right.
        ([ADMIN], SEEN, [ADMIN._replace(source="2001:db8:cc::7")]),
        # The login to come goes to another address than the connection in use.
        ([ADMIN], "fe80::1%eth0 50000 fe80::2%eth0 22", [ADMIN]),
        # Nobody asked for it, but it is the connection that the administrator has.
        ([], SEEN, [ADMIN._replace(source="2001:db8:cc::7")]),
        ([ADMIN], "192.0.2.7 50000 192.0.2.80 2222", [ADMIN, Login("ipv4", "192.0.2.7", "192.0.2.80", 2222)]),
        # An IPv4 source that only the controller names may be behind a translator.
        ([Login("ipv4", "10.0.0.1", "192.0.2.80", 22)], "", []),
        ([Login("ipv6", "", "2001:db8:1::80", 22, "x")], SEEN, [ADMIN._replace(source="2001:db8:cc::7")]),
        ([ADMIN], "nonsense", [ADMIN]),
        ([], "", []),
    ],
)
def test_what_the_host_sees_completes_what_the_controller_supposes(logins, connection, expected):
    assert lockout.complete(logins, connection) == expected


def test_the_connection_is_found_though_sudo_took_it_out(tmp_path):
    child = "from ansible_collections.ipv6.rollout.plugins.module_utils import lockout; print(lockout.ssh_connection())"
    # The environment of a process is that of its start: a shell that has it, and a child that has not.
    done = subprocess.run(
        ["sh", "-c", f'env -u SSH_CONNECTION "$0" -c "{child}"; true', sys.executable],
        env={**os.environ, "SSH_CONNECTION": SEEN, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.strip() == SEEN


def test_an_answer_that_can_t_leave_is_a_lock_out_too():
    text = table("2001:db8:aa::/48").replace(":OUTPUT ACCEPT", ":OUTPUT DROP")
    found = judged(text)
    assert found.refused == [
        "IPv6: ssh from 2001:db8:aa::5 to 2001:db8:1::80 port 22, the answer: the policy of OUTPUT"
    ]


def test_what_the_ipv4_rules_refuse_is_only_told():
    login = Login("ipv4", "192.0.2.7", "192.0.2.80", 22)
    found = lockout.judge([login], {"ipv4": "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"})
    assert found.refused == []
    assert found.unsure == ["IPv4: ssh from 192.0.2.7 to 192.0.2.80 port 22: the policy of INPUT"]


def test_a_login_must_get_through_both_back_ends():
    found = lockout.judge([ADMIN], {"ipv6": [table("2001:db8:aa::/48"), "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"]})
    assert len(found.refused) == 1
