# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that name whom they want, by Host header or TLS server name: does anybody answer for the name?"""

from __future__ import annotations

import concurrent.futures
import http.client
import socket
import ssl
import time
import typing as t

WORKERS = 16
PAUSE = 0.5
# What a proxy answers for a name that it does not know, and what is no answer of the host itself.
MISDIRECTED = 421
Result = t.Dict[str, t.Any]


class Failed(Exception):
    """The name is not served there; the message says what was seen instead."""


def _reason(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "no answer"
    if isinstance(error, (ssl.SSLEOFError, ConnectionResetError)):
        return "the connection is closed for this name"
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())[:160]


def ask_http(link: socket.socket, name: str, port: int) -> str:
    """Get the page / of a name; any answer of the host will do, other than that it has trouble itself."""
    client = http.client.HTTPConnection(name, port)
    client.sock = link
    host = name if port == 80 else f"{name}:{port}"
    client.request("GET", "/", headers={"Host": host, "Connection": "close"})
    status = client.getresponse().status
    if status == MISDIRECTED:
        raise Failed(f"HTTP {status}: nobody serves this name there")
    if status >= 500:
        raise Failed(f"HTTP {status}")
    return f"HTTP {status}"


def shake_hands(link: socket.socket, name: str) -> str:
    """Complete a TLS handshake with a server name. Whose certificate it is is told, not judged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(link, server_hostname=name) as secured:
        certificate = secured.getpeercert(True) or b""
        domain = name.partition(".")[2]
        named = any(text in certificate for text in (name.encode(), f"*.{domain}".encode()))
        return f"{secured.version()}, a certificate {'with' if named else 'without'} this name"


def prove(check: t.Mapping[str, t.Any], timeout: float) -> Result:
    """Make one connection and return ``{name, address, port, ok, evidence}``."""
    found: Result = {key: check[key] for key in ("name", "address", "port")}
    try:
        with socket.create_connection((check["address"], check["port"]), timeout) as link:
            if check["mode"] == "http":
                evidence = ask_http(link, check["name"], check["port"])
            else:
                evidence = shake_hands(link, check["name"])
        return {**found, "ok": True, "evidence": evidence}
    except Failed as error:
        evidence = str(error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        evidence = _reason(error)
    return {**found, "ok": False, "evidence": evidence}


def patiently(check: t.Mapping[str, t.Any], timeout: float, patience: float) -> Result:
    """Make the connection again until it succeeds or the patience, in seconds, is used up."""
    end = time.monotonic() + patience
    proof = prove(check, timeout)
    while not proof["ok"] and time.monotonic() < end:
        time.sleep(PAUSE)
        proof = prove(check, timeout)
    return proof


def prove_all(checks: t.Sequence[t.Mapping[str, t.Any]], timeout: float, patience: float) -> t.List[Result]:
    """Make all connections, some at a time, and return the proofs in the order of the checks."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return list(pool.map(lambda one: patiently(one, timeout, patience), checks))
