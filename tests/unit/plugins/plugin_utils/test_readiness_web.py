# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of web services: a healthy site has nothing red, and each fault turns red what is meant to see it."""

from __future__ import annotations

import base64
import copy
import dataclasses
import datetime
import os

import hypothesis
import hypothesis.strategies as st
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web as web
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_answers as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_ways as ways
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import FAIL, PASS, Host, Site

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
PAGES = st.lists(st.sampled_from("abcdef"), max_size=12)
NAMES = ["www.example.com", "shop.example.com"]
LAB = {"name": "lab1", "ipv4": "198.51.100.200", "outside_source": "2001:db8:beef::10"}
ADDRESSES = {"ipv4": "198.51.100.80", "ipv6": "2001:db8:1200::80"}
TOKEN = "0123456789abcdef"
LOG = "/var/log/apache2/access.log"
RULES = {"file": "/etc/apache2/sites-enabled/www.conf", "line": 17, "kind": "location", "path": "/reports/", "site": ""}


def certificate(*names):
    """Return a certificate with a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return base64.b64encode(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)).decode()


CERTIFICATES = {name: certificate(name) for name in [*NAMES, "mail.example.org"]}
OTHER = certificate(*NAMES)


def services(*names):
    """Return services as host_spec gives them."""
    known = {"http": (80, "apache"), "https": (443, "apache"), "imaps": (993, "")}
    return [
        {"name": name, "port": known[name][0], "protocol": "tcp", "sources": [], "daemon": known[name][1]}
        for name in names
    ]


def audit(rules=("Require ip 198.51.100.25 2001:db8:1200:25::25",), **others):
    """Return the audit's part of a look at a healthy host."""
    seen = [{"file": LOG, "address": LAB["ipv4"]}, {"file": LOG, "address": LAB["outside_source"]}]
    access = [{**RULES, "rules": list(rules), "urls": ["/reports/"]}] if rules else []
    healthy = {
        "web": {"server": "apache2", "problem": "", "logs": [LOG], "access": access},
        "hits": {"seen": seen, "logs": 1, "problem": ""},
    }
    return {**healthy, **others}


def host(name="www1", **given):
    """Return a web server."""
    spec = {
        "address": given.pop("address", ADDRESSES["ipv6"]),
        "ipv4": given.pop("ipv4", ADDRESSES["ipv4"]),
        "names": given.pop("names", NAMES),
        "services": given.pop("services", services("http", "https")),
    }
    look = given.pop("look", {"audit": audit()})
    return Host(name, spec, given.pop("variables", {}), look, **given)


def answered(probe, body="page"):
    """Return the proof of a healthy server for a probe."""
    seen = {"family": probe["family"]}
    if probe["kind"] in ("http", "https"):
        denied = probe.get("path") == "/reports/"
        name = probe.get("host") or (f"[{probe['address']}]" if ":" in probe["address"] else probe["address"])
        shown = probe.get("host") or "default"
        lines = [f"{hash((shown, number)) & 0xFFFFFFFF:08x}" for number in range(30)]
        seen.update(
            status=403 if denied else 200,
            final=f"{probe['kind']}://{name}{probe.get('path') or '/'}",
            headers={"content-type": "text/html", "date": "now", "set-cookie": "sid=abc123; Path=/; Secure; HttpOnly"},
            lines=["denied00"] if denied else lines,
            octets=900,
            first_byte=0.02 if probe["family"] == "ipv4" else 0.03,
        )
    if probe["kind"] in ("https", "tls"):
        seen["certificate"] = CERTIFICATES.get(probe.get("host"), CERTIFICATES[NAMES[0]])
    return {
        "id": probe["id"],
        "ok": True,
        "evidence": "connected",
        "address": probe["address"],
        "seen": seen,
        "seconds": 0.04,
    }


def seen_from(site, change=lambda probe, proof: None):
    """Let the lab machine make the probes; ``change`` edits a proof in place, or returns another one."""
    proofs = {}
    for probe in web.probes(site):
        proof = copy.deepcopy(answered(probe))
        proofs[probe["id"]] = change(probe, proof) or proof
    return dataclasses.replace(site, proofs=proofs)


def site(*hosts, **given):
    """Return a site."""
    hosts = hosts or (host(),)
    given = {"lab": LAB, "token": TOKEN, "variables": {"ipv6_lab_sources": ["2001:db8:feed::/64"]}, **given}
    return Site({one.name: one for one in hosts}, **given)


def results(judged):
    """Return all results of the group."""
    return [result for check in web.CHECKS for result in check.results(judged)]


def red(judged):
    """Return the ids of the checks that failed."""
    return {result.check for result in results(judged) if result.status == FAIL}


def statuses(judged, check):
    """Return the statuses that a check gives."""
    return {result.status for result in results(judged) if result.check == check}


def part(probe, *wanted):
    """Tell whether an id has these parts."""
    return set(wanted) <= set(probe["id"].split("|"))


def refused(_probe, proof):
    """Return a proof of no connection."""
    return {**proof, "ok": False, "evidence": "no answer", "seen": {}}


def on(change, *wanted):
    """Return a change of the proofs with these parts in their id."""
    return lambda probe, proof: change(probe, proof) if part(probe, *wanted) else None


def sees(**fields):
    """Return a change of what a proof saw."""
    return lambda probe, proof: proof["seen"].update(fields)


def headers(**fields):
    """Return a change of the headers."""
    told = {name.replace("_", "-"): text for name, text in fields.items()}
    return lambda probe, proof: proof["seen"].setdefault("headers", {}).update(told)


def another_page(_probe, proof):
    """Show another page."""
    if "lines" in proof["seen"]:
        proof["seen"]["lines"] = [f"{number:08x}" for number in range(30)]


# ---------------------------------------------------------------------------------------------- healthy


def test_a_healthy_site_has_nothing_red_and_all_is_known():
    found = results(seen_from(site()))
    assert {result.check for result in found} == {check.id for check in web.CHECKS}
    bad = [result for result in found if result.status not in (PASS, "not_applicable")]
    assert bad == []
    passes = {result.check for result in found if result.status == PASS}
    assert passes == {"W01", "W02", "W03", "W04", "W05", "W06", "W08", "W09"}


def test_each_probe_is_pinned_and_names_the_token_only_where_it_is_read():
    made = web.probes(site())
    assert len({probe["id"] for probe in made}) == len(made)
    for probe in made:
        assert (":" in probe["address"]) == (probe["family"] == "ipv6")
        assert (probe.get("agent") == f"ipv6-rollout-audit/{TOKEN}") == (probe["kind"] in ("http", "https"))
        assert probe.get("source", "") == (LAB["outside_source"] if probe["family"] == "ipv6" else "")


def test_a_service_that_is_not_for_everybody_is_asked_from_the_lab_machines_own_address():
    offered = services("http")
    offered[0]["sources"] = ["2001:db8:1200::/48"]
    assert all("source" not in probe for probe in web.probes(site(host(services=offered))))


# ---------------------------------------------------------------------------------------------- faults

SIX = "ipv6"
FAULTS = {
    "port closed over IPv6": (on(refused, SIX, "http"), {"W01"}),
    "port closed over IPv4": (on(refused, "ipv4", "http"), {"W01"}),
    "another status": (on(sees(status=500, lines=[]), SIX, "get", NAMES[0]), {"W02"}),
    "no redirect to TLS": (on(sees(final="http://www.example.com/a"), SIX, "get", NAMES[0], "http"), {"W02"}),
    "HSTS only over IPv4": (on(headers(strict_transport_security="max-age=1"), "ipv4", "get"), {"W02"}),
    "another type": (on(headers(content_type="text/plain"), SIX, "get", NAMES[1]), {"W02"}),
    "a cookie without Secure": (on(headers(set_cookie="sid=f00; Path=/; HttpOnly"), SIX, "get"), {"W02"}),
    "another page": (on(another_page, SIX, "get", NAMES[0], "http"), {"W03"}),
    "another site over IPv6": (on(another_page, SIX, "http"), {"W03", "W05"}),
    "an empty page": (on(sees(lines=[], octets=0), SIX, "get", NAMES[0]), {"W03"}),
    "another key": (on(sees(certificate=OTHER), SIX, "get", "https"), {"W04"}),
    "no TLS over IPv6": (
        lambda probe, proof: (
            {**proof, "ok": False, "evidence": "no TLS: wrong version number", "seen": {"family": "ipv6"}}
            if part(probe, SIX, "https") and probe["kind"] == "https"
            else None
        ),
        {"W02", "W04"},
    ),
    "the bare address is another site": (on(another_page, SIX, "literal"), {"W05"}),
    "the page closed over IPv6": (on(sees(status=403), SIX, "get"), {"W02", "W08"}),
    "slow to answer": (on(sees(first_byte=0.4), SIX, "get", NAMES[0], "http"), {"W09"}),
    "slow to connect": (on(lambda _probe, proof: {**proof, "seconds": 1.01}, SIX, "get", NAMES[0], "http"), {"W09"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_turns_exactly_the_checks_red_that_are_meant_to_see_it(fault):
    change, expected = FAULTS[fault]
    judged = seen_from(site(), change)
    assert red(judged) == expected
    for result in results(judged):
        if result.status == FAIL:
            assert result.evidence
            assert result.variable or result.file
            assert result.fix
            assert result.host == "www1"


LOOKS = {
    "the log has a proxy's address": (
        {"hits": {"seen": [{"file": LOG, "address": "127.0.0.1"}], "logs": 1, "problem": ""}},
        "W06",
        "fail",
    ),
    "the log has mapped addresses": (
        {"hits": {"seen": [{"file": LOG, "address": "::ffff:198.51.100.200"}], "logs": 1, "problem": ""}},
        "W06",
        "fail",
    ),
    "an unknown address": (
        {"hits": {"seen": [{"file": LOG, "address": "192.0.2.9"}], "logs": 1, "problem": ""}},
        "W06",
        "unknown",
    ),
    "a name in place of an address": (
        {"hits": {"seen": [{"file": LOG, "address": "lab1.example.com"}], "logs": 1, "problem": ""}},
        "W06",
        "unknown",
    ),
    "no line with the token": ({"hits": {"seen": [], "logs": 1, "problem": ""}}, "W06", "unknown"),
    "no log": ({"hits": {"seen": [], "logs": 0, "problem": "it can't be read"}}, "W06", "unknown"),
    "no hits at all": ({"hits": None}, "W06", "unknown"),
    "another web server": ({"web": {"server": "", "problem": "", "access": []}}, "W08", "unknown"),
    "half of the rules": ({"web": {"server": "apache2", "problem": "too many files", "access": []}}, "W08", "unknown"),
}


@pytest.mark.parametrize("case", LOOKS)
def test_what_the_host_says_decides(case):
    changed, check, expected = LOOKS[case]
    judged = seen_from(site(host(look={"audit": audit(**changed)})))
    assert expected in statuses(judged, check)
    assert red(judged) == ({check} if expected == "fail" else set())


def test_a_server_in_front_of_this_one_hides_the_clients_of_both_families():
    told = audit(hits={"seen": [{"file": LOG, "address": "127.0.0.1"}], "logs": 1, "problem": ""})
    assert statuses(seen_from(site(host(look={"audit": told}))), "W06") == {"fail"}


LISTS = {
    ("Require ip 192.0.2.0/24",): "fail",
    ("Require ip 192.0.2",): "fail",
    ("Allow from 192.0.2.1", "Deny from all"): "fail",
    ("allow 192.0.2.1", "deny all"): "fail",
    ("Require local", "Require ip 192.0.2.1"): "fail",
    ("Require ip 192.0.2.0/24", "Require valid-user"): "unknown",
    ("Require all granted", "Require not ip 192.0.2.7"): "unknown",
    ("Require ip 127.0.0.1",): "pass",
    ("Require local",): "pass",
    ("Require ip 192.0.2.0/24 2001:db8::/32",): "pass",
    ("Require ip 192.0.2.0/24", "Require ip 2001:db8::/32"): "pass",
    ("Require ip 2001:db8::/32",): "pass",
    ("Require host example.org",): "pass",
}


@pytest.mark.parametrize("rules", LISTS)
def test_a_list_of_clients_of_one_family(rules):
    judged = seen_from(site(host(look={"audit": audit(rules=rules)})))
    own = [result for result in results(judged) if result.check == "W08" and not result.service]
    assert [result.status for result in own] == [LISTS[rules]]
    if LISTS[rules] == "fail":
        assert own[0].file == RULES["file"]
        assert "line 17" in own[0].evidence[0]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # The lab machine's IPv4 address is in the list; its IPv6 address may have no place there.
        (("Require ip 198.51.100.0/24 2001:db8:1200::/48",), "unknown"),
        (("Require ip 2001:db8:1200::/48",), "fail"),
        ((), "fail"),
    ],
)
def test_access_that_differs_is_told_from_lists_that_name_both_families(rules, expected):
    given = site(host(look={"audit": audit(rules=rules)}, variables={"readiness_paths": ["/", "/reports/"]}))
    judged = seen_from(given, on(sees(status=200), "ipv4", "path", "/reports/"))
    found = {result.status for result in results(judged) if result.check == "W08" and result.service}
    assert found == {expected}


# ---------------------------------------------------------------------------------------------- unknown


def test_without_proofs_nothing_passes():
    for given in (site(), site(outside_why="there is no lab machine")):
        found = [result for result in results(given) if result.check != "W07"]
        # What Apache's rules say of both families needs no lab machine.
        assert {(result.check, result.status) for result in found if result.status == PASS} <= {("W08", "pass")}
        assert not red(given)


@pytest.mark.parametrize("check", ["W01", "W02", "W03", "W04", "W05", "W06", "W08", "W09"])
def test_a_probe_that_could_not_be_made_proves_nothing(check):
    judged = seen_from(site(), lambda probe, proof: {**proof, "ok": False, "seen": {"problem": "not permitted"}})
    assert not red(judged)
    assert "unknown" in statuses(judged, check)


def test_a_host_that_could_not_be_looked_at_is_unknown_where_the_look_is_needed():
    judged = seen_from(site(host(look=None, why="it can't be reached")))
    assert statuses(judged, "W06") == {"unknown"}
    assert "unknown" in statuses(judged, "W08")
    assert not red(judged)


def test_a_lab_machine_without_ipv4_compares_nothing():
    given = site(lab={"name": "lab1", "outside_source": LAB["outside_source"]})
    assert all(probe["family"] == "ipv6" for probe in web.probes(given))
    judged = seen_from(given)
    assert not red(judged)
    assert statuses(judged, "W02") == {"unknown"}
    assert statuses(judged, "W01") == {"pass", "unknown"}


def test_a_page_that_differs_from_itself_is_unknown():
    def random_page(probe, proof):
        if "lines" in proof["seen"]:
            proof["seen"]["lines"] = [f"{hash((probe['id'], number)) & 0xFFFFFFFF:08x}" for number in range(20)]

    judged = seen_from(site(), on(random_page, "get"))
    assert statuses(judged, "W03") == {"unknown"}


def test_a_header_that_differs_by_itself_is_unknown_and_one_that_only_looks_so_is_not():
    def varying(probe, proof):
        return headers(location=f"/x{hash(probe['id'])}")(probe, proof)

    def nonce(probe, proof):
        number = hash(probe["id"])
        changed = headers(content_security_policy=f"script-src 'nonce-{number}'", location=f"/in?state={number}")
        return changed(probe, proof)

    assert statuses(seen_from(site(), on(varying, "get")), "W02") == {"unknown"}
    assert statuses(seen_from(site(), on(nonce, "get")), "W02") == {"pass"}


def test_an_error_of_the_server_over_both_families_is_no_pass():
    judged = seen_from(site(), on(sees(status=503), "get"))
    assert statuses(judged, "W02") == statuses(judged, "W03") == {"unknown"}
    assert not red(judged)


def test_a_name_that_is_wrong_over_both_families_alike_is_no_fault_of_ipv6():
    judged = seen_from(site(), on(sees(certificate=CERTIFICATES["mail.example.org"]), "get", "https"))
    assert statuses(judged, "W04") == {"pass"}
    evidence = [line for result in results(judged) if result.check == "W04" for line in result.evidence]
    assert all("does not have the name" in line for line in evidence)


@pytest.mark.parametrize("held", ["", "AAAA", "no base64!", 17, None, "MIIBpTCCAUug", ["x"]])
def test_a_certificate_that_cannot_be_read_is_unknown(held):
    judged = seen_from(site(), on(sees(certificate=held), "get", "https"))
    assert statuses(judged, "W04") == {"unknown"}


def test_without_the_library_certificates_are_unknown(monkeypatch):
    monkeypatch.setattr(answers, "LIBRARY", False)
    assert statuses(seen_from(site()), "W04") == {"unknown"}


def test_some_late_answers_of_a_busy_machine_are_no_fault():
    judged = seen_from(
        site(), lambda probe, proof: sees(first_byte=3.0)(probe, proof) if part(probe, "2", "ipv6") else None
    )
    assert statuses(judged, "W09") == {"pass"}


# ---------------------------------------------------------------------------------------------- not applicable


def test_what_has_one_family_only_is_not_compared():
    judged = seen_from(site(host(ipv4=None)))
    for check in ("W02", "W03", "W04", "W05", "W09"):
        assert statuses(judged, check) == {"not_applicable"}
    assert statuses(judged, "W01") == {"pass"}
    assert not red(judged)


def test_a_host_without_web_services_is_not_judged():
    judged = seen_from(site(host(services=services("imaps"))))
    assert web.probes(judged) == []
    assert {result.status for result in results(judged)} == {"not_applicable"}


def test_a_name_whose_pages_are_declared_to_differ():
    given = site(host(variables={"readiness_differing": [NAMES[0]]}))
    judged = seen_from(given, on(another_page, SIX, "get", NAMES[0]))
    assert not red(judged)
    assert statuses(judged, "W03") == {"pass", "not_applicable"}


def test_a_host_without_names_is_asked_by_its_address():
    judged = seen_from(site(host(names=[])))
    assert not red(judged)
    assert statuses(judged, "W02") == {"pass"}
    assert statuses(judged, "W05") == {"not_applicable"}


# ---------------------------------------------------------------------------------------------- values of the user


@pytest.mark.parametrize(
    "value", ["reports", ["no slash"], ["/a b"], ["/ä"], [7], {"a": 1}, ["/" + "x" * 300], ["/\n"]]
)
def test_paths_that_are_none_are_refused_by_name(value):
    with pytest.raises(RolloutError, match="readiness_paths"):
        web.probes(site(host(variables={"readiness_paths": value})))


def test_a_path_from_a_configuration_that_is_odd_is_not_asked_for():
    odd = ["/a b", "/x\r\nHost: evil", "relative", "/$(id)", "/" + "y" * 300, 5, None, "/fine", "/a|b"]
    entry = {**RULES, "rules": ["Require local"], "urls": odd}
    told = audit(web={"server": "apache2", "problem": "", "access": [entry, "no entry", None]})
    made = web.probes(site(host(look={"audit": told})))
    assert {probe["path"] for probe in made if "path" in probe} == {"/fine"}


# ---------------------------------------------------------------------------------------------- what is hostile

HOSTILE = [
    {"status": "200"},
    {"status": True},
    {"status": -7},
    {"lines": "no list"},
    {"lines": [None, 7, {}]},
    {"headers": ["a"]},
    {"headers": {"location": ["x"], "set-cookie": 7, "content-type": None}},
    {"headers": {"set-cookie": ";;;=, ,=;" * 20, "content-security-policy": "'nonce-" * 30}},
    {"final": {"a": 1}},
    {"first_byte": "soon"},
    {"first_byte": float("nan")},
    {"certificate": "\x00"},
    {"family": ["ipv6"]},
    {"status": 200, "final": "http://[2001:db8::1\x1b]2;x\x07/<script>alert(1)</script>{{ 7*7 }}"},
]


@pytest.mark.parametrize("fields", HOSTILE)
def test_what_servers_send_may_have_any_shape(fields):
    for result in results(seen_from(site(), on(sees(**fields), SIX))):
        assert all(char.isprintable() for line in (result.message, *result.evidence) for char in line)
        assert all(len(line) <= 700 for line in (result.message, *result.evidence))


@pytest.mark.parametrize(
    "broken", [None, [], "text", 7, {"web": [], "hits": "x"}, {"hits": {"seen": 7}}, {"hits": {"seen": [7]}}]
)
def test_what_a_host_says_may_have_any_shape(broken):
    judged = seen_from(site(host(look={"audit": broken})))
    assert not red(judged)
    assert "unknown" in statuses(judged, "W06")


# ---------------------------------------------------------------------------------------------- parts


@hypothesis.settings(max_examples=EXAMPLES)
@hypothesis.given(PAGES, PAGES)
def test_the_difference_of_two_pages_is_a_share_and_the_same_both_ways(one, other):
    found, back = (answers.difference(*pair) for pair in ((one, other), (other, one)))
    assert 0 <= found <= 1
    assert found == back
    assert (found == 0) == (sorted(one) == sorted(other))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([], [], 0.0),
        (["a"], [], 1.0),
        (["a"], ["a"], 0.0),
        (["a", "b"], ["b", "a"], 0.0),
        (["a", "a"], ["a"], 0.5),
        (["a"] * 10, ["a"] * 9 + ["b"], 0.1),
    ],
)
def test_how_much_two_pages_differ(one, other, expected):
    for pair in ((one, other), (other, one)):
        assert answers.difference(*pair) == pytest.approx(expected)


def test_cookies_are_compared_by_their_flags():
    def told(text):
        return answers.cookies(answers.Answer(200, "", {"headers": {"set-cookie": text}}))

    assert told("a=1; Secure; Path=/, b=2; HttpOnly") == told("b=9; httponly, a=7; path=/; Secure")
    assert told("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Secure") == told("a=2; Secure")
    assert told("a=1; SameSite=Lax") != told("a=1; SameSite=None")


@pytest.mark.parametrize(
    ("names", "name", "expected"),
    [
        (["www.example.com"], "WWW.example.com.", True),
        (["*.example.com"], "www.example.com", True),
        (["*.example.com"], "a.www.example.com", False),
        (["*.example.com"], "example.com", False),
    ],
)
def test_which_names_a_certificate_has(names, name, expected):
    assert answers.certificate(certificate(*names)).has(name) is expected


def test_the_kind_of_a_service_is_that_of_its_protocol():
    offered = [*services("http", "https"), {"name": "shop", "port": 8443, "protocol": "tcp", "daemon": "apache"}]
    found = ways.by_service(host(services=offered), site())
    assert {name: pair["ipv6"].kind for name, pair in found.items()} == {
        "http": "http",
        "https": "https",
        "shop": "https",
    }
