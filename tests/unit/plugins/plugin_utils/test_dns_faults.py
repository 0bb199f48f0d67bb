# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong with an update, forward names stay unpublished, and a plain second run does what is left."""

from __future__ import annotations

import re
import time
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_records, dns_server, dns_update, dns_wire
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_fake import Between, Fake
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_named import HEAD, NAMED, Named

pytestmark = pytest.mark.skipif(NAMED is None, reason="named is not installed (Debian package bind9)")

REVERSE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"
WWW = "www.example.com."
POINTER = name_of(6, 0x20010DB8120000000000000000000080)
ADDRESS = "2001:db8:1200::80"
RECORDS = [{"name": POINTER, "type": "PTR", "data": WWW}, {"name": WWW, "type": "AAAA", "data": ADDRESS}]
OTHER_SECRET = "YW5vdGhlci1zZWNyZXQtdGhhdC1pcy1ub3Qta25vd24="


@pytest.fixture
def named(tmp_path: Path) -> t.Iterator[Named]:
    zones = {"example.com": HEAD + "ns1 IN A 192.0.2.53\nwww 900 IN A 192.0.2.80\n", REVERSE: HEAD}
    server = Named(tmp_path, zones)
    server.start()
    yield server
    server.stop()


def send(server: dns_server.Server, before_apply: t.Callable[[], None] = lambda: None) -> str:
    """Do what the module does; return the error, or nothing."""
    with server:
        try:
            found = dns_records.plan(dns_update.wanted(RECORDS), server)
            before_apply()
            return dns_records.apply(found, server).error or ""
        except RolloutError as error:
            return str(error)


def wrong_key(named: Named, address: str, patch: pytest.MonkeyPatch) -> str:
    return send(named.server(address, key_secret=OTHER_SECRET))


def wrong_clock(named: Named, address: str, patch: pytest.MonkeyPatch) -> str:
    real = time.time
    with patch.context() as wrong:
        wrong.setattr(time, "time", lambda: real() - 4000)
        return send(named.server(address))


def refusing_zone(named: Named, address: str, patch: pytest.MonkeyPatch) -> str:
    return send(named.server(address, key_name="idle"))


def concurrent_edit(named: Named, address: str, patch: pytest.MonkeyPatch) -> str:
    def edit() -> None:
        change = dns_update.Change(Key(POINTER, "PTR"), None, Rrset(60, ("other.example.com.",)))
        with named.server(address) as server:
            server.update(f"{REVERSE}.", [change])

    return send(named.server(address), edit)


def spoiled(named: Named, address: str, spoil: t.Callable[[Between, bytes, int], list[bytes] | None]) -> str:
    """Send through a server that fails at an update."""
    between, updates = Between(address, named.port), 0

    def pass_on(octets: bytes) -> list[bytes] | None:
        nonlocal updates
        if int.from_bytes(octets[2:4], "big") & dns_wire.OPCODE != dns_wire.UPDATE:
            return [between.ask(octets)]
        updates += 1
        return spoil(between, octets, updates)

    with Fake(pass_on, address) as fake:
        error = send(named.server(address, port=fake.port))
    between.close()
    return error


def dies_between_two_zones(named: Named, address: str, patch: pytest.MonkeyPatch) -> str:
    return spoiled(named, address, lambda between, octets, place: [between.ask(octets)] if place == 1 else None)


def dies_before_the_answer(named: Named, address: str, patch: pytest.MonkeyPatch) -> str:
    def spoil(between: Between, octets: bytes, _place: int) -> None:
        between.ask(octets)

    return spoiled(named, address, spoil)


def dies_without_taking_it(named: Named, address: str, patch: pytest.MonkeyPatch) -> str:
    return spoiled(named, address, lambda _between, _octets, _place: None)


NOT_KNOWN = "Whether it was done is not known"
FAULTS = [
    (wrong_key, "BADSIG", None),
    (wrong_clock, "BADTIME", None),
    (refusing_zone, f"zone {REVERSE}.: .* refuses the update.*Nothing in this zone was changed", None),
    (concurrent_edit, "was nothing and is now other.example.com. .TTL 60.", "other.example.com."),
    (dies_between_two_zones, f"update of the zone example.com.. {NOT_KNOWN}.*Done before: {REVERSE}.", WWW),
    (dies_before_the_answer, f"update of the zone {REVERSE}.. {NOT_KNOWN}.*Not sent: example.com.", WWW),
    (dies_without_taking_it, f"update of the zone {REVERSE}.. {NOT_KNOWN}.*Not sent: example.com.", None),
]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("fault", "words", "pointer"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS])
def test_a_fault_publishes_nothing_and_a_second_run_completes(
    named: Named, address: str, fault: t.Any, words: str, pointer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = fault(named, address, monkeypatch)
    assert re.search(words, error), error
    assert named.get(WWW, "AAAA") is None
    held = named.get(POINTER, "PTR")
    assert (held and held.data[0]) == pointer
    assert send(named.server(address)) == ""
    assert named.get(WWW, "AAAA") == Rrset(900, (ADDRESS,))
    held = named.get(POINTER, "PTR")
    assert held is not None and WWW in held.data
    serials = named.serial("example.com"), named.serial(REVERSE)
    assert send(named.server(address)) == ""
    assert serials == (named.serial("example.com"), named.serial(REVERSE)), "a third run has nothing to do"
