# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unique local prefixes (RFC 4193): the sample algorithm of section 3.2.2.

A unique local prefix is ``fd``, then 40 bits that nobody else has (the Global ID), which makes a /48. The 40 bits are
the lowest ones of SHA-1 over a time and a hardware address. Both come from outside here, so that the same values give
the same prefix again.
"""

from __future__ import annotations

import datetime
import hashlib
import re

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import prefix_text, text_value

try:
    import netaddr
except ImportError:
    netaddr = None

NTP_EPOCH = datetime.datetime(1900, 1, 1)
# Pairs with one separator throughout, or three groups of four as some routers write them.
_MAC = re.compile(r"[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}", re.ASCII | re.I)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def eui64_of_mac(value: object, what: str = "mac") -> int:
    """Return the EUI-64 (64 bits) of a MAC address, with the u bit inverted (RFC 4291, appendix A).

    ``00:00:5e:00:53:01`` gives ``0200:5eff:fe00:5301``.
    """
    text = text_value(value, what)
    if not _MAC.fullmatch(text):
        raise RolloutError(f"{what}: {shown(text)} is not a MAC address; write six pairs such as '02:00:5e:00:53:01'")
    if netaddr is None:
        raise RolloutError(
            "netaddr is missing on the controller; install it beside Ansible (pip install netaddr, or the Debian "
            "package python3-netaddr)"
        )
    return int(netaddr.EUI(text).modified_eui64())


def ntp_time(value: object, what: str = "time") -> int:
    """Return a time in UTC as NTP has it (RFC 5905, section 6): 32 bits of seconds since 1900, 32 bits of fraction."""
    text = text_value(value, what)
    match = _TIME.fullmatch(text)
    try:
        if not match:
            raise ValueError
        since = datetime.datetime.fromisoformat(match.group(1)) - NTP_EPOCH
    except ValueError:
        raise RolloutError(
            f"{what}: {shown(text)} is not a time in UTC; write one such as '2026-01-31T12:00:00Z'"
        ) from None
    seconds = since.days * 86400 + since.seconds  # 32 bits are enough until 2036; then NTP starts from 0 again
    billionths = int((match.group(2) or "").ljust(9, "0"))
    return seconds % (1 << 32) << 32 | (billionths << 32) // 10**9


def global_id(time: int, eui64: int) -> int:
    """Return the Global ID (40 bits) for an NTP time and an EUI-64 (64 bits each): RFC 4193, section 3.2.2."""
    key = time.to_bytes(8, "big") + eui64.to_bytes(8, "big")
    return int.from_bytes(hashlib.sha1(key, usedforsecurity=False).digest()[-5:], "big")


def ula_prefix(mac: object, time: object = None) -> str:
    """Return the text of the unique local /48 for a MAC address and a time.

    :param mac: of one of the site's own machines, such as ``02:00:5e:00:53:01``
    :param time: when the prefix was chosen, in UTC, such as ``2026-01-31T12:00:00Z``; up to nine digits of fraction
    :raises RolloutError: where one of them is something else, or missing
    """
    eui64 = eui64_of_mac(mac)
    if time is None or time == "":
        raise RolloutError(
            "time: nothing is given, and a prefix must come out the same every time; write down when it was chosen, "
            "such as time='2026-01-31T12:00:00Z'"
        )
    return prefix_text(0xFD << 120 | global_id(ntp_time(time), eui64) << 80, 48)
