# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""master.cf as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import master_cf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

TEXT = """\
# service type  private unpriv  chroot  wakeup  maxproc command
smtp      inet  n       -       y       -       -       smtpd
#submission inet n - y - - smtpd
#  -o syslog_name=postfix/submission
2525      inet  n       -       y       -       -       smtpd
  -o syslog_name=postfix/other -o smtpd_tls_security_level=encrypt
127.0.0.1:10025 inet n  -       n       -       -       smtpd
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name
# a note within
        -o { smtp_helo_timeout = 5 }
retry     unix  -       -       y       -       -       error
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient} -o x=y
"""


def test_reads_services_and_what_they_override():
    found = {service.name: service for service in master_cf.services(TEXT)}
    assert list(found) == [
        *("smtp/inet", "2525/inet", "127.0.0.1:10025/inet", "smtp/unix", "relay/unix", "retry/unix", "maildrop/unix")
    ]
    assert found["smtp/unix"].command == "smtp"
    assert {one.name: one.value for one in found["relay/unix"].overrides} == {
        "syslog_name": "${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name",
        "smtp_helo_timeout": "5",
    }
    assert found["2525/inet"].value("smtpd_tls_security_level") == "encrypt"
    assert found["maildrop/unix"].overrides == ()


def test_ports_on_all_addresses():
    assert master_cf.ports(TEXT) == {25, 2525}
    assert master_cf.ports("nosuchservice inet n - y - - smtpd\n") is None


SMTP = "smtp      unix  -       -       y       -       -       smtp\n"


@pytest.mark.parametrize(
    ("service", "parameter", "value", "before", "after"),
    [
        ("smtp/unix", "inet_protocols", "ipv4", SMTP, SMTP + "  -o inet_protocols=ipv4\n"),
        ("smtp/unix", "smtp_bind_address6", "", SMTP, SMTP + "  -o { smtp_bind_address6 =  }\n"),
        ("smtp/unix", "mynetworks", "a b", SMTP, SMTP + "  -o { mynetworks = a b }\n"),
        ("relay/unix", "smtp_helo_timeout", "9", "-o { smtp_helo_timeout = 5 }", "-o smtp_helo_timeout=9"),
        ("2525/inet", "syslog_name", "x", "-o syslog_name=postfix/other", "-o syslog_name=x"),
    ],
)
def test_puts_an_override(service, parameter, value, before, after):
    changed = master_cf.put(TEXT, service, parameter, value)
    assert changed == TEXT.replace(before, after)
    assert master_cf.find(changed, service).value(parameter) == value


@pytest.mark.parametrize(
    ("service", "parameter", "before", "after"),
    [
        ("relay/unix", "smtp_helo_timeout", "        -o { smtp_helo_timeout = 5 }\n", ""),
        ("2525/inet", "syslog_name", "  -o syslog_name=postfix/other -o smtpd", " -o smtpd"),
        ("2525/inet", "smtpd_tls_security_level", " -o smtpd_tls_security_level=encrypt", ""),
        ("smtp/unix", "inet_protocols", "", ""),
        ("nosuch/unix", "inet_protocols", "", ""),
    ],
)
def test_drops_an_override(service, parameter, before, after):
    changed = master_cf.drop(TEXT, service, parameter)
    assert changed == (TEXT.replace(before, after) if before else TEXT)
    found = master_cf.find(changed, service)
    assert found is None or found.value(parameter) is None


def test_an_option_that_begins_on_the_line_before_is_dropped_whole():
    text = "a unix - - y - - smtp\n -o\n  x=1\n -v\n"
    assert master_cf.drop(text, "a/unix", "x") == "a unix - - y - - smtp\n -v\n"


LINES = st.sampled_from(
    [
        *("# note", "", "smtp unix - - y - - smtp", "  -o a=1", "\t-o b=2 -o { c = 3 4 }", "  -v", "  # within"),
        *("relay unix - - y - - smtp -o a=7", "smtp inet n - y - - smtpd"),
    ]
)


@given(st.lists(LINES), st.booleans(), st.sampled_from(["a", "inet_protocols"]), st.sampled_from(["ipv4", "x y"]))
def test_what_was_put_can_be_taken_back(lines, ended, parameter, value):
    text = "\n".join(["smtp unix - - y - - smtp", *lines]) + ("\n" if ended else "")
    before = master_cf.find(text, "smtp/unix").value(parameter)
    others = [(s.name, o.name, o.value) for s in master_cf.services(text) for o in s.overrides if o.name != parameter]
    changed = master_cf.put(text, "smtp/unix", parameter, value)
    assert master_cf.find(changed, "smtp/unix").value(parameter) == value
    if before is None:
        assert master_cf.drop(changed, "smtp/unix", parameter).rstrip("\n") == text.rstrip("\n")
    else:
        changed = master_cf.put(changed, "smtp/unix", parameter, before)
        assert master_cf.find(changed, "smtp/unix").value(parameter) == before
    left = [(s.name, o.name, o.value) for s in master_cf.services(changed) for o in s.overrides if o.name != parameter]
    assert left == others


def test_whole_services():
    line = "submissions inet n - y - - smtpd -o smtpd_tls_wrappermode=yes"
    changed = master_cf.put_service(TEXT, "submissions/inet", line)
    assert changed == f"{TEXT}{line}\n"
    assert master_cf.same_service(changed, "submissions/inet", line.replace(" ", "  "))
    assert master_cf.ports(changed) == {25, 465, 2525}
    assert master_cf.drop_service(changed, "submissions/inet") == TEXT
    relay = master_cf.block(TEXT, "relay/unix")
    assert relay.startswith("relay") and relay.endswith("= 5 }\n")
    other = master_cf.put_service(TEXT, "relay/unix", "relay unix - - n - - smtp")
    assert master_cf.put_service(other, "relay/unix", relay) == TEXT


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"smtp": {"a": "b"}}, "write its first two fields"),
        ({7: {"a": "b"}}, "write its first two fields"),
        ({"smtp/unix": "inet_protocols=ipv4"}, "no dictionary"),
        ({"smtp/unix": {"a b": "c"}}, "no name of a parameter"),
        ({"smtp/unix": {"a": "c\nd"}}, "line break"),
        ({"smtp/unix": {"a": "{c"}}, "without its other half"),
        ({"smtp/unix": {"a": ["c"]}}, "is not text"),
        ({"smtp/unix": {"a": 1.5}}, "is not text"),
    ],
)
def test_refuses_overrides(given, why):
    with pytest.raises(RolloutError, match=why):
        master_cf.clean_overrides(given)


def test_plain_overrides():
    given = {"smtp/unix": {"a": True, "b": 5, "c": None, "d": " x "}}
    assert master_cf.clean_overrides(given) == {"smtp/unix": {"a": "yes", "b": "5", "c": None, "d": "x"}}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a/inet", "b inet n - y - - smtpd"),
        ("a/inet", "a unix n - y - - smtpd"),
        ("a/inet", "a inet n - y - -"),
        ("a/inet", ["a inet n - y - - smtpd"]),
        ("a/inet", None),
    ],
)
def test_refuses_services(name, line):
    with pytest.raises(RolloutError, match=f"master.{name}"):
        master_cf.clean_services({name: line})


@pytest.mark.parametrize(
    ("service", "why"), [("nosuch/unix", "it has 127.0.0.1:10025/inet, 2525/inet"), ("maildrop/unix", "argv=")]
)
def test_refuses_to_put(service, why):
    with pytest.raises(RolloutError, match=why):
        master_cf.put(TEXT, service, "a", "b")


def test_a_broken_file_is_named():
    with pytest.raises(RolloutError, match="fewer than 8 fields"):
        master_cf.services("smtp unix - -\n")
