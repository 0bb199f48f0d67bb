# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two mail exchangers: what Postfix gets, what is refused, and that a second look finds nothing to do."""

from __future__ import annotations

import copy
import os
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import mail_tables, main_cf, master_cf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import backup_mx

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
DOMAIN = {
    "name": "example.com",
    "primary": "2001:db8:1:25::25",
    "mx": "mx1.example.com",
    "recipients": ["info@example.com", "postmaster@example.com"],
}
ASKED = {"name": "example.net", "primary": "mail.example.net", "recipients": "verify"}
DEBIAN = """\
compatibility_level = 3.6
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
"""


def made(*domains: dict[str, t.Any], own: str = DEBIAN, local: str = "", **told: t.Any) -> dict[str, t.Any]:
    return backup_mx.backup(list(domains), "gw.example.com", told, own, local)


def entries(told: dict[str, t.Any], name: str) -> dict[str, str]:
    return next(table["entries"] for table in told["tables"] if table["name"] == name)


def test_the_backup() -> None:
    told = made(DOMAIN, ASKED, source="2001:0db8::64", proxy_interfaces=["192.0.2.64", "2001:db8::99"], size_limit=1000)
    parameters = told["parameters"]
    assert parameters["relay_domains"] == "hash:$config_directory/backup_mx_domains"
    assert parameters["smtp_bind_address6"] == "2001:db8::64"
    assert parameters["smtp_bind_address_enforce"] is True
    assert parameters["proxy_interfaces"] == ["192.0.2.64", "[2001:db8::99]"]
    assert parameters["smtpd_relay_restrictions"].endswith("reject_unauth_destination")
    assert "defer" not in parameters["smtpd_relay_restrictions"]
    assert parameters["mynetworks"] == "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"
    assert parameters["message_size_limit"] == 1000
    assert entries(told, "backup_mx_domains") == {"example.com": "OK", "example.net": "OK"}
    assert entries(told, "backup_mx_recipients") == {
        "info@example.com": "OK",
        "postmaster@example.com": "OK",
        "@example.net": "OK",
    }
    assert entries(told, "backup_mx_verify") == {"example.net": "reject_unverified_recipient"}
    assert entries(told, "backup_mx_transport") == {
        "example.com": "backup_mx6:[2001:db8:1:25::25]",
        "example.net": "backup_mx6:[mail.example.net]",
    }
    assert [record["data"] for record in told["records"]] == [
        "10 mx1.example.com.",
        "20 gw.example.com.",
        "10 mail.example.net.",
        "20 gw.example.com.",
    ]
    assert [check["family"] for check in told["checks"]] == ["ipv6", "ipv6"]
    assert [check.get("address") for check in told["checks"]] == ["2001:db8:1:25::25", None]


def test_what_the_module_takes() -> None:
    for told in (made(DOMAIN, ASKED), backup_mx.primary(["2001:db8::64", "192.0.2.64"], ["smtpd_client_restrictions"])):
        main_cf.clean(told["parameters"])
        assert len(mail_tables.clean(told["tables"])) == len(told["tables"])
        assert master_cf.clean_services(told["master"]) == told["master"]


LOCAL_ONLY = DEBIAN + "inet_interfaces = loopback-only\ndefault_transport = error\nrelay_transport = error\n"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (DEBIAN, {"inet_interfaces": "all"}),
        (LOCAL_ONLY, {"inet_interfaces": "all", "default_transport": "smtp", "relay_transport": "relay"}),
        ("inet_interfaces = 192.0.2.64, [2001:db8::64]\ndefault_transport = slow", {}),
    ],
)
def test_it_takes_mail_from_outside_and_delivers(own: str, expected: dict[str, str]) -> None:
    parameters = made(DOMAIN, own=own)["parameters"]
    names = ("inet_interfaces", "default_transport", "relay_transport")
    assert {name: parameters[name] for name in names if name in parameters} == expected


def test_what_is_set_already_is_kept() -> None:
    own = DEBIAN + (
        "relay_domains = example.org, hash:/etc/postfix/relays\n"
        "relay_recipient_maps = hash:/etc/postfix/relayed, inline:{a@example.org=OK, b@example.org=OK}\n"
        "transport_maps = hash:/etc/postfix/transport\n"
        "smtpd_recipient_restrictions = permit_mynetworks,\n reject_unknown_recipient_domain\n"
    )
    own = own.replace(",\n ", ", ")
    parameters = made(DOMAIN, own=own)["parameters"]
    assert parameters["relay_domains"] == (
        "example.org, hash:/etc/postfix/relays, hash:$config_directory/backup_mx_domains"
    )
    assert parameters["relay_recipient_maps"] == (
        "hash:/etc/postfix/relayed, inline:{a@example.org=OK, b@example.org=OK}, "
        "hash:$config_directory/backup_mx_recipients"
    )
    assert parameters["transport_maps"].startswith("hash:/etc/postfix/transport, ")
    assert parameters["smtpd_recipient_restrictions"] == (
        "check_recipient_access hash:$config_directory/backup_mx_verify, permit_mynetworks, "
        "reject_unknown_recipient_domain"
    )


@pytest.mark.parametrize(
    "own",
    [
        "",
        DEBIAN,
        LOCAL_ONLY,
        "smtpd_relay_restrictions = reject",
        "relay_domains = example.org\nrelay_recipient_maps = inline:{ { @example.org = OK }, }\n"
        "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:10023, permit\n"
        "smtpd_client_event_limit_exceptions = $mynetworks, 192.0.2.0/24",
    ],
)
def test_a_second_run_changes_nothing(own: str) -> None:
    first = made(DOMAIN, ASKED, own=own)["parameters"]
    after = own + "".join(f"\n{name} = {value}" for name, value in main_cf.clean(first).items())
    assert main_cf.clean(made(DOMAIN, ASKED, own=after)["parameters"]) == main_cf.clean(first)
    lists = ["smtpd_client_restrictions", "smtpd_recipient_restrictions"]
    first = backup_mx.primary(["2001:db8::64"], lists, own)["parameters"]
    after = own + "".join(f"\n{name} = {value}" for name, value in main_cf.clean(first).items())
    assert backup_mx.primary(["2001:db8::64"], lists, after)["parameters"] == first


def test_the_primary() -> None:
    told = backup_mx.primary(
        ["2001:DB8::64", "192.0.2.64"],
        ["smtpd_client_restrictions"],
        "smtpd_client_restrictions = reject_rbl_client zen.example.net\npostscreen_access_list = permit_mynetworks\n",
    )
    assert entries(told, "backup_mx_access") == {"2001:db8::64": "OK", "192.0.2.64": "OK"}
    assert entries(told, "backup_mx_postscreen") == {"2001:db8::64": "permit", "192.0.2.64": "permit"}
    assert told["parameters"] == {
        "smtpd_client_restrictions": (
            "check_client_access cidr:$config_directory/backup_mx_access, reject_rbl_client zen.example.net"
        ),
        "postscreen_access_list": "cidr:$config_directory/backup_mx_postscreen, permit_mynetworks",
        "smtpd_client_event_limit_exceptions": ["$mynetworks", "[2001:db8::64]", "192.0.2.64"],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "example"}, "has no domain"),
        ({"name": None}, r"backup_mx_domains\[0\].name: nothing is given"),
        ({"primary": "192.0.2.25"}, "is IPv4"),
        ({"primary": "2001:db8::25", "mx": None}, "can't hold 2001:db8::25"),
        ({"primary": "mail.example.com\nrelay_domains = *"}, "not a domain name"),
        ({"mx": "gw.example.com"}, "backup_mx_hostname"),
        ({"recipients": None}, "neither a list"),
        ({"recipients": []}, "neither a list"),
        ({"recipients": "everybody"}, "neither a list"),
        ({"recipients": ["info@example.net"]}, "no address in example.com"),
        ({"recipients": ["in fo@example.com"]}, "no address in example.com"),
        ({"recipients": ["@example.com"]}, "no address in example.com"),
        ({"recipients": [7]}, "a number"),
        ({"ttl": 300}, "is not a dictionary with"),
    ],
)
def test_one_clear_message(change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(RolloutError, match=message):
        made({**DOMAIN, **change})


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"own": "smtpd_relay_restrictions = permit"}, "on the backup lets anybody relay"),
        ({"own": "smtpd_relay_restrictions = permit_mynetworks, permit, reject"}, "lets anybody relay"),
        ({"own": "smtpd_relay_restrictions = warn_if_reject reject_unauth_destination"}, "lets anybody relay"),
        ({"own": "mynetworks = 127.0.0.0/8, 0.0.0.0/0"}, "mynetworks: '0.0.0.0/0' lets anybody relay"),
        ({"mynetworks": ["[::]/0"]}, "backup_mx_mynetworks: .* lets anybody relay"),
        ({"own": "relay_domains = example.org"}, "has no relay_recipient_maps"),
        (
            {"own": "relay_domains = example.org\nrelay_recipient_maps = hash:$config_directory/backup_mx_recipients"},
            "has no relay_recipient_maps",
        ),
        ({"local": "mydestination = gw, Example.com, localhost"}, "in mydestination of gw.example.com"),
        ({"local": "virtual_mailbox_domains = example.com"}, "in virtual_mailbox_domains"),
        ({"queue_lifetime": "5"}, "backup_mx_queue_lifetime"),
        ({"queue_lifetime": "1h", "retry": "1h"}, "not shorter"),
        ({"source": "192.0.2.64"}, "backup_mx_source"),
        ({"proxy_interfaces": ["gw"]}, "backup_mx_proxy_interfaces"),
    ],
)
def test_what_would_go_wrong_is_refused(told: dict[str, t.Any], message: str) -> None:
    with pytest.raises(RolloutError, match=message):
        made(DOMAIN, **told)


@pytest.mark.parametrize(
    ("backups", "lists", "own", "message"),
    [
        ([], [], "", "backup_mx_backups"),
        (["2001:db8::/64"], [], "", r"backup_mx_backups\[0\]"),
        (["2001:db8::64"], ["smtpd_relay_restrictions"], "", "backup_mx_exempt_from"),
        (["2001:db8::64"], [], "smtpd_relay_restrictions = permit", "on the primary lets anybody relay"),
        (
            ["2001:db8::64"],
            ["smtpd_recipient_restrictions"],
            "smtpd_relay_restrictions =",
            "it is empty on the primary",
        ),
    ],
)
def test_what_a_primary_refuses(backups: list[str], lists: list[str], own: str, message: str) -> None:
    with pytest.raises(RolloutError, match=message):
        backup_mx.primary(backups, lists, own)


@pytest.mark.parametrize(
    "own",
    [
        "smtpd_relay_restrictions = permit_mynetworks warn_if_reject reject_rbl_client zen.example.net REJECT",
        "mynetworks = 127.0.0.0/8, [2001:db8::]/32, hash:/etc/postfix/0",
        "relay_domains = $mydestination",
    ],
)
def test_what_is_closed_is_taken(own: str) -> None:
    assert made(DOMAIN, own=own)["parameters"]["relay_domains"].endswith("hash:$config_directory/backup_mx_domains")


def test_exceptions_of_the_user_are_kept() -> None:
    told = backup_mx.primary(["192.0.2.64"], [], "smtpd_client_event_limit_exceptions = 192.0.2.7 192.0.2.64")
    assert told["parameters"]["smtpd_client_event_limit_exceptions"] == ["192.0.2.7", "192.0.2.64"]


def test_the_same_domain_twice() -> None:
    with pytest.raises(RolloutError, match="there twice"):
        made(DOMAIN, {**DOMAIN, "name": "Example.COM."})
    with pytest.raises(RolloutError, match="it is empty"):
        made()


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.just("verify"), st.just("example.com")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(backup_mx.KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(value=JUNK, backups=JUNK, lists=JUNK, own=st.text(max_size=40))
def test_nothing_ends_in_a_traceback(value: t.Any, backups: t.Any, lists: t.Any, own: str) -> None:
    before = copy.deepcopy((value, backups, lists))
    for call in (lambda: backup_mx.backup(value, "gw.example.com", {}, own), lambda: backup_mx.primary(backups, lists)):
        try:
            call()
        except RolloutError as error:
            assert str(error)
    assert (value, backups, lists) == before
