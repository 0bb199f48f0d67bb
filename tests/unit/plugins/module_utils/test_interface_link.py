# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the link answers: packets as RFC 4861 has them, and what they contradict."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import interface_link as link
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import WantedAddress

ROUTER = "fe80::1"
MINE = [WantedAddress("2001:db8:0:5::80/64")]


def prefix_option(text, flags=0xC0):
    network = ipaddress.IPv6Network(text)
    return struct.pack("!BBBBIII", 3, 4, network.prefixlen, flags, 600, 300, 0) + network.network_address.packed


def advertisement(*options, lifetime=1800):
    return struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime, 0, 0) + b"".join(options)


def heard(*routers, neighbours=None):
    return link.Heard(neighbours or {}, {one.router: one for one in routers})


def test_neighbour_question():
    packet, group = link.neighbour_question("2001:db8::12:3456", bytes.fromhex("020000000001"))
    assert group == "ff02::1:ff12:3456"
    assert packet[0] == 135
    assert packet[8:24] == ipaddress.IPv6Address("2001:db8::12:3456").packed
    assert packet[24:] == b"\x01\x01\x02\x00\x00\x00\x00\x01"


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (
            b"\x88\0\0\0\x60\0\0\0" + ipaddress.IPv6Address("fe80::1").packed + b"\x02\x01\x02\0\0\0\0\x09",
            ("fe80::1", "02:00:00:00:00:09"),
        ),
        (b"\x88\0\0\0\x60\0\0\0" + ipaddress.IPv6Address("fe80::1").packed, ("fe80::1", "")),
        (b"\x87\0\0\0\0\0\0\0" + bytes(16), ("", "")),
        (b"\x88\0\0\0", ("", "")),
        (b"", ("", "")),
    ],
)
def test_neighbour_answer(packet, expected):
    assert link.neighbour_answer(packet) == expected


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (advertisement(), (1800, ())),
        (advertisement(lifetime=0), (0, ())),
        (advertisement(prefix_option("2001:db8:0:5::/64")), (1800, ("2001:db8:0:5::/64",))),
        # Another option before it, and a prefix that is not on the link.
        (
            advertisement(
                b"\x01\x01" + bytes(6), prefix_option("2001:db8::/64", 0x40), prefix_option("2001:db8:1::/64")
            ),
            (1800, ("2001:db8:1::/64",)),
        ),
        (advertisement(b"\x03\x00" + bytes(6)), None),
        (advertisement(prefix_option("2001:db8::/64")[:20]), None),
        (b"\x88" + bytes(30), None),
        (b"\x86", None),
    ],
)
def test_router_answer(packet, expected):
    found = link.router_answer(packet, ROUTER)
    assert (None if found is None else (found.lifetime, found.prefixes)) == expected


@given(st.binary(max_size=200))
def test_any_packet_is_read_or_left(packet):
    for kind in (134, 136):
        link.router_answer(bytes([kind]) + packet, ROUTER)
        link.neighbour_answer(bytes([kind]) + packet)


@pytest.mark.parametrize(
    ("routers", "needed", "answer", "allow", "reason"),
    [
        ([ROUTER], False, heard(neighbours={ROUTER: "02:00:00:00:00:01"}), (), ""),
        ([ROUTER], False, heard(), (), "gateway: fe80::1 does not answer neighbour solicitations on eth0: nothing"),
        ([ROUTER], False, heard(), ("unreachable_gateway",), ""),
        (["2001:db8:0:5::1"], False, heard(), (), "on eth0: nothing"),
        (["2001:db8:0:6::1"], False, heard(), (), "and lies in no prefix of eth0"),
        (
            [ROUTER],
            False,
            heard(link.Announced("fe80::7", 1800, ()), link.Announced("fe80::8", 0, ())),
            (),
            "the routers that announce themselves there are fe80::7; correct",
        ),
        ([], True, heard(), (), "accept_ra: no router advertisement came on eth0 in 6 s"),
        ([], True, heard(link.Announced(ROUTER, 0, ())), (), "no router advertisement came"),
        ([], True, heard(link.Announced(ROUTER, 9, ())), (), ""),
        ([], False, heard(link.Announced(ROUTER, 9, ("2001:db8:0:5::/64",))), (), ""),
        ([], False, heard(link.Announced(ROUTER, 9, ("2001:db8:0:6::/64",))), (), ""),
        (
            [],
            False,
            heard(link.Announced(ROUTER, 9, ("2001:db8::/48",))),
            (),
            "2001:db8:0:5::80/64 has a wrong prefix length: the router fe80::1 announces 2001:db8::/48 .* write "
            "2001:db8:0:5::80/48, or put other_prefix_length",
        ),
        ([], False, heard(link.Announced(ROUTER, 9, ("2001:db8::/48",))), ("other_prefix_length",), ""),
    ],
)
def test_refuse_heard(routers, needed, answer, allow, reason):
    if reason:
        with pytest.raises(RolloutError, match=reason):
            link.refuse_heard("eth0", MINE, routers, needed, answer, allow)
    else:
        link.refuse_heard("eth0", MINE, routers, needed, answer, allow)


def test_an_address_alone_has_no_wrong_length():
    answer = heard(link.Announced(ROUTER, 9, ("2001:db8:0:5::/64",)))
    link.refuse_heard("eth0", [WantedAddress("2001:db8:0:5::80/128")], [], False, answer, ())
    with pytest.raises(RolloutError, match="write 2001:db8:0:5::80/64"):
        link.refuse_heard("eth0", [WantedAddress("2001:db8:0:5::80/48")], [], False, answer, ())


def test_nobody_can_be_asked_on_a_link_that_is_not_there():
    assert link.who_has("no-such-link", "fe80::1") == ""
