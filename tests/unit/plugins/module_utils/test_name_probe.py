# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names proved by connections to servers of the test's own on the loopback."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import name_probe

CODES = {"www.example.com": 200, "private.example.com": 403, "broken.example.com": 503}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(CODES.get(self.headers["Host"].partition(":")[0], 421))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


@pytest.fixture
def web() -> t.Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def check(name: str, port: int, mode: str) -> dict[str, t.Any]:
    return {"name": name, "address": "127.0.0.1", "port": port, "mode": mode}


@pytest.mark.parametrize(
    ("name", "ok", "evidence"),
    [
        ("www.example.com", True, "HTTP 200"),
        ("private.example.com", True, "HTTP 403"),
        ("broken.example.com", False, "HTTP 503"),
        ("unknown.example.com", False, "HTTP 421: nobody serves this name there"),
    ],
)
def test_http(web: int, name: str, ok: bool, evidence: str) -> None:
    proof = name_probe.prove_all([check(name, web, "http")], 5.0, 0.0)[0]
    assert (proof["ok"], proof["evidence"]) == (ok, evidence)


@pytest.fixture
def secure(tmp_path: Path) -> t.Iterator[int]:
    """A TLS server that closes the connection for names it does not know, as a proxy does."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to make a certificate")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=www.example.com"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run([*made, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse(link: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> int | None:
        return None if name in ("www.example.com", "other.example.org") else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = refuse  # type: ignore[assignment]

    def serve() -> None:
        while True:
            try:
                link, _peer = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(link, server_side=True).close()
            except OSError:
                link.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize(
    ("name", "ok", "evidence"),
    [
        ("www.example.com", True, "a certificate with this name"),
        ("other.example.org", True, "a certificate without this name"),
        ("unknown.example.com", False, "UNRECOGNIZED_NAME"),
    ],
)
def test_tls(secure: int, name: str, ok: bool, evidence: str) -> None:
    proof = name_probe.prove(check(name, secure, "tls"), 5.0)
    assert proof["ok"] is ok
    assert evidence.lower().replace("_", " ") in proof["evidence"].lower().replace("_", " ")


def test_nobody_listens_and_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        proof = name_probe.prove(check("www.example.com", port, "tls"), 0.2)
        assert (proof["ok"], proof["evidence"]) == (False, "no answer")
    proof = name_probe.prove(check("www.example.com", port, "http"), 1.0)
    assert (proof["ok"], proof["evidence"]) == (False, "Connection refused")


def test_it_is_tried_again(web: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def grudging(one: t.Mapping[str, t.Any], timeout: float) -> dict[str, t.Any]:
        tried.append(one)
        return {"ok": len(tried) > 2}

    monkeypatch.setattr(name_probe, "prove", grudging)
    monkeypatch.setattr(name_probe, "PAUSE", 0.0)
    assert name_probe.prove_all([check("www.example.com", web, "http")], 1.0, 5.0)[0]["ok"]
    assert len(tried) == 3
