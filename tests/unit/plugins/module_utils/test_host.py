# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of itself."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, host

CHAINS = """{"nftables": [{"metainfo": {"version": "1.0.6"}},
{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "prio": 0}},
{"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input", "prio": 0}},
{"chain": {"family": "inet", "table": "filter", "name": "other", "type": "filter", "hook": "prerouting", "prio": 0}},
{"chain": {"family": "netdev", "table": "early", "name": "drops", "type": "filter", "hook": "ingress", "prio": 0}},
{"chain": {"family": "inet", "table": "routed", "name": "fwd", "type": "filter", "hook": "forward", "prio": 0}},
{"chain": {"family": "inet", "table": "plain", "name": "none"}}]}"""


def test_tables_of_nft_that_iptables_does_not_show_are_named():
    assert host.nft_tables(CHAINS, ("ip", "ip6")) == ["inet filter", "netdev early"]


def test_tables_named_as_those_of_iptables_are_nft_s_own_where_nothing_else_shows_them():
    assert host.nft_tables(CHAINS, ("ip6",)) == ["inet filter", "ip filter", "netdev early"]


def test_where_nft_lists_nothing_there_is_no_table():
    assert host.nft_tables('{"nftables": []}', ()) == []


# name: (return code, output, tables, problem)
NFT = {
    "tables": (0, CHAINS, ["inet filter", "ip filter", "netdev early"], ""),
    "not root": (1, "", [], "Operation not permitted"),
    "not installed": (127, "", [], ""),
    "no JSON": (0, "table inet filter {", [], "nft -j list chains printed no JSON"),
}


@pytest.mark.parametrize("name", NFT)
def test_tables_of_nft_that_can_not_be_listed_are_told(monkeypatch, name):
    code, out, tables, problem = NFT[name]
    monkeypatch.setattr(
        host.commands,
        "run",
        lambda argv, *_rest, **_options: (
            commands.Result(code, out, "Operation not permitted" if code else "")
            if argv[0] == "nft"
            else commands.Result(0, "", "")
        ),
    )
    monkeypatch.setattr(host.commands, "found", lambda program: None)
    found = host.firewall(with_rules=True)
    assert (found["nft_tables"], found["nft_problem"]) == (tables, problem)


def test_a_look_has_everything_that_preflight_reads():
    found = host.look()
    assert found["os"]["id"]
    assert found["free"]["/etc"] > 0
    assert {"ipv4", "ipv6"} <= set(found["firewall"])
    assert {"exact", "complete", "others"} == set(found["sockets"])
    assert any(interface["name"] == "lo" for interface in found["interfaces"])


def test_rules_come_as_text_only_if_asked_for():
    assert "saved" not in host.firewall()["ipv6"]
    assert isinstance(host.firewall(with_rules=True)["ipv6"]["saved"], str)


def test_rules_that_can_not_be_read_are_told(monkeypatch):
    def run(argv, *_rest, **_options):
        return (
            commands.Result(3, "", "Permission denied") if argv[0] == "ip6tables-save" else commands.Result(0, "", "")
        )

    monkeypatch.setattr(host.commands, "run", run)
    monkeypatch.setattr(host.commands, "found", lambda program: program)
    found = host.firewall(with_rules=True)
    assert (found["ipv4"]["problem"], found["ipv6"]["problem"]) == ("", "Permission denied")
