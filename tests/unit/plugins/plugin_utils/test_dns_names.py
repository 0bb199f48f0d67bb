# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and data of DNS records."""

from __future__ import annotations

import ipaddress

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import (
    absolute,
    address_of,
    fold,
    is_reverse,
    record_data,
    txt_data,
    txt_text,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("www.example.com", "www.example.com."),
        ("WWW.Example.COM.", "www.example.com."),
        ("_dmarc.example.com", "_dmarc.example.com."),
        ("*.example.com", "*.example.com."),
        ("129.128/26.2.0.192.in-addr.arpa", "129.128/26.2.0.192.in-addr.arpa."),
        ("bücher.example", "xn--bcher-kva.example."),
    ],
)
def test_names_are_absolute_and_in_lower_case(given_name: str, expected: str) -> None:
    assert absolute(given_name, "name") == expected
    assert absolute(expected, "name") == expected


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("AAAA", "2001:DB8::0:1", "2001:db8::1"),
        ("A", "192.0.2.1", "192.0.2.1"),
        ("PTR", "WWW.example.com", "www.example.com."),
        ("MX", "10 mail.example.com", "10 mail.example.com."),
        ("SRV", "0 5 443 www.example.com", "0 5 443 www.example.com."),
        ("TXT", "v=spf1 -all", '"v=spf1 -all"'),
        ("TXT", '"one" "two"', '"one" "two"'),
        ("TXT", "a;b\\c", '"a;b\\\\c"'),
        ("CAA", '0 issue "ca.example.net"', '0 issue "ca.example.net"'),
    ],
)
def test_data(kind: str, text: str, expected: str) -> None:
    assert record_data(kind, text, "data") == expected
    assert record_data(kind, expected, "data") == expected


def test_data_that_differs_only_in_case() -> None:
    assert fold("PTR", "WWW.example.com.") == fold("PTR", "www.Example.com.")
    assert fold("TXT", '"A"') != fold("TXT", '"a"')


@given(st.text(alphabet=st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=700))
def test_text_comes_back_as_it_went_in(text: str) -> None:
    data = txt_data(text)
    assert txt_text(data) == text
    assert dns_names.parsed("TXT", data).to_text() == data


@given(st.integers(0, 2**128 - 1))
def test_reverse_names_lead_back_to_the_address(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    assert name_of(6, number) == f"{address.reverse_pointer}."
    family, text = address_of(name_of(6, number).upper()) or (0, "")
    assert (family, ipaddress.IPv6Address(text)) == (6, address)


@pytest.mark.parametrize(
    "name",
    [
        "www.example.com.",
        "1.0.0.ip6.arpa.",
        f"{'g.' * 32}ip6.arpa.",
        "2.0.192.in-addr.arpa.",
        "300.2.0.192.in-addr.arpa.",
    ],
)
def test_names_that_are_of_no_one_address(name: str) -> None:
    assert address_of(name) is None


def test_which_zones_are_reverse() -> None:
    assert is_reverse("8.b.d.0.1.0.0.2.ip6.arpa.") and is_reverse("2.0.192.in-addr.arpa.") and is_reverse("ip6.arpa.")
    assert not is_reverse("example.com.") and not is_reverse("notip6.arpa.")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_names, "LIBRARY", False)
    with pytest.raises(RolloutError, match="dnspython is missing on the controller"):
        dns_names.need_library()
