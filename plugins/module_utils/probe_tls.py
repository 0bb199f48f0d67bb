# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS, where the certificate is read and not judged: that is another question than whether a family works."""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import (
    Check,
    Failed,
    Seen,
    Unreached,
    connect,
    endpoint,
    family_of,
    plain,
    reason,
)


def context() -> ssl.SSLContext:
    """Return a client's settings that take any certificate."""
    # Whose certificate it is, is another question than whether the family works: it is read, not judged.
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def server_name(host: str) -> t.Optional[str]:
    """Return the server name for a Host header; an address literal is none (RFC 6066, section 3)."""
    name = host if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name or None
    return None


def certificate(link: ssl.SSLSocket) -> str:
    """Return the peer's certificate as base64 of its DER form."""
    return base64.b64encode(link.getpeercert(True) or b"").decode()


def shake_hands(link: socket.socket, name: t.Optional[str], protocols: t.Sequence[str] = ()) -> ssl.SSLSocket:
    """Complete a handshake within the socket's timeout.

    :raises Failed: where the server hangs, breaks off or speaks something else
    """
    settings = context()
    if protocols:
        settings.set_alpn_protocols(list(protocols))
    try:
        return settings.wrap_socket(link, server_hostname=name)
    except (OSError, ValueError) as error:
        link.close()
        raise Failed(f"no TLS: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError)):
        return "the connection is closed for this name"
    if isinstance(error, ssl.SSLError) and error.reason:
        return plain(error.reason.replace("_", " ").lower())
    return reason(error)


def tls(check: Check, address: str, seen: Seen) -> str:
    """A handshake for a server name. A server that refuses the name is not reachable by it."""
    link = connect(check, address)
    seen["family"] = family_of(link)
    name = server_name(check.host or check.name)
    try:
        secured = shake_hands(link, name, ("h2", "http/1.1"))
    except Failed as failure:
        raise Unreached(f"{endpoint(address, check.port)}: {failure}") from failure
    with secured:
        seen.update(
            certificate=certificate(secured),
            version=secured.version() or "",
            alpn=secured.selected_alpn_protocol() or "",
        )
        return f"{seen['version']}{' for ' + plain(name) if name else ''}"
