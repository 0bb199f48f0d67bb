# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unique local prefixes."""

from __future__ import annotations

import datetime
import hashlib

import pytest

pytest.importorskip("netaddr", reason="netaddr is not installed")

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import ula
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6_prefix

MAC = "02:00:5e:00:53:01"
TIME = "2026-01-31T12:00:00Z"
NOON = 1769860800 + 2208988800  # Unix time, and the seconds from 1900 to 1970 (RFC 5905, section 6)


def test_the_algorithm_byte_by_byte():
    # The u bit of 02 is inverted to 00, and ff:fe comes into the middle.
    key = NOON.to_bytes(4, "big") + bytes(4) + bytes([0x00, 0x00, 0x5E, 0xFF, 0xFE, 0x00, 0x53, 0x01])
    low = hashlib.sha1(key).hexdigest()[-10:]
    assert low == "05f8302249"
    assert ula.ula_prefix(MAC, TIME) == "fd05:f830:2249::/48"


def test_the_global_id_is_the_low_40_bits():
    key = bytes(range(16))
    wanted = int(hashlib.sha1(key).hexdigest(), 16) % 2**40
    assert ula.global_id(int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")) == wanted


@pytest.mark.parametrize(
    ("text", "seconds", "fraction"),
    [
        ("1900-01-01T00:00:00Z", 0, 0),
        ("1970-01-01T00:00:00Z", 2208988800, 0),
        (TIME, NOON, 0),
        ("2026-01-31T12:00:00.5Z", NOON, 2**31),
        ("2026-01-31T12:00:00.250Z", NOON, 2**30),
        ("2026-01-31T12:00:00.999999999Z", NOON, 4294967291),
        ("2036-02-07T06:28:15Z", 2**32 - 1, 0),
        ("2036-02-07T06:28:16Z", 0, 0),
    ],
)
def test_ntp_times(text, seconds, fraction):
    assert ula.ntp_time(text) == seconds << 32 | fraction


@pytest.mark.parametrize("mac", [MAC, MAC.upper(), "02-00-5E-00-53-01", "0200.5e00.5301"])
def test_one_mac_address_in_all_its_forms(mac):
    assert f"{ula.eui64_of_mac(mac):016x}" == "00005efffe005301"


@given(st.binary(min_size=6, max_size=6), st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1)))
def test_the_result_is_a_unique_local_prefix_and_always_the_same(mac, time):
    arguments = mac.hex(":"), time.isoformat(timespec="microseconds") + "Z"
    prefix = ula.ula_prefix(*arguments)
    first, length = ipv6_prefix(prefix, "x")
    assert (first >> 120, length) == (0xFD, 48)
    assert ula.ula_prefix(*arguments) == prefix


NO_MAC = "is not a MAC address; write six pairs such as '02:00:5e:00:53:01'"
NO_TIME = "is not a time in UTC; write one such as '2026-01-31T12:00:00Z'"
NUMBER = "YAML turns an unquoted 80, 1:20 or 2001:10 into a number; put the value in quotes"


@pytest.mark.parametrize(
    ("mac", "time", "message"),
    [
        ("", TIME, f"mac: '' {NO_MAC}"),
        ("12", TIME, f"mac: '12' {NO_MAC}"),
        ("02:00:5e:00:53", TIME, f"mac: '02:00:5e:00:53' {NO_MAC}"),
        ("02:00:5e-00:53:01", TIME, f"mac: '02:00:5e-00:53:01' {NO_MAC}"),
        ("02:00:5e:00:53:0g", TIME, f"mac: '02:00:5e:00:53:0g' {NO_MAC}"),
        (f"{MAC}\n", TIME, f"mac: '{MAC}\\n' {NO_MAC}"),
        ("02:00:5e:ff:fe:00:53:01", TIME, f"mac: '02:00:5e:ff:fe:00:53:01' {NO_MAC}"),
        (1234567, TIME, f"mac: 1234567 is a number, not text: {NUMBER}"),
        (None, TIME, "mac: nothing is given (null); write the value as text in quotes"),
        (
            MAC,
            None,
            "time: nothing is given, and a prefix must come out the same every time; write down when it was chosen, "
            "such as time='2026-01-31T12:00:00Z'",
        ),
        (MAC, "today", f"time: 'today' {NO_TIME}"),
        (MAC, "2026-01-31", f"time: '2026-01-31' {NO_TIME}"),
        (MAC, "2026-01-31T12:00:00", f"time: '2026-01-31T12:00:00' {NO_TIME}"),
        (MAC, "2026-01-31T12:00:00+01:00", f"time: '2026-01-31T12:00:00+01:00' {NO_TIME}"),
        (MAC, "2026-02-30T12:00:00Z", f"time: '2026-02-30T12:00:00Z' {NO_TIME}"),
        (MAC, "2026-01-31T12:00:00.Z", f"time: '2026-01-31T12:00:00.Z' {NO_TIME}"),
        (
            MAC,
            datetime.datetime(2026, 1, 31),
            f"time: datetime.datetime(2026, 1, 31, 0, 0) is a date, not text: {NUMBER}",
        ),
    ],
)
def test_refusals(mac, time, message):
    with pytest.raises(RolloutError) as caught:
        ula.ula_prefix(mac, time)
    assert str(caught.value) == message


def test_without_netaddr(monkeypatch):
    monkeypatch.setattr(ula, "netaddr", None)
    with pytest.raises(RolloutError, match="netaddr is missing on the controller; install it"):
        ula.eui64_of_mac(MAC)


def test_the_filter():
    pytest.importorskip("ansible")
    from ansible.errors import AnsibleFilterError

    from ansible_collections.ipv6.rollout.plugins.filter import ula_prefix as plugin

    call = plugin.FilterModule().filters()["ula_prefix"]
    assert call(MAC, time=TIME) == call(MAC, TIME) == "fd05:f830:2249::/48"
    with pytest.raises(AnsibleFilterError) as caught:
        call("12", TIME)
    assert str(caught.value) == f"ipv6.rollout.ula_prefix: mac: '12' {NO_MAC}"
