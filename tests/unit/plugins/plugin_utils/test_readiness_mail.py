# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of mail servers: what the role leaves has nothing red, and each fault is seen by its check."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_mail as mail
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_mail_sender as sender
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import FAIL, PASS, Host, Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name

ADDRESS = "2001:db8:1200:25::25"
NAME = "mail1.example.com"
LAB = {"name": "lab1", "ipv4": "198.51.100.200", "outside_source": "2001:db8:beef::10"}
# As postconf -x prints them on Debian 12 after the role postfix.
BOOKWORM = {
    "inet_interfaces": "all",
    "inet_protocols": "all",
    "mail_version": "3.7.11",
    "myhostname": NAME,
    "mynetworks": "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128",
    "smtp_address_preference": "any",
    "smtp_balance_inet_protocols": "yes",
    "smtp_bind_address": "",
    "smtp_bind_address6": ADDRESS,
    "smtp_bind_address_enforce": "yes",
    "smtp_connect_timeout": "10s",
    "smtp_helo_name": NAME,
    "smtp_mx_address_limit": "5",
    "smtp_mx_session_limit": "2",
    "smtpd_banner": f"{NAME} ESMTP Postfix (Debian/GNU)",
    "smtpd_client_connection_count_limit": "50",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_client_message_rate_limit": "0",
    "smtpd_client_recipient_rate_limit": "0",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
}
TRIXIE = {**BOOKWORM, "mail_version": "3.10.13", "smtpd_client_ipv6_prefix_length": "84"}
SPF = f'"v=spf1 ip4:198.51.100.25 ip6:{ADDRESS} -all"'
ROUTE = {"destination": "default", "device": "eth0", "gateway": "fe80::1", "type": "unicast", "dead": False}


def records(**changed):
    """Return the records of a healthy site; one that is None is left out."""
    told = {
        "ptr": (reverse_name(ADDRESS), "PTR", f"{NAME}."),
        "aaaa": (f"{NAME}.", "AAAA", ADDRESS),
        "spf": ("example.com.", "TXT", SPF),
        "dmarc": ("_dmarc.example.com.", "TXT", '"v=DMARC1; p=none"'),
        "key": ("k1._domainkey.example.com.", "TXT", '"v=DKIM1; k=ed25519; p=abcd"'),
    }
    told = {kind: (*entry[:2], changed.get(kind, entry[2])) for kind, entry in told.items()}
    found = [
        {"zone": "", "name": name, "type": type_, "ttl": 300, "data": data}
        for name, type_, data in told.values()
        if data is not None
    ]
    return found + list(changed.get("more", ()))


def dns(by="transfer", unknown=(), **changed):
    """Return what zone_info says."""
    zone = {"serial": 1, "by": by, "records": 9}
    zones = {"example.com.": zone, "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.": zone}
    return {"records": records(**changed), "zones": zones, "unknown": list(unknown)}


def service(name="smtp", port=25):
    """Return a service as host_spec gives it."""
    return {"name": name, "port": port, "protocol": "tcp", "sources": [], "daemon": "postfix"}


def audit(parameters=None, overrides=None, **changed):
    """Return the audit's part of a look at a healthy mail server; a parameter that is None does not exist."""
    given = BOOKWORM if parameters is None else parameters
    held = {name: value for name, value in given.items() if value is not None}
    return {
        "postfix": {"installed": True, "parameters": held, "overrides": overrides or {}, "problem": ""},
        "addresses": [{"address": text} for text in ("::1", ADDRESS, "198.51.100.25", "fe80::1")],
        "routes": {"ipv4": [], "ipv6": [ROUTE]},
        "selection": {"sources": {"2001:db8:beef::10": ADDRESS, ADDRESS: ADDRESS, "198.51.100.200": "198.51.100.25"}},
        **changed,
    }


def site(look=None, variables=None, zones=None, **given):
    """Return a site with one mail server."""
    spec = {
        "address": ADDRESS,
        "ipv4": given.pop("ipv4", "198.51.100.25"),
        "names": [NAME],
        "lab_names": [f"ipv6.{NAME}"],
        "services": given.pop("services", [service()]),
        "mail_domains": given.pop("mail_domains", ["example.com"]),
    }
    host = Host("mail1", spec, variables or {}, {"audit": audit() if look is None else look}, given.pop("why", ""))
    if look is False:
        host = dataclasses.replace(host, look=None)
    told = {"lab": LAB, "variables": {"ipv6_prefix": "2001:db8:1200::/48"}, "plan": {"prefix": "2001:db8:1200::/48"}}
    return Site({"mail1": host}, dns=dns() if zones is None else zones, **{**told, **given})


def answered(probe):
    """Return the proof of a healthy server."""
    seen = {"family": probe["family"]}
    if probe["kind"] == "tls":
        seen["certificate"] = "x"
    else:
        seen.update(greeting=f"220 {NAME} ESMTP Postfix (Debian/GNU)", name=NAME, extensions=["PIPELINING"])
    if probe["kind"] == "relay":
        seen.update(code=454, reply=f"454 4.7.1 <{probe['recipient']}>: Relay access denied")
    return {"id": probe["id"], "ok": True, "evidence": "fine", "address": probe["address"], "seen": seen}


def seen_from(given, change=lambda probe, proof: None):
    """Let the lab machine make the probes, those of the second round too."""
    for _round in range(2):
        proofs = dict(given.proofs)
        for probe in mail.probes(given):
            if probe["id"] not in proofs:
                proof = copy.deepcopy(answered(probe))
                proofs[probe["id"]] = change(probe, proof) or proof
        given = dataclasses.replace(given, proofs=proofs)
    return given


def results(judged):
    """Return all results of the group."""
    return [result for check in mail.CHECKS for result in check.results(judged)]


def red(judged):
    """Return the ids of the checks that failed."""
    return {result.check for result in results(judged) if result.status == FAIL}


def statuses(judged, check):
    """Return the statuses that a check gives."""
    return {result.status for result in results(judged) if result.check == check}


def on(over, kind, **fields):
    """Return a change of what the probes of a kind saw."""
    return lambda probe, proof: (
        proof["seen"].update(fields) if (probe["family"], probe["kind"]) == (over, kind) else None
    )


def silent(family):
    """Return a change that takes a family away."""
    gone = {"ok": False, "evidence": "[2001:db8:1200:25::25]:25: no answer", "seen": {}}
    return lambda probe, proof: {**proof, **gone} if probe["family"] == family else None


# ---------------------------------------------------------------------------------------------- healthy


@pytest.mark.parametrize("parameters", [BOOKWORM, TRIXIE, {**BOOKWORM, "mynetworks": "127.0.0.0/8"}])
def test_what_the_role_leaves_has_nothing_red_and_all_is_known(parameters):
    found = results(seen_from(site(audit(parameters))))
    assert {result.check for result in found} == {check.id for check in mail.CHECKS}
    assert [result for result in found if result.status not in (PASS, "not_applicable")] == []
    passes = {result.check for result in found if result.status == PASS}
    assert passes == {"M01", "M02", "M03", "M04", "M05", "M06", "M07"}


def test_no_probe_names_a_domain_of_the_site_and_each_is_pinned():
    made = mail.probes(site(mail_domains=["example.org", "example.net"]))
    for probe in made:
        assert (":" in probe["address"]) == (probe["family"] == "ipv6")
        assert probe.get("source", "") == (LAB["outside_source"] if probe["family"] == "ipv6" else "")
    told = {
        probe[key].partition("@")[2] for probe in made if probe["kind"] == "relay" for key in ("sender", "recipient")
    }
    # The server's own name is in example.com.
    assert told == {"example.edu"}


# ---------------------------------------------------------------------------------------------- probes


PROBED = {
    "no greeting over IPv6": (silent("ipv6"), {"M01"}),
    "no greeting over IPv4": (silent("ipv4"), {"M01"}),
    "another name over IPv6": (on("ipv6", "smtp", greeting="220 other.example.org", name="other.example.org"), {"M01"}),
    "it relays over IPv6": (on("ipv6", "relay", code=250, reply="250 2.1.5 Ok"), {"M06"}),
    "it relays over IPv4": (on("ipv4", "relay", code=250, reply="250 2.1.5 Ok"), {"M06"}),
    "refused for good": (on("ipv6", "relay", code=554, reply="554 5.7.1 Relay access denied"), set()),
    "refused at the greeting": (on("ipv6", "relay", code=450, reply="450 come back later", greeting=""), set()),
}


@pytest.mark.parametrize("case", PROBED)
def test_what_the_lab_machine_sees_decides(case):
    change, expected = PROBED[case]
    assert red(seen_from(site(), change)) == expected


# ---------------------------------------------------------------------------------------------- settings


def other(**parameters):
    """Return a look with other parameters."""
    return audit({**BOOKWORM, **parameters})


def newer(**parameters):
    """Return a look at Debian 13 with other parameters."""
    return audit({**TRIXIE, **parameters})


KEPT = {"smtp/unix/inet_protocols": "ipv4", "relay/unix/inet_protocols": "ipv4"}
SETTINGS = {
    "another name at EHLO": (other(smtp_helo_name="other.example.com"), {"M02"}),
    "myhostname is a short name": (other(smtp_helo_name="", myhostname="mail1"), {"M01", "M02"}),
    "another source": (other(smtp_bind_address6="2001:db8:1200:25::99"), {"M02", "M03", "M07"}),
    "the kernel's choice is another one": (
        audit(
            {**BOOKWORM, "smtp_bind_address6": ""}, selection={"sources": {"2001:db8:beef::10": "2001:db8:1200:25::99"}}
        ),
        {"M02", "M03", "M07"},
    ),
    "the kernel's choice is right": (other(smtp_bind_address6=""), set()),
    "one address of inet_interfaces": (other(smtp_bind_address6="", inet_interfaces=f"127.0.0.1, [{ADDRESS}]"), set()),
    "the source is not on the host": (audit(addresses=[{"address": "::1"}, {"address": "198.51.100.25"}]), {"M03"}),
    "the IPv4 source is not on the host": (other(smtp_bind_address="198.51.100.99"), {"M03"}),
    "the IPv4 source is on the host": (other(smtp_bind_address="198.51.100.25"), set()),
    "IPv4 only": (other(inet_protocols="ipv4"), {"M04"}),
    "both families in words": (other(inet_protocols="ipv6, ipv4"), set()),
    "IPv6 only": (other(inet_protocols="ipv6"), {"M04"}),
    "a preference that nobody declared": (other(smtp_address_preference="ipv6"), {"M04"}),
    "no route": (audit(routes={"ipv4": [ROUTE], "ipv6": []}), {"M04"}),
    "a route that leads nowhere": (audit(routes={"ipv6": [{**ROUTE, "type": "unreachable"}]}), {"M04"}),
    "kept on IPv4 without need": (audit(overrides=KEPT), {"M04"}),
    "a long timeout": (other(smtp_connect_timeout="30s"), {"M05"}),
    "a timeout without a unit": (other(smtp_connect_timeout="15"), {"M05"}),
    "a timeout just short enough": (other(smtp_connect_timeout="14s"), set()),
    "a timeout in minutes": (other(smtp_connect_timeout="1m"), {"M05"}),
    "no timeout of its own": (other(smtp_connect_timeout="0"), {"M05"}),
    "many addresses": (other(smtp_mx_address_limit="7"), {"M05"}),
    "any number of addresses": (other(smtp_mx_address_limit="0"), {"M05"}),
    "families not balanced": (other(smtp_balance_inet_protocols="no"), {"M05"}),
    "IPv4 first": (other(smtp_address_preference="ipv4", smtp_balance_inet_protocols="no"), {"M04"}),
    "everybody is trusted": (other(mynetworks="127.0.0.0/8 [2001:db8::]/32"), {"M06"}),
    "no brackets": (other(mynetworks="127.0.0.0/8 2001:db8:1200::/48"), {"M06"}),
    "host bits": (other(mynetworks="[2001:db8:1200::1]/64"), {"M06"}),
    "the site is trusted": (other(mynetworks="127.0.0.0/8, [2001:db8:1200::]/48 [fe80::]/64"), set()),
    "a wide prefix that is not": (
        other(mynetworks="!2001:db8::/32 127.0.0.0/8".replace("2001:db8::", "[2001:db8::]")),
        set(),
    ),
    "limits by /84": (newer(smtpd_client_message_rate_limit="30"), {"M08"}),
    "limits by /128": (newer(smtpd_client_ipv6_prefix_length="128"), {"M08"}),
    "limits by /64": (newer(smtpd_client_ipv6_prefix_length="64", smtpd_client_message_rate_limit="30"), set()),
    "limits of an old Postfix": (other(smtpd_client_message_rate_limit="30"), set()),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_each_setting_is_seen_by_the_check_that_it_is_for(case):
    look, expected = SETTINGS[case]
    judged = seen_from(site(look))
    assert red(judged) == expected
    for result in results(judged):
        if result.status == FAIL:
            assert result.evidence
            assert result.variable or result.file
            assert result.fix


DECLARED = {
    "never": (audit(overrides=KEPT), {"postfix_send_ipv6": "never"}, set()),
    "never, and it does": (audit(), {"postfix_send_ipv6": "never"}, {"M04"}),
    "always, and it does not": (audit(overrides=KEPT), {"postfix_send_ipv6": "always"}, {"M04"}),
    "a preference": (other(smtp_address_preference="ipv6"), {"postfix_smtp_address_preference": "ipv6"}, set()),
    "by its own name": (other(inet_protocols="ipv4"), {"postfix_parameters": {"inet_protocols": "ipv4"}}, set()),
    "another address": (
        audit(
            {**BOOKWORM, "smtp_bind_address6": "2001:db8:1200:25::99"}, addresses=[{"address": "2001:db8:1200:25::99"}]
        ),
        {"postfix_address": "2001:DB8:1200:25:0::99"},
        {"M02", "M07"},
    ),
}


@pytest.mark.parametrize("case", DECLARED)
def test_what_the_inventory_declares_counts(case):
    look, variables, expected = DECLARED[case]
    zones = dns(spf='"v=spf1 ip6:2001:db8:1200:25::25 -all"')
    assert red(seen_from(site(look, variables, zones))) == expected


def test_mail_that_waits_for_its_records_is_told_by_the_records():
    judged = seen_from(site(audit(overrides=KEPT), zones=dns(spf='"v=spf1 ip4:198.51.100.25 -all"')))
    assert red(judged) == {"M07"}
    assert statuses(judged, "M03") == statuses(judged, "M05") == {"not_applicable"}


# ---------------------------------------------------------------------------------------------- records


RECORDS = {
    "no PTR record": (dns(ptr=None), {"M02"}),
    "PTR to the lab name": (dns(ptr=f"ipv6.{NAME}."), {"M02"}),
    "no AAAA record": (dns(aaaa=None), {"M02"}),
    "AAAA to another address": (dns(aaaa="2001:db8:1200:25::99"), {"M02"}),
    "the name in capitals": (dns(ptr="MAIL1.Example.COM."), set()),
    "no SPF record": (dns(spf=None), {"M07"}),
    "SPF without IPv6": (dns(spf='"v=spf1 ip4:198.51.100.25 -all"'), {"M07"}),
    "SPF by the name": (dns(spf=f'"v=spf1 a:{NAME} -all"'), set()),
    "SPF that is wrong": (dns(spf='"v=spf1 ip6:[2001:db8::1] -all"'), {"M07"}),
    "SPF softfail": (dns(spf='"v=spf1 ~all"'), {"M07"}),
    "two SPF records": (
        dns(more=[{"zone": "", "name": "example.com.", "type": "TXT", "ttl": 1, "data": '"v=spf1 -all"'}]),
        {"M07"},
    ),
    "no DMARC record": (dns(dmarc=None), set()),
    "no DKIM key": (dns(key=None), {"M07"}),
    "a DKIM key that is revoked": (dns(key='"v=DKIM1; p="'), {"M07"}),
}


@pytest.mark.parametrize("case", RECORDS)
def test_each_record_is_seen_by_the_check_that_it_is_for(case):
    zones, expected = RECORDS[case]
    assert red(seen_from(site(variables={"readiness_dkim_selectors": ["k1"]}, zones=zones))) == expected


UNKNOWN = {
    "no answer for the PTR record": (
        dns(ptr=None, unknown=[{"name": reverse_name(ADDRESS), "type": "PTR", "reason": "timeout"}]),
        {"M02"},
    ),
    "no answer for the SPF record": (
        dns(spf=None, unknown=[{"name": "example.com.", "type": "TXT", "reason": "timeout"}]),
        {"M07"},
    ),
    "an include that is elsewhere": (dns(spf='"v=spf1 include:_spf.example.net -all"'), {"M07"}),
    "no zone at all": ({"records": [], "zones": {}, "unknown": []}, {"M02", "M07"}),
    "nothing": ({}, {"M02", "M07"}),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_nobody_answered_is_unknown(case):
    zones, expected = UNKNOWN[case]
    judged = seen_from(site(zones=zones))
    assert not red(judged)
    assert {check for check in ("M02", "M07") if "unknown" in statuses(judged, check)} == expected


def test_a_zone_that_is_read_one_by_one_says_what_was_asked_for_and_no_more():
    judged = seen_from(
        site(variables={"readiness_dkim_selectors": "k1"}, zones=dns("query", spf=None, key=None, dmarc=None))
    )
    assert red(judged) == {"M07"}  # the SPF record was asked for
    (key,) = [result for result in results(judged) if "_domainkey" in result.name]
    assert key.status == "unknown"


def test_dmarc_is_noted():
    for zones, text in ((dns(), "v=DMARC1; p=none"), (dns(dmarc=None), "no DMARC record")):
        (told,) = [result for result in results(seen_from(site(zones=zones))) if result.check == "M07"]
        assert told.status == PASS
        assert any(text in line for line in told.evidence)


# ---------------------------------------------------------------------------------------------- unknown


def test_without_proofs_and_looks_nothing_passes():
    judged = site(False, outside_why="there is no lab machine")
    assert {result.status for result in results(judged)} == {"unknown"}


@pytest.mark.parametrize(
    "look",
    [
        {"postfix": {"installed": False, "parameters": {}, "overrides": {}, "problem": ""}},
        {"postfix": {"installed": True, "parameters": {}, "overrides": {}, "problem": "postconf: fatal"}},
        {"postfix": "text"},
        {},
        [],
        7,
    ],
)
def test_settings_that_were_not_read_are_unknown(look):
    judged = seen_from(site(look or {"problems": {}}))
    assert not red(judged)
    assert all("unknown" in statuses(judged, check) for check in ("M02", "M03", "M04", "M05", "M06", "M07", "M08"))


PARTS = {
    "no source": (audit({**BOOKWORM, "smtp_bind_address6": ""}, selection={"sources": {}}), "M03"),
    "several sources": (
        audit(
            {**BOOKWORM, "smtp_bind_address6": ""},
            selection={"sources": {"2001:db8::1": "2001:db8::2", "2001:db8::3": ADDRESS}},
        ),
        "M02",
    ),
    "no addresses": (audit(addresses=[]), "M03"),
    "no routes": (audit(routes=None), "M04"),
    "no preference": (other(smtp_address_preference=None), "M04"),
    "no timeout": (other(smtp_connect_timeout=None), "M05"),
    "a timeout that is none": (other(smtp_connect_timeout="soon"), "M05"),
    "a table in mynetworks": (other(mynetworks="127.0.0.0/8 cidr:/etc/postfix/mine"), "M06"),
    "no mynetworks": (other(mynetworks=None), "M06"),
    "a length that is none": (newer(smtpd_client_ipv6_prefix_length="many"), "M08"),
    "no rates": (newer(smtpd_client_message_rate_limit=None), "M08"),
    "no name": (other(smtp_helo_name="", myhostname=""), "M02"),
    "an address literal at EHLO": (other(smtp_helo_name="[2001:db8::1]"), "M02"),
}


@pytest.mark.parametrize("case", PARTS)
def test_a_part_that_is_missing_is_unknown(case):
    look, check = PARTS[case]
    assert "unknown" in statuses(seen_from(site(look)), check)


def test_a_probe_that_could_not_be_made_proves_nothing():
    judged = seen_from(site(), lambda probe, proof: {**proof, "ok": False, "seen": {"problem": "not permitted"}})
    assert statuses(judged, "M01") == {"unknown"}
    assert "unknown" in statuses(judged, "M06")
    assert not red(judged)


def test_an_address_that_nobody_is_to_trust_is_a_stranger_whatever_mynetworks_says():
    look = other(mynetworks="127.0.0.0/8 [2001:db8:beef::]/64")
    assert red(seen_from(site(look), on("ipv6", "relay", code=250, reply="250 2.1.5 Ok"))) == {"M06"}


def test_a_lab_machine_that_is_trusted_is_no_stranger():
    look = other(mynetworks="127.0.0.0/8 198.51.100.0/24")
    judged = seen_from(site(look), on("ipv4", "relay", code=250, reply="250 2.1.5 Ok"))
    assert not red(judged)
    assert "unknown" in statuses(judged, "M06")


def test_a_lab_machine_without_ipv4_asks_over_ipv6_only():
    given = site(lab={"outside_source": LAB["outside_source"]})
    assert {probe["family"] for probe in mail.probes(given)} == {"ipv6"}
    judged = seen_from(given)
    assert statuses(judged, "M01") == {"pass", "unknown"}
    assert not red(judged)


# ---------------------------------------------------------------------------------------------- not applicable


def test_a_host_without_mail_is_not_judged():
    web = {"name": "http", "port": 80, "protocol": "tcp", "sources": [], "daemon": "apache"}
    judged = site(services=[web], mail_domains=[])
    assert mail.probes(judged) == []
    assert {result.status for result in results(judged)} == {"not_applicable"}


def test_a_host_that_only_sends_is_judged_as_a_sender():
    judged = seen_from(site(services=[]))
    assert {result.check for result in results(judged) if result.status == PASS} == {"M02", "M03", "M04", "M05", "M07"}


def test_a_host_that_sends_over_ipv4_by_declaration_has_no_ipv6_to_judge():
    given = site(other(inet_protocols="ipv4"), {"postfix_inet_protocols": "ipv4"}, dns(ptr=None, spf=None))
    judged = seen_from(given)
    for check in ("M02", "M03", "M05", "M07"):
        assert statuses(judged, check) == {"not_applicable"}
    assert not red(judged)


def test_a_host_without_domains_has_no_spf_to_judge():
    assert statuses(seen_from(site(mail_domains=[])), "M07") == {"not_applicable"}


def test_what_speaks_tls_from_the_first_byte_is_not_greeted():
    offered = [service("submission", 587), service("submissions", 465)]

    def wrapped(probe, proof):
        if probe["kind"] != "tls":
            return {**proof, "ok": False, "evidence": "no answer within 5 s", "seen": {"family": probe["family"]}}
        return None

    judged = seen_from(site(services=offered), wrapped)
    assert statuses(judged, "M01") == {"not_applicable"}
    assert not red(judged)
    asked = [probe for probe in mail.probes(site(services=offered)) if probe["port"] == 465]
    assert {probe["kind"] for probe in asked} == {"tls"}


# ---------------------------------------------------------------------------------------------- values of the user


@pytest.mark.parametrize("value", [7, ["a b"], ["x\ny"], [None], {"example.com": 7}, ["a" * 70]])
def test_selectors_that_are_none_are_refused_by_name(value):
    judged = seen_from(site(variables={"readiness_dkim_selectors": value}))
    told = [result for result in results(judged) if result.check == "M07" and result.status == "unknown"]
    assert told
    assert "readiness_dkim_selectors" in told[0].message


def test_selectors_may_be_given_by_domain():
    value = {"example.com": ["k1"], "example.org": ["k2"]}
    judged = seen_from(site(variables={"readiness_dkim_selectors": value}))
    assert [result.name for result in results(judged) if "_domainkey" in result.name] == ["k1._domainkey.example.com"]


@pytest.mark.parametrize("value", [None, 7, [], "text", {"inet_protocols": None}, {"inet_protocols": ["all"]}])
def test_parameters_of_a_wrong_kind_end_nothing(value):
    found = results(seen_from(site(variables={"postfix_parameters": value, "postfix_address": value})))
    assert all(isinstance(result.message, str) for result in found)


# ---------------------------------------------------------------------------------------------- what is hostile

HOSTILE = [
    {"greeting": "220 <script>alert(1)</script>\x1b[31m{{ 7*7 }}", "name": "<script>"},
    {"greeting": "220 " + "x" * 5000, "name": "x" * 5000},
    {"greeting": ["220"], "name": {"a": 1}},
    {"code": "250"},
    {"code": True, "reply": None},
    {"reply": "454 \x00\x07 no"},
    {"family": 7},
]


@pytest.mark.parametrize("fields", HOSTILE)
def test_what_servers_send_may_have_any_shape(fields):
    for kind in ("smtp", "relay"):
        for result in results(seen_from(site(), on("ipv6", kind, **fields))):
            assert all(char.isprintable() for line in (result.message, *result.evidence) for char in line)
            assert all(len(line) <= 700 for line in (result.message, *result.evidence))


@pytest.mark.parametrize(
    "more",
    [
        {"zone": "", "name": "example.com.", "type": "TXT", "ttl": 1, "data": "not quoted \x1b"},
        {"zone": "", "name": "example.com.", "type": "TXT", "ttl": 1, "data": '"open'},
        {"zone": "", "name": "_dmarc.example.com.", "type": "TXT", "ttl": 1, "data": '"open'},
        {"zone": "", "name": f"{NAME}.", "type": "AAAA", "ttl": 1, "data": "no address"},
        {"zone": "", "name": f"{NAME}.", "type": "CNAME", "ttl": 1, "data": f"{NAME}."},
    ],
)
def test_records_that_cannot_be_read_end_nothing(more):
    found = results(seen_from(site(zones=dns(more=[more]))))
    assert {result.check for result in found} == {check.id for check in mail.CHECKS}


# ---------------------------------------------------------------------------------------------- parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10),
        ("10", 10),
        ("2m", 120),
        ("1h", 3600),
        ("1d", 86400),
        ("1w", 604800),
        ("", None),
        ("x", None),
        ("1 s", None),
    ],
)
def test_times_of_main_cf(text, expected):
    assert sender.seconds(text) == expected


def test_a_wrong_value_is_an_error_that_names_it():
    with pytest.raises(RolloutError, match="readiness_dkim_selectors"):
        list(
            mail.records.authorised(
                site().hosts["mail1"], dataclasses.replace(site(), variables={"readiness_dkim_selectors": 7})
            )
        )
