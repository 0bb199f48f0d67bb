# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The single values of a tunnel: each is refused in words, or returned in the one form that goes into files."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

COMMON_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,14}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
_PATH = re.compile(r"/[A-Za-z0-9._@+/-]+")
_BLOCK = re.compile(r"-----BEGIN ([^\n-]*)-----")
# What would end a line, or hide one: all control characters but the newline and the tab, and what is no character.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Every new interface takes the first ones for its sysctl folder, or the kernel has it; the last ones are no names to
# OpenVPN, which takes any free tun0, tun1 and so on.
_TAKEN = ("all", "default", "lo", "sit0", "tun", "tap", "null")
# Global and unique local unicast: what a tunnel's own address can be.
_UNICAST = tuple(ipaddress.IPv6Network(text) for text in ("2000::/3", "fc00::/7"))
# What no route leads to: loopback and IPv4 in IPv6, link-local, site-local, multicast.
_NO_ROUTE = tuple(
    ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "fe80::/10", "fec0::/10", "ff00::/8")
)
_SHORTEST = 48


def refuse(option: str, value: object, why: str) -> t.NoReturn:
    """Raise what a user can put right."""
    raise RolloutError(f"{option}: {shown(value)} {why}")


def plain(value: object) -> str:
    """Return an address or prefix as text, or raise ValueError: Python takes and keeps anything after a ``%``."""
    text = str(value)
    if "%" in text:
        raise ValueError("a zone")
    return text


def prefix(option: str, value: object) -> str:
    """Return an IPv6 prefix that may be routed, in canonical form."""
    try:
        found = ipaddress.IPv6Network(plain(value))
    except ValueError:
        refuse(option, value, "is no IPv6 prefix; write one such as 2001:db8:1200::/48, without host bits")
    if found.prefixlen and any(found.overlaps(other) for other in _NO_ROUTE):
        refuse(
            option,
            value,
            "is not all global or unique local unicast, so nothing can be routed to it; name 2000::/3 or a part",
        )
    return str(found)


def subnet(option: str, value: object) -> str:
    """Return the prefix of an OpenVPN server."""
    text = prefix(option, value)
    found = ipaddress.IPv6Network(text)
    if not 64 <= found.prefixlen <= 124:
        refuse(option, value, "is no prefix of 64 to 124 bits, which is what OpenVPN takes; a /64 is usual")
    if not any(found.subnet_of(space) for space in _UNICAST):
        refuse(option, value, "is neither global nor unique local; take a subnet of your own prefix")
    return text


def interface_address(option: str, value: object) -> str:
    """Return an IPv6 address with its prefix length in canonical form; one that a tunnel may have."""
    try:
        text = plain(value)
        found = ipaddress.IPv6Interface(text) if "/" in text else None
    except ValueError:
        found = None
    if found is None:
        refuse(option, value, "is no IPv6 address with a prefix length; write one such as 2001:db8:1200:ff::1/64")
    inner, length = found.ip, found.network.prefixlen
    if not any(inner in space for space in _UNICAST):
        refuse(option, value, "can't be a tunnel's address; name a global or unique local unicast address")
    if length < _SHORTEST:
        refuse(option, value, f"puts more than a /{_SHORTEST} on the tunnel itself; write /64, routes name the rest")
    if length < 127 and inner == found.network.network_address:
        refuse(option, value, "is the subnet-router anycast address of its prefix; name another one")
    return f"{inner}/{length}"


def outer_ipv4(option: str, value: object) -> str:
    """Return an outer address of a 6in4 tunnel."""
    try:
        found = ipaddress.IPv4Address(str(value))
    except ValueError:
        refuse(option, value, "is no IPv4 address; 6in4 carries IPv6 in IPv4, so both outer addresses are IPv4")
    if found.is_multicast or found.is_unspecified or found.is_loopback or int(found) == 2**32 - 1:
        refuse(option, value, "can't be an end of a tunnel; name a unicast address")
    return str(found)


def outer_address(option: str, value: object) -> str:
    """Return an address of either family that this host listens on."""
    try:
        found = ipaddress.ip_address(plain(value))
    except ValueError:
        refuse(option, value, "is no address; name one that this host has")
    return str(found)


def host_name(option: str, value: object) -> str:
    """Return a host's name, or its address in canonical form."""
    try:
        return str(ipaddress.ip_address(plain(value)))
    except ValueError:
        pass
    text = str(value)
    if not _HOST.fullmatch(text):
        refuse(option, value, "is no host name and no address (one with a zone can't be an end of a tunnel)")
    return text


def port_number(option: str, value: object) -> int:
    """Return a port."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        refuse(option, value, "is no port; write a number from 1 to 65535")
    return value


def key_text(option: str, value: object) -> str:
    """Return a WireGuard key; the message never has the value, which may be secret."""
    text = str(value).strip()
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    # wg(8) takes only one of the spellings that some decoders take.
    if len(octets) != 32 or base64.b64encode(octets).decode() != text:
        raise RolloutError(f"{option}: this is no WireGuard key; `wg genkey` and `wg pubkey` make them")
    return text


def pem(option: str, value: object) -> str:
    """Return certificates or keys as text, with one newline at the end."""
    text = str(value).replace("\r\n", "\n").strip()
    if "-----BEGIN " not in text or "-----END " not in text:
        raise RolloutError(f"{option}: there is no '-----BEGIN ...' block in it; give the text of a PEM file")
    if _CONTROL.search(text):
        raise RolloutError(f"{option}: there is a control character in it; give the text of a PEM file as it is")
    return text + "\n"


def path(option: str, value: object) -> str:
    """Return the path of a file of the host. The message has no value: a key may be there by mistake."""
    text = str(value)
    if not _PATH.fullmatch(text):
        raise RolloutError(f"{option}: this is no absolute path of letters, digits and ._@+-/; name a file of the host")
    return text


def certificates(option: str, value: object) -> str:
    """Return the text of certificates, or the path of a file of the host that has them."""
    if str(value).startswith("/"):
        return path(option, value)
    text = pem(option, value)
    if any(not kind.endswith("CERTIFICATE") for kind in _BLOCK.findall(text)):
        raise RolloutError(
            f"{option}: there is more in it than certificates; a private key belongs into key, which is kept secret"
        )
    return text


def interface_name(value: object) -> str:
    """Return a tunnel's name: its interface has it, and the files do."""
    text = str(value)
    if not _NAME.fullmatch(text) or text in _TAKEN:
        refuse("name", value, "is no name for a tunnel; write a letter and up to 14 letters, digits, _ and -")
    return text
