# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a v4 proxy, and of the hosts without IPv4 behind it."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web as web
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import FAIL, Host, Site

LAB = {"name": "client1", "ipv4": "192.0.2.104", "outside_source": "2001:db8:be9::10"}
PUBLIC = "192.0.2.64"
LOG = "/var/log/apache2/access.log"
PLAN = {
    "hosts": {
        "gw1": "2001:db8:900:53::64",
        "web1": "2001:db8:900:80::80",
        "web1/proxied": "2001:db8:900:80::8080",
        "mail1": "2001:db8:900:25::25",
        "mail1/proxied": "2001:db8:900:25::8025",
    }
}
BEHIND = {"v4_proxy_protocol": "v2", "ipv6_services": ["http", "https"]}
PAGES = {"www.example.org": "web1", "mail.example.org": "mail1"}


def service(name, port, daemon=""):
    """Return a service as host_spec gives it."""
    return {"name": name, "port": port, "protocol": "tcp", "sources": [], "daemon": daemon}


def host(name, names, offered, ipv4=None, variables=None, hits=(LAB["ipv4"], LAB["outside_source"])):
    """Return a host of the site."""
    spec = {"address": PLAN["hosts"][name], "ipv4": ipv4, "names": names, "services": offered}
    seen = [{"file": LOG, "address": address} for address in hits]
    told = {"web": {"server": "apache2", "access": []}, "hits": {"seen": seen, "logs": 1, "problem": ""}}
    return Host(name, spec, variables or {}, {"audit": told})


def site(gateway=None, hits=(LAB["ipv4"], LAB["outside_source"]), **given):
    """Return a site: a gateway, a web server and a mail server behind it."""
    both = [service("http", 80, "apache"), service("https", 443, "apache")]
    hosts = [
        host("gw1", [], [], "198.18.9.64", {"v4_proxy_public": [PUBLIC], **(gateway or {})}),
        host("web1", ["www.example.org"], both, None, {**BEHIND, "v4_proxy_address": "web1/proxied"}, hits),
        host(
            "mail1",
            ["mail.example.org"],
            [service("smtp", 25, "postfix"), service("imaps", 993)],
            None,
            {**BEHIND, "v4_proxy_address": "mail1/proxied", "v4_proxy_ports": [{"port": 993, "to": 10993}]},
        ),
    ]
    return Site({one.name: one for one in hosts}, plan=PLAN, **{"lab": LAB, "token": "a-token", **given})


def answered(probe):
    """Return the proof of a healthy proxy and healthy hosts."""
    owner = PAGES.get(probe.get("host", ""))
    proof = {"id": probe["id"], "ok": True, "evidence": "fine", "address": probe["address"], "seen": {}}
    seen = proof["seen"]
    seen["family"] = probe["family"]
    stranger = "stranger" in probe["id"]
    if stranger and probe["port"] == 10993:
        return {**proof, "ok": False, "evidence": "no answer", "seen": {}}
    if probe["kind"] in ("http", "https"):
        status = 403 if stranger else 200 if owner or probe["family"] == "ipv6" else 421
        seen.update(status=status, lines=[f"{owner}{number}" for number in range(20)], final="", first_byte=0.01)
    if probe["kind"] in ("https", "tls"):
        if owner is None and not stranger and probe["family"] == "ipv4":
            return {**proof, "ok": False, "evidence": "the connection is closed for this name"}
        seen["certificate"] = f"key of {owner}"
    return proof


def seen_from(given, change=lambda probe, proof: None):
    """Let the lab machine make the probes."""
    proofs = {f"firewall|{name}|ping|ipv6": {"ok": True, "seen": {"family": "ipv6"}} for name in given.hosts}
    for probe in web.probes(given):
        proof = copy.deepcopy(answered(probe))
        proofs[probe["id"]] = change(probe, proof) or proof
    return dataclasses.replace(given, proofs=proofs)


def results(judged):
    """Return all results of the group."""
    return [result for check in web.CHECKS for result in check.results(judged)]


def red(judged):
    """Return the ids of the checks that failed."""
    return {result.check for result in results(judged) if result.status == FAIL}


def statuses(judged, check):
    """Return the statuses of a check, but for hosts that it is not about."""
    return {result.status for result in results(judged) if result.check == check and result.address}


def on(*wanted, **fields):
    """Return a change of what the proofs with these words in their id saw."""

    def change(probe, proof):
        if all(word in probe["id"].split("|") for word in wanted):
            proof["seen"].update(fields)

    return change


def test_a_healthy_proxy_has_nothing_red():
    judged = seen_from(site())
    assert red(judged) == set()
    assert statuses(judged, "W07") == {"pass"}
    assert statuses(judged, "W06") == {"pass"}
    # IPv4 clients come by the proxy, so both families are compared.
    assert statuses(judged, "W02") == statuses(judged, "W03") == {"pass"}
    addresses = {result.address for result in results(judged) if result.check == "W01" and result.family == "ipv4"}
    assert addresses == {PUBLIC}


FAULTS = {
    "an unknown name of TLS gets a host": (on("nobody", "443", certificate="key of web1"), {"W07"}),
    "an unknown name of HTTP gets a host": (on("nobody", "80", status=200), {"W07"}),
    "a name leads to another host": (
        on("through", "443", "www.example.org", certificate="key of mail1"),
        {"W07"},
    ),
    "a name of HTTP leads to another host": (
        on("through", "80", "www.example.org", lines=["another page"] * 20),
        {"W07"},
    ),
    "a name leads nowhere": (on("through", "993", certificate=""), {"W07"}),
    "a name of HTTP is unknown to the proxy": (on("through", "80", status=421), {"W07"}),
    "the header of a stranger is read": (
        lambda probe, proof: (
            {**proof, "ok": False, "evidence": "no HTTP answer", "seen": {"family": "ipv6"}}
            if "stranger" in probe["id"] and probe["kind"] == "http"
            else None
        ),
        {"W07"},
    ),
    "a stranger gets to the port for the proxy": (
        lambda probe, proof: {**proof, "ok": True, "seen": {"family": "ipv6"}} if probe["port"] == 10993 else None,
        {"W07"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_turns_the_check_red(fault):
    change, expected = FAULTS[fault]
    judged = seen_from(site(), change)
    assert red(judged) == expected
    for result in results(judged):
        if result.status == FAIL:
            assert result.evidence
            assert result.variable
            assert result.fix


def test_the_log_of_a_host_behind_the_proxy_must_not_show_the_proxy():
    judged = seen_from(site(hits=(LAB["outside_source"], PLAN["hosts"]["gw1"])))
    assert red(judged) == {"W06"}
    (bad,) = [result for result in results(judged) if result.status == FAIL]
    assert (bad.host, bad.family) == ("web1", "ipv4")


@pytest.mark.parametrize(
    "change",
    [
        lambda probe, proof: {**proof, "ok": False, "seen": {"problem": "not permitted"}},
        lambda probe, proof: (
            {**proof, "ok": False, "evidence": "no answer", "seen": {}} if "nobody" in proof["id"] else None
        ),
    ],
)
def test_what_was_not_seen_is_unknown(change):
    judged = seen_from(site(), change)
    assert "unknown" in statuses(judged, "W07")
    assert not red(judged)


def test_silence_proves_nothing_where_no_stranger_gets_to_the_host():
    judged = seen_from(site())
    assert statuses(judged, "W07") == {"pass"}
    unseen = {name: proof for name, proof in judged.proofs.items() if not name.startswith("firewall|mail1")}
    found = [one for one in results(dataclasses.replace(judged, proofs=unseen)) if one.status != "pass" and one.address]
    assert [(one.check, one.host, one.status) for one in found if one.check == "W07"] == [("W07", "mail1", "unknown")]


def test_without_proofs_or_without_ipv4_it_is_unknown():
    assert statuses(site(), "W07") == {"unknown"}
    judged = seen_from(site(lab={"outside_source": LAB["outside_source"]}))
    assert statuses(judged, "W07") == {"pass", "unknown"}
    judged = seen_from(site(lab={"ipv4": LAB["ipv4"]}))
    assert statuses(judged, "W07") == {"pass", "unknown"}


def test_a_host_that_is_no_proxy_is_not_judged():
    judged = seen_from(site(gateway={"v4_proxy_public": []}))
    assert {result.status for result in results(judged) if result.check == "W07"} == {"not_applicable"}
    assert statuses(judged, "W02") == set() or statuses(judged, "W02") == {"not_applicable"}


def test_only_members_are_behind_the_proxy():
    made = web.probes(site(gateway={"v4_proxy_members": ["web1"]}))
    assert not [probe for probe in made if probe["port"] in (993, 10993)]


def test_a_member_with_wrong_variables_is_named():
    given = site()
    broken = dataclasses.replace(given.hosts["mail1"], variables={"v4_proxy_ports": ["imap"]})
    with pytest.raises(RolloutError, match="v4_proxy_ports of mail1"):
        web.probes(dataclasses.replace(given, hosts={**given.hosts, "mail1": broken}))


@pytest.mark.parametrize("value", [None, "192.0.2.64", 7, [7, None], {"a": 1}])
def test_public_addresses_of_a_wrong_kind_are_nobodys(value):
    assert not red(seen_from(site(gateway={"v4_proxy_public": value})))
