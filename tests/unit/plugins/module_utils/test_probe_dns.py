# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to name servers on loopback, over UDP and TCP."""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import probe
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_probe_web import proved

QUERY = base64.b64encode(probe.question("www.example.com", "AAAA", 4711)).decode()


def answer(query, flags=0x8400, answers=1):
    """Return an answer to a query: its header and its question are enough here."""
    return query[:2] + struct.pack(">5H", flags, 1, answers, 0, 0) + query[12:]


@contextlib.contextmanager
def name_server(udp=None, tcp=None):
    """Answer on one port of ::1 with what two functions make of a query; give the port."""
    stream = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    stream.bind(("::1", 0))
    port = stream.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.bind(("::1", port))

    def serve_udp():
        while True:
            query, client = datagrams.recvfrom(65535)
            if query == b"end":
                return
            for one in udp(query):
                datagrams.sendto(one, client)

    def serve_tcp():
        while True:
            link, _client = stream.accept()
            with link:
                head = link.recv(2)
                if len(head) < 2:
                    return
                query = link.recv(struct.unpack(">H", head)[0])
                link.sendall(tcp(query))

    threads = [threading.Thread(target=serve_udp)] if udp else []
    if tcp:
        stream.listen()
        threads.append(threading.Thread(target=serve_tcp))
    if not udp:
        datagrams.close()
    for thread in threads:
        thread.start()
    try:
        yield port
    finally:
        if udp:
            datagrams.sendto(b"end", ("::1", port))
        if tcp:
            socket.create_connection(("::1", port)).close()
        for thread in threads:
            thread.join()
        stream.close()
        datagrams.close()


def framed(message):
    """Return a message as it goes over TCP."""
    return struct.pack(">H", len(message)) + message


def test_an_authoritative_answer_over_both():
    with name_server(lambda query: [answer(query)], lambda query: framed(answer(query))) as port:
        proof = proved("dns", port, host="example.com")
    assert proof["ok"] and proof["evidence"] == "authoritative for example.com over udp and tcp"
    assert proof["seen"] == {"family": "ipv6"}


@pytest.mark.parametrize(("flags", "answers"), [(0x8000, 1), (0x8405, 1), (0x8400, 0)])
def test_what_is_not_authoritative_fails(flags, answers):
    with name_server(lambda query: [answer(query, flags, answers)], lambda query: framed(answer(query))) as port:
        proof = proved("dns", port, host="example.com")
    assert not proof["ok"]
    assert proof["evidence"] == f"udp: no authoritative answer for example.com (rcode {flags & 15})"


def test_any_message_is_sent_as_it_is_and_its_answers_come_back():
    asked = []

    def one(query):
        asked.append(query)
        return [answer(query, 0x8183, 0)]

    with name_server(one, lambda query: framed(answer(query))) as port:
        proof = proved("dns", port, query=QUERY)
    wire = base64.b64decode(QUERY)
    assert asked == [wire] and proof["ok"] and proof["evidence"] == "udp: rcode 3, 33 octets; tcp: rcode 0, 33 octets"
    assert base64.b64decode(proof["seen"]["udp"]) == answer(wire, 0x8183, 0)
    assert base64.b64decode(proof["seen"]["tcp"]) == answer(wire)
    assert (proof["seen"]["udp_problem"], proof["seen"]["tcp_problem"]) == ("", "")


@pytest.mark.parametrize(
    ("protocol", "ok", "keys"),
    [("udp", True, {"udp", "udp_problem"}), ("tcp", False, {"tcp", "tcp_problem"}), ("both", False, None)],
)
def test_each_protocol_stands_for_itself(protocol, ok, keys):
    with name_server(lambda query: [answer(query)]) as port:
        proof = proved("dns", port, query=QUERY, protocol=protocol)
    assert proof["ok"] is ok
    assert keys is None or {*proof["seen"]} - {"family"} == keys
    if protocol != "udp":
        assert proof["seen"]["tcp"] == "" and "Connection refused" in proof["seen"]["tcp_problem"]


def test_a_forged_answer_does_not_hide_the_right_one():
    def one(query):
        return [b"", b"x" * 40, b"\0\0" + answer(query)[2:], query, answer(query)]

    with name_server(one) as port:
        assert proved("dns", port, query=QUERY, protocol="udp")["ok"]
    with name_server(lambda query: one(query)[:4]) as port:
        proof = proved("dns", port, query=QUERY, protocol="udp", timeout=0.3)
    assert not proof["ok"] and proof["evidence"] == "udp: the answer belongs to another question"


@pytest.mark.parametrize(
    ("reply", "evidence"),
    [
        (b"", "tcp: the answer is no DNS message"),
        (b"\xff\xff" + b"x" * 100, "tcp: the answer belongs to another question"),
        (framed(b"x" * 5), "tcp: the answer is no DNS message"),
        (framed(b"x" * 50), "tcp: the answer belongs to another question"),
    ],
)
def test_nonsense_over_tcp_fails(reply, evidence):
    with name_server(tcp=lambda query: reply) as port:
        proof = proved("dns", port, query=QUERY, protocol="tcp")
    assert not proof["ok"] and proof["evidence"] == evidence


def test_nobody_there_is_not_reached():
    with name_server(tcp=lambda query: b"") as port:
        pass
    proof = proved("dns", port, query=QUERY)
    assert not proof["ok"] and proof["evidence"].count("Connection refused") == 2
    assert proved("dns", port, query=QUERY, expect="closed")["ok"]
    assert proved("dns", port, host="example.com", expect="closed")["ok"]
