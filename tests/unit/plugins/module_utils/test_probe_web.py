# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages from real servers on loopback: good ones, and some that want to keep a client for ever."""

from __future__ import annotations

import base64
import select
import shutil
import socketserver
import ssl
import subprocess
import time

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import probe
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_probe import serving


def answering(*pieces, endless=b"", pause=0.0, before=0.0):
    """Return a handler that reads a request, sends pieces, and then perhaps one piece for ever."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline().strip():
                pass
            gone, _write, _error = select.select([self.connection], [], [], before) if before else ([], [], [])
            try:
                for piece in pieces:
                    self.wfile.write(piece)
                while endless and not gone:
                    self.wfile.write(endless)
                    gone, _write, _error = select.select([self.connection], [], [], pause)
            except OSError:
                pass

    return Handler


def pages(table):
    """Return a handler that answers each path with what the table has for it."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            path = self.rfile.readline().split()[1].decode()
            told = {}
            while True:
                line = self.rfile.readline().strip().decode()
                if not line:
                    break
                told[line.partition(":")[0].lower()] = line.partition(":")[2].strip()
            status, location = table.get(path, (200, ""))
            body = f"{path} for {told['host']} by {told.get('user-agent', 'nobody')}".encode()
            head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n"
            head += f"Location: {location.format(host=told['host'])}\r\n" if location else ""
            self.wfile.write(f"{head}Set-Cookie: a=1; Secure\r\nSet-Cookie: b=2\r\n\r\n".encode() + body)

    return Handler


def proved(kind, port, timeout=2.0, **fields):
    """Return the proof of a check of ::1."""
    made = probe.check(
        {"id": "x", "kind": kind, "family": "ipv6", "address": "::1", "port": port, "timeout": timeout, **fields}
    )
    return probe.prove(made)


def test_a_page_is_told_in_parts():
    with serving(pages({})) as port:
        proof = proved("http", port, host="www.example.com", path="/a?b=1", agent="audit 7")
    seen = proof["seen"]
    assert proof["ok"] and proof["evidence"] == "HTTP 200, 37 octets"
    assert (seen["status"], seen["reason"], seen["location"], seen["octets"]) == (200, "Said", "", 37)
    assert seen["final"] == f"http://www.example.com:{port}/a?b=1" and seen["family"] == "ipv6"
    assert seen["headers"] == {"content-length": "37", "set-cookie": "a=1; Secure, b=2"}
    assert len(seen["lines"]) == 1 and 0 <= seen["first_byte"] < 2


def test_a_path_and_an_agent_reach_the_server():
    with serving(pages({})) as port:
        assert proved(
            "http", port, host="www.example.com", path="/a", agent="audit 7", says="/a for www.example.com by audit 7"
        )["ok"]
        assert proved("http", port, host="www.example.com", says="by nobody")["ok"]


@pytest.mark.parametrize(
    ("table", "path", "status", "final"),
    [
        ({"/": (302, "/b"), "/b": (301, "c/d")}, "/", 200, "/c/d"),
        ({"/": (302, "http://{host}/b?q=1")}, "/", 200, "/b?q=1"),
        # Round and round: five are followed.
        ({"/": (302, "/1"), "/1": (302, "/")}, "/", 302, "/1"),
        # Another name, another scheme, no place at all: recorded and not followed.
        ({"/": (302, "http://www.example.org/")}, "/", 302, "/"),
        ({"/": (302, "ftp://{host}/")}, "/", 302, "/"),
        ({"/": (302, "http://[::1/")}, "/", 302, "/"),
        ({"/": (302, "http://{host}x/")}, "/", 302, "/"),
        ({"/": (302, "/a b<\x7f>\xe9")}, "/", 200, "/a%20b%3C%7F%3E%C3%83%C2%A9"),
        # A place without a redirecting status leads nowhere.
        ({"/": (200, "/b")}, "/", 200, "/"),
    ],
)
def test_where_a_page_leads_to(table, path, status, final):
    with serving(pages(table)) as port:
        proof = proved("http", port, host=f"www.example.com:{port}", path=path)
    assert proof["ok"]
    assert (proof["seen"]["status"], proof["seen"]["final"]) == (status, f"http://www.example.com:{port}{final}")


def test_a_redirect_stays_at_the_same_address_whatever_the_name_resolves_to(monkeypatch):
    monkeypatch.setattr(probe, "resolve", lambda *_args: pytest.fail("the name was looked up"))
    with serving(pages({"/": (302, "http://www.example.com:1/")})) as port:
        proof = proved("http", port, host="www.example.com")
    assert proof["ok"] and proof["seen"]["status"] == 302


def test_a_redirect_that_leads_to_a_closed_port_does_not_decide():
    with serving(pages({"/": (302, "https://www.example.com:1/")})) as port:
        proof = proved("http", port, host="www.example.com", says="/ for www.example.com")
    assert proof["ok"] and proof["seen"]["status"] == 302
    assert proof["seen"]["redirect_problem"] == "https://www.example.com:1/: [::1]:1: Connection refused"


@pytest.mark.parametrize(
    ("handler", "evidence"),
    [
        (answering(), "no HTTP answer: Remote end closed connection without response"),
        (answering(before=60), "no answer within 0.5 s"),
        (answering(b"SSH-2.0-OpenSSH\r\n"), "no HTTP answer: SSH-2.0-OpenSSH"),
        (answering(b"HTTP/1.1 <b>\x1b[31m</b> x\r\n\r\n"), "no HTTP answer: HTTP/1.1 <b> [31m</b> x"),
        (answering(b"HTTP/1.1 200 OK\r\n", endless=b"A: b\r\n"), "no HTTP answer: got more than 100 headers"),
        (answering(b"HTTP/1.1 200 OK\r\nA: ", endless=b"b" * 4096), "no HTTP answer: got more than 65536 bytes"),
        (answering(endless=b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "the answer does not end within 1048576 octets"),
        (answering(b"HTTP/1.1 200 OK\r\n\r\n", endless=b"drip", pause=0.05), "the answer does not end within 0.5 s"),
        (answering(b"HTTP/1.1 200 OK\r\n", endless=b"A: b\r\n", pause=0.05), "the answer does not end within 0.5 s"),
        (
            answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "HTTP 200, but the page breaks off: IncompleteRead",
        ),
    ],
)
def test_a_server_that_is_none_or_never_ends_costs_one_step(handler, evidence):
    start = time.monotonic()
    with serving(handler) as port:
        proof = proved("http", port, timeout=0.5)
        took = time.monotonic() - start
    assert not proof["ok"] and proof["evidence"].startswith(evidence)
    assert took < 15


def test_a_page_without_end_is_cut():
    with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n", endless=b"<p>x</p>\n" * 1000)) as port:
        proof = proved("http", port)
    assert proof["ok"] and proof["seen"]["octets"] == 262144 and len(proof["seen"]["lines"]) == 4000


def test_many_and_long_headers_are_cut():
    head = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(60))
    with serving(answering(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")) as port:
        headers = proved("http", port)["seen"]["headers"]
    assert len(headers) == 40 and {len(text) for text in headers.values()} == {200}


def test_the_first_octet_is_timed():
    with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n", before=0.4)) as port:
        assert 0.3 < proved("http", port)["seen"]["first_byte"] < 1.5


def test_a_transfer_is_counted_to_its_end():
    body = b"0123456789" * 100000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    with serving(answering(head % len(body) + body)) as port:
        proof = proved("transfer", port)
    assert proof["ok"] and proof["seen"]["octets"] == len(body) and proof["seen"]["complete"]
    assert proof["seen"]["mss"] == 1220  # 1280 less the headers
    with serving(answering(head % (len(body) + 1) + body)) as port:
        proof = proved("transfer", port)
    assert not proof["ok"] and proof["evidence"] == "the transfer breaks off after 1000000 octets"
    assert not proof["seen"]["complete"]


def test_a_transfer_that_stops_half_way_is_told():
    with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70000, endless=b"x", pause=5)) as port:
        proof = proved("transfer", port, timeout=0.5)
    assert not proof["ok"] and proof["evidence"].startswith("the answer does not end within 0.5 s: 65536 octets")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate and its key in one file."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl here")
    place = tmp_path_factory.mktemp("tls") / "both.pem"
    own = place.with_suffix(".crt")
    argv = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=www.example.com"
    subprocess.run([*argv.split(), "-keyout", place, "-out", own], check=True, capture_output=True)
    place.write_text(place.read_text() + own.read_text())
    return place


def secured(certificate, handler):
    """Return a server with TLS that knows one name only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])

    def known(_link, name, _context):
        return None if name == "www.example.com" else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = known

    class Handler(handler):
        def setup(self):
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

    class Server(socketserver.ThreadingTCPServer):
        def handle_error(self, request, client_address):
            pass

    return serving(Handler, Server)


def test_the_certificate_of_a_name_is_read(certificate):
    wire = ssl.PEM_cert_to_DER_cert(certificate.with_suffix(".crt").read_text())
    with secured(certificate, pages({})) as port:
        proof = proved("tls", port, host="www.example.com")
        page = proved("https", port, host="www.example.com")
    assert proof["ok"] and base64.b64decode(proof["seen"]["certificate"]) == wire
    assert (proof["seen"]["version"], proof["seen"]["alpn"]) == ("TLSv1.3", "http/1.1")
    assert page["ok"] and page["seen"]["certificate"] == proof["seen"]["certificate"]
    assert 0 <= page["seen"]["first_byte"] < 1


def test_a_name_that_nobody_serves_is_refused(certificate):
    with secured(certificate, pages({})) as port:
        proof = proved("tls", port, host="other.example.com")
        assert not proof["ok"] and proof["seen"] == {"family": "ipv6"}
        assert proof["evidence"] == f"[::1]:{port}: no TLS: tlsv1 unrecognized name"
        assert proved("tls", port, host="other.example.com", expect="closed")["ok"]
        assert not proved("tls", port, host="www.example.com", expect="closed")["ok"]
        assert not proved("tls", port, host="[::1]")["ok"]  # an address is never sent as a server name


@pytest.mark.parametrize("kind", ["tls", "https"])
def test_what_speaks_no_tls_fails_in_time(kind):
    start = time.monotonic()
    with serving(answering(b"HTTP/1.1 400 Bad\r\n\r\n")) as port:
        assert "no TLS: " in proved(kind, port)["evidence"]
    with serving(answering(endless=b"\x16\x03\x03\x00", pause=0.05)) as port:
        assert "no TLS: " in proved(kind, port, timeout=0.5)["evidence"]
    assert time.monotonic() - start < 20
