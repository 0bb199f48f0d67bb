# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP sockets of a process."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import sockets

TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:0016 00000000000000000000000001000000:C000 01 00000000:00000000 00:00000000 00000000     0        0 103 1 0 100 0 0 10 0
"""  # noqa: E501


@pytest.mark.skipif(sys.byteorder != "little", reason="the table was written by a little-endian machine")
def test_parse():
    assert sockets.parse(TCP6) == {"100": ("::", 80), "101": ("2001:db8::1", 443), "102": ("127.0.0.1", 8080)}


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (("::", 25), ("::", 25), False),
        (("::", 25), ("2001:db8::1", 25), False),
        (("0.0.0.0", 25), ("127.0.0.1", 25), False),
        (("127.0.0.1", 25), ("127.0.0.1", 25), False),
        (("127.0.0.1", 25), ("127.0.0.2", 25), True),
        (("0.0.0.0", 25), ("::", 25), True),
        (("::", 25), ("::", 26), True),
    ],
)
def test_overlap(one, other, both):
    assert sockets.overlap(one, other) is not both


def test_a_real_socket_is_seen_and_named():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        mine = ("127.0.0.1", server.getsockname()[1])
        assert mine in sockets.listening(os.getpid())
        assert sockets.taken([mine], os.getpid()) == []
        assert sockets.taken([mine], 0)[0].endswith(f"(pid {os.getpid()})")
    assert mine not in sockets.listening(os.getpid())


def test_daemon(tmp_path):
    path = tmp_path / "pid"
    assert sockets.daemon(str(path), "x") == 0
    path.write_text("")
    assert sockets.daemon(str(path), "x") == 0
    with open("/proc/self/comm", encoding="utf-8") as stream:
        name = stream.read().strip()
    path.write_text(f"   {os.getpid()}\n")
    assert sockets.daemon(str(path), name) == os.getpid()
    assert sockets.daemon(str(path), "another") == 0


def test_is_local():
    assert sockets.is_local("127.0.0.1")
    assert not sockets.is_local("192.0.2.1")


def test_listed():
    found = [("::", 80), ("2001:db8::1", 25), ("0.0.0.0", 80)]
    assert sockets.listed(found) == ["[2001:db8::1]:25", "0.0.0.0:80", "[::]:80"]


def test_wait_ends():
    assert sockets.wait(lambda: True)
    assert not sockets.wait(lambda: False, seconds=0.05, step=0.01)
