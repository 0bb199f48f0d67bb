# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to real servers on loopback."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
import struct
import threading

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import probe
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


@contextlib.contextmanager
def serving(handler, server=socketserver.ThreadingTCPServer):
    """Serve on a free port of ::1 and give the port."""

    class Server(server):
        address_family = socket.AF_INET6
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 128

    with Server(("::1", 0), handler) as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield one.server_address[1]
        finally:
            one.shutdown()
            thread.join()


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with a page that names the Host header, or with an error where that asks for one."""

    def do_GET(self):
        """Answer."""
        self.send_response(503 if self.headers["Host"] == "broken.example.com" else 200)
        self.end_headers()
        self.wfile.write(f"this is {self.headers['Host']}".encode())

    def log_message(self, *_args):
        """Say nothing."""


def talk(*replies):
    """Return a handler that greets with the first reply and answers each line with the next."""

    class Talk(socketserver.StreamRequestHandler):
        def handle(self):
            for reply in replies:
                self.wfile.write(reply)
                if not self.rfile.readline():
                    return

    return Talk


def check(kind, port, **fields):
    """Return a check of ::1."""
    return probe.Check(id="x", kind=kind, family="ipv6", address="::1", port=port, timeout=2.0, **fields)


def test_http_is_spoken_with_the_host_header():
    with serving(Page) as port:
        proof = probe.prove(check("http", port, host="www.example.com", says="this is www.example.com"))
    assert proof["ok"] and proof["evidence"] == "HTTP 200, 23 octets"


@pytest.mark.parametrize(
    ("fields", "evidence"),
    [
        ({"host": "broken.example.com"}, "HTTP 503"),
        ({"host": "www.example.com", "says": "other"}, "HTTP 200, but the page does not contain 'other'"),
    ],
)
def test_a_page_that_is_not_the_right_one_fails(fields, evidence):
    with serving(Page) as port:
        proof = probe.prove(check("http", port, **fields))
    assert not proof["ok"] and proof["evidence"] == evidence


def test_smtp_reads_the_banner():
    replies = (b"220 mail1.example.com ESMTP\r\n", b"250-mail1\r\n250 SIZE\r\n", b"221 bye\r\n")
    with serving(talk(*replies)) as port:
        proof = probe.prove(check("smtp", port, says="mail1.example.com"))
    assert proof["ok"] and proof["evidence"] == "220 mail1.example.com ESMTP"


@pytest.mark.parametrize(
    ("greeting", "evidence"),
    [
        (
            b"220 other.example.com ESMTP\r\n",
            "the banner is '220 other.example.com ESMTP', not that of mail1.example.com",
        ),
        (b"554 no\r\n", "expected 220, got '554 no'"),
        (b"220 <script>\x1b[31m\r\n", "the banner is '220 <script> [31m', not that of mail1.example.com"),
    ],
)
def test_a_wrong_banner_fails_and_is_shown_as_plain_text(greeting, evidence):
    with serving(talk(greeting, b"250 ok\r\n", b"221 bye\r\n")) as port:
        proof = probe.prove(check("smtp", port, says="mail1.example.com"))
    assert not proof["ok"] and proof["evidence"] == evidence


def free_port():
    """Return a port on which nobody listens."""
    with socket.socket(socket.AF_INET6) as link:
        link.bind(("::1", 0))
        return link.getsockname()[1]


def test_closed_means_that_no_connection_comes_about():
    port = free_port()
    assert not probe.prove(check("tcp", port))["ok"]
    assert probe.prove(check("tcp", port, expect="closed"))["ok"]
    with serving(Page) as port:
        proof = probe.prove(check("tcp", port, expect="closed"))
    assert not proof["ok"] and "must not be" in proof["evidence"]


def test_a_server_that_speaks_nonsense_is_still_reachable():
    with serving(talk(b"554 no\r\n")) as port:
        assert not probe.prove(check("smtp", port, expect="closed"))["ok"]


def test_a_family_is_never_replaced_by_the_other():
    with serving(Page) as port:
        proof = probe.prove(probe.Check("x", "tcp", "ipv4", address="127.0.0.1", port=port))
    assert not proof["ok"]


def test_an_ipv4_mapped_address_is_not_ipv6():
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = probe.Check("x", "tcp", "ipv6", address="::ffff:127.0.0.1", port=server.getsockname()[1])
        assert not probe.prove(one)["ok"]
        assert probe.prove(one._replace(family="ipv4", address="127.0.0.1"))["seen"]["family"] == "ipv4"


def test_what_is_seen_is_plain_json():
    with serving(Page) as port:
        proof = probe.prove(check("tcp", port))
    assert json.loads(json.dumps(proof)) == proof and set(proof["seen"]) == {"family", "mss"}


def test_proofs_come_in_the_order_of_the_checks():
    with serving(Page) as port:
        checks = [check(kind, port)._replace(id=str(number)) for number, kind in enumerate(["tcp", "transfer"] * 50)]
        proofs = probe.prove_all(checks)
    assert [proof["id"] for proof in proofs] == [str(number) for number in range(100)]
    assert all(proof["ok"] for proof in proofs)


@pytest.mark.parametrize(
    ("rc", "error", "seen"),
    [
        (0, "", {"family": "ipv6"}),
        (1, "", {}),
        (2, "ping: bind icmp socket", {"problem": "ping ::1: ping: bind icmp socket"}),
        (127, "ping: not found", {"problem": "ping ::1: ping: not found"}),
    ],
)
def test_a_ping_that_can_not_be_made_proves_nothing(monkeypatch, rc, error, seen):
    monkeypatch.setattr(probe.commands, "run", lambda *_args, **_more: probe.commands.Result(rc, "", error))
    proof = probe.prove(check("ping", 0))
    assert proof["ok"] is (rc == 0) and proof["seen"] == seen
    # Nor does it prove that nobody answers.
    assert probe.prove(check("ping", 0, expect="closed"))["ok"] is (rc == 1)


@pytest.mark.parametrize("kind", ["tcp", "tls", "http", "smtp", "dns", "ports"])
def test_nothing_is_closed_because_the_source_is_not_ours(kind):
    one = check(kind, free_port(), source="2001:db8::99", expect="closed", host="example.com", ports=(1,))
    proof = probe.prove(one)
    assert not proof["ok"] and list(proof["seen"]) == ["problem"]
    assert proof["evidence"] == "::1 can't be reached from 2001:db8::99: Cannot assign requested address"


def test_patience_waits_for_a_server_that_comes_late():
    port = free_port()
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::1", port))
    timer = threading.Timer(0.3, server.listen)
    timer.start()
    try:
        assert probe.patiently(check("tcp", port), 10.0)["ok"]
    finally:
        timer.join()
        server.close()


def test_a_name_must_lead_to_the_address(monkeypatch):
    monkeypatch.setattr(probe, "resolve", lambda name, family: ["2001:db8::1"])
    proof = probe.prove(check("tcp", 80, name="www.example.com"))
    assert proof["evidence"] == "www.example.com leads to 2001:db8::1, not to ::1"


def test_a_dns_question_in_wire_form():
    message = probe.question("www.example.com.", "SOA", 7)
    assert struct.unpack(">6H", message[:12]) == (7, 0, 1, 0, 0, 0)
    assert message[12:] == b"\3www\7example\3com\0\0\6\0\1"


@pytest.mark.parametrize("name", ["", "a" * 64 + ".example"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(RolloutError):
        probe.question(name, "SOA", 1)


@pytest.mark.parametrize(
    "value",
    [
        {"id": "x", "kind": "tcp", "family": "ipv6", "port": 80},
        {"id": "x", "kind": "tcp", "family": "ipv6", "address": "::1"},
        {"id": "x", "kind": "dns", "family": "ipv6", "address": "::1", "port": 53},
    ],
)
def test_a_check_that_says_too_little_is_refused(value):
    with pytest.raises(RolloutError):
        probe.check(value)


def test_endpoints_have_brackets():
    assert probe.endpoint("2001:db8::1", 80) == "[2001:db8::1]:80"
    assert probe.endpoint("192.0.2.1", 80) == "192.0.2.1:80"
