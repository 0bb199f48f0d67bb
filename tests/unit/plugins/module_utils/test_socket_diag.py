# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel tells of its sockets, octet by octet."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import socket_diag
from ansible_collections.ipv6.rollout.plugins.module_utils.socket_diag import Socket


def message(family, address, port, *attributes, device=0, user=0, inode=7):
    """An inet_diag_msg as linux/inet_diag.h has it."""
    packed = ipaddress.ip_address(address).packed.ljust(16, b"\0")
    body = struct.pack("=BBBB", family, 10, 0, 0) + port.to_bytes(2, "big") + bytes(2) + packed + bytes(16)
    body += struct.pack("=I8x", device) + struct.pack("=IIIII", 0, 0, 128, user, inode)
    for kind, value in attributes:
        body += struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
    return body


def framed(kind, body, flags=2):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body + bytes(-len(body) % 4)


class Kernel:
    """A netlink socket that says what it was told to say, one list of packets a socket that is made."""

    def __init__(self, *answers):
        self.answers = [list(answer) for answer in answers]

    def __call__(self, *_kind):
        self.packets = self.answers.pop(0)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def settimeout(self, _seconds):
        pass

    def send(self, data):
        self.asked = data

    def recv(self, _size):
        return self.packets.pop(0)


DONE = framed(3, bytes(4))


def told(monkeypatch, *answers, family="ipv6"):
    kernel = Kernel(*answers)
    monkeypatch.setattr(socket_diag.socket, "socket", kernel)
    return socket_diag.ask("tcp", family)


def test_a_socket_of_ipv6_is_read(monkeypatch):
    body = message(socket.AF_INET6, "::", 80, (8, b"\0"), (11, b"\0"), (22, b"\x04\0"), user=33, inode=99)
    assert told(monkeypatch, [framed(20, body) + DONE]) == [
        Socket("tcp", "ipv6", "::", 80, 0, v6only=False, freebind=True, user=33, inode=99)
    ]


def test_a_socket_of_ipv4_is_read(monkeypatch):
    body = message(socket.AF_INET, "192.0.2.1", 443, (22, b"\0\0"), device=3)
    assert told(monkeypatch, [framed(20, body), DONE], family="ipv4") == [
        Socket("tcp", "ipv4", "192.0.2.1", 443, 3, v6only=None, freebind=False, user=0, inode=7)
    ]


def test_what_the_kernel_does_not_tell_is_not_known(monkeypatch):
    (found,) = told(monkeypatch, [framed(20, message(socket.AF_INET6, "::", 80)), DONE])
    assert (found.v6only, found.freebind) == (None, None)


def test_a_list_that_changed_on_the_way_is_read_again(monkeypatch):
    body = message(socket.AF_INET6, "::1", 25, (11, b"\1"))
    found = told(monkeypatch, [framed(20, body, flags=0x12)], [framed(20, body), DONE])
    assert [(one.address, one.v6only) for one in found] == [("::1", True)]


def test_a_list_that_changes_all_the_time_is_no_answer(monkeypatch):
    with pytest.raises(socket_diag.Unanswered, match="all the time"):
        told(monkeypatch, *[[framed(3, bytes(4), flags=0x12)]] * 3)


def test_an_error_is_no_answer(monkeypatch):
    with pytest.raises(socket_diag.Unanswered, match="No such file"):
        told(monkeypatch, [framed(2, struct.pack("=i", -2))])


@given(st.binary(max_size=300))
def test_anything_is_split_without_end_or_error(data):
    for _kind, _flags, body in socket_diag.messages(data):
        list(socket_diag.attributes(body))


WORD = "=I"


def proc(address):
    packed = ipaddress.ip_address(address).packed
    return "".join(f"{struct.unpack_from(WORD, packed, at)[0]:08X}" for at in range(0, len(packed), 4))


def table(address, port, state):
    line = f"0: {proc(address)}:{port:04X} {proc('::' if ':' in address else '0.0.0.0')}:0000 {state}"
    return f"head\n {line} 00000000:00000000 00:00000000 00000000  33 0 4711 1 0 100 0\n"


@pytest.mark.parametrize("address", ["192.0.2.1", "0.0.0.0", "::", "2001:db8::1", "::ffff:192.0.2.1"])
def test_proc_has_the_same_but_not_all(address):
    family = "ipv6" if ":" in address else "ipv4"
    text = "::ffff:192.0.2.1" if address.startswith("::ffff") else address
    assert socket_diag.from_proc(table(address, 8080, "0A"), "tcp", family) == [
        Socket("tcp", family, text, 8080, 0, None, None, 33, 4711)
    ]


@pytest.mark.parametrize(("protocol", "state", "count"), [("tcp", "01", 0), ("udp", "07", 1), ("udp", "01", 0)])
def test_only_sockets_that_wait_are_listed(protocol, state, count):
    assert len(socket_diag.from_proc(table("::1", 53, state), protocol, "ipv6")) == count


def test_proc_is_read_where_the_kernel_does_not_answer(monkeypatch):
    def refuses(_protocol, _family):
        raise OSError("no netlink here")

    monkeypatch.setattr(socket_diag, "ask", refuses)
    found, complete = socket_diag.waiting()
    assert not complete
    assert all(one.v6only is None for one in found)
