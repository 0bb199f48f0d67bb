# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail sessions with servers on loopback, honest and otherwise."""

from __future__ import annotations

import base64
import socketserver
import ssl
import time

import pytest

from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_probe import serving
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_probe_web import (
    answering,
    certificate,
    proved,
)

__all__ = ["certificate"]
GREETING = "220 mail1.example.com ESMTP <b>\x1b[31m"


def mail(replies=(), greeting=GREETING, secure=None):
    """Return a handler that answers by the first word of each line, and what it was told."""
    told = []
    table = {"EHLO": "250-mail1.example.com\r\n250-PIPELINING\r\n250 STARTTLS", "QUIT": "221 bye", **dict(replies)}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(greeting.encode() + b"\r\n")
            while True:
                line = self.rfile.readline().strip().decode()
                if not line:
                    return
                told.append(line)
                self.wfile.write(table.get(line.split()[0].upper(), "250 ok").encode() + b"\r\n")
                if line == "STARTTLS" and secure:
                    self.connection = secure.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                    told.append("-- TLS")

    return Handler, told


def test_what_a_mail_server_offers():
    handler, told = mail()
    with serving(handler) as port:
        proof = proved("smtp", port, says="mail1.example.com")
    assert proof["ok"] and told == ["EHLO probe.invalid", "QUIT"]
    assert proof["seen"] == {
        "family": "ipv6",
        "greeting": "220 mail1.example.com ESMTP <b> [31m",
        "name": "mail1.example.com",
        "extensions": ["PIPELINING", "STARTTLS"],
    }


def test_starttls_is_spoken_to_the_end(certificate):
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(certificate)
    handler, told = mail({"STARTTLS": "220 go"}, secure=secure)
    with serving(handler) as port:
        proof = proved("smtp", port, starttls=True, host="mail1.example.com")
    assert proof["ok"], proof
    assert told == ["EHLO probe.invalid", "STARTTLS", "-- TLS", "EHLO probe.invalid", "QUIT"]
    wire = ssl.PEM_cert_to_DER_cert(certificate.with_suffix(".crt").read_text())
    assert base64.b64decode(proof["seen"]["certificate"]) == wire and proof["seen"]["version"] == "TLSv1.3"


@pytest.mark.parametrize(
    ("reply", "evidence"),
    [
        ("502 no", "expected 220, got '502 no'"),
        ("220 go", "no TLS: "),  # and then goes on in clear
    ],
)
def test_starttls_that_does_not_work_fails(reply, evidence):
    handler, _told = mail({"STARTTLS": reply, "\x16\x03\x01": "500 what"})
    with serving(handler) as port:
        proof = proved("smtp", port, starttls=True)
    assert not proof["ok"] and proof["evidence"].startswith(evidence)
    assert proof["seen"]["extensions"] and "certificate" not in proof["seen"]


@pytest.mark.parametrize(
    ("replies", "greeting", "ok", "code"),
    [
        ({"RCPT": "554 5.7.1 relay access denied"}, GREETING, True, 554),
        ({"RCPT": "454-4.7.1 relay\r\n454 access denied"}, GREETING, True, 454),
        ({"MAIL": "530 log in"}, GREETING, True, 530),
        ({}, "521 no mail here", True, 521),
        ({}, GREETING, False, 250),
        ({"RCPT": "251 will forward"}, GREETING, False, 251),
        # Neither yes nor no.
        ({"RCPT": "999 what"}, GREETING, False, None),
        ({"RCPT": "354 go"}, GREETING, False, None),
        ({"RCPT": "5\u0665\u0664 no"}, GREETING, False, None),
    ],
)
def test_a_stranger_may_not_relay(replies, greeting, ok, code):
    handler, told = mail(replies, greeting)
    with serving(handler) as port:
        proof = proved("relay", port)
    assert proof["ok"] is ok and proof["seen"].get("code") == code
    assert not {"DATA", "BDAT"} & {line.split()[0] for line in told}  # no mail is ever sent
    if code and greeting == GREETING:
        assert told[-2:] == ["RSET", "QUIT"]


def test_who_writes_to_whom_can_be_chosen():
    handler, told = mail({"RCPT": "554 no"})
    with serving(handler) as port:
        assert proved("relay", port, sender="a@example.com", recipient="b%c.example@example.org")["ok"]
    assert told[1:3] == ["MAIL FROM:<a@example.com>", "RCPT TO:<b%c.example@example.org>"]


@pytest.mark.parametrize("kind", ["smtp", "relay"])
@pytest.mark.parametrize(
    ("greeting", "endless", "pause"),
    [
        (b"220-", b"x" * 10000, 0),  # a line without end
        (b"220-a\r\n", b"220-a\r\n", 0),  # a reply without end
        (b"22", b"", 0),  # silence
        (b"220-", b"x", 0.05),  # one letter at a time
    ],
)
def test_a_greeting_without_end_costs_one_step(kind, greeting, endless, pause):
    class Handler(answering(greeting, endless=endless, pause=pause)):
        def setup(self):
            super().setup()
            self.rfile = open("/dev/null", "rb")  # noqa: SIM115 - it greets without being asked

    start = time.monotonic()
    with serving(Handler) as port:
        proof = proved(kind, port, timeout=0.5)
        took = time.monotonic() - start
    assert not proof["ok"] and took < 15
    assert len(proof["evidence"]) < 250
