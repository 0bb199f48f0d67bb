# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Master files that people write are read as BIND reads them."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import master_file

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
COMPILEZONE = shutil.which("named-compilezone", path=PATH)
ZONE = "example.com."
HEAD = "$TTL 1h\n@ IN SOA ns1 hostmaster 2026010100 1h 15m 2w 1h\n"

# Ways to write what servers understand, each with the records that it makes: (name, TTL, type, data).
WAYS: dict[str, tuple[str, list[tuple[str, int, str, str]]]] = {
    "relative": ("www A 192.0.2.1\n", [("www.example.com.", 3600, "A", "192.0.2.1")]),
    "absolute": ("WWW.Example.COM. A 192.0.2.1\n", [("www.example.com.", 3600, "A", "192.0.2.1")]),
    "apex": ("@ MX 10 mx.example.net.\n", [("example.com.", 3600, "MX", "10 mx.example.net.")]),
    "the owner before": (
        "www A 192.0.2.1\n\tAAAA 2001:DB8::0001\n",
        [("www.example.com.", 3600, "A", "192.0.2.1"), ("www.example.com.", 3600, "AAAA", "2001:db8::1")],
    ),
    "class and TTL in both orders": (
        "a IN 300 A 192.0.2.1\nb 300 IN A 192.0.2.2\nc 300 A 192.0.2.3\nd IN A 192.0.2.4\n",
        [
            ("a.example.com.", 300, "A", "192.0.2.1"),
            ("b.example.com.", 300, "A", "192.0.2.2"),
            ("c.example.com.", 300, "A", "192.0.2.3"),
            ("d.example.com.", 3600, "A", "192.0.2.4"),
        ],
    ),
    "units of time": ("www 1d12h A 192.0.2.1\n", [("www.example.com.", 129600, "A", "192.0.2.1")]),
    "brackets over lines": (
        "www ( 300 ; the TTL\n IN\n A 192.0.2.1 ) ; done\n",
        [("www.example.com.", 300, "A", "192.0.2.1")],
    ),
    "semicolon and bracket in quotes": (
        '@ TXT "v=spf1; (not a bracket" "second \\"part\\""\n',
        [("example.com.", 3600, "TXT", '"v=spf1; (not a bracket" "second \\"part\\""')],
    ),
    "origin": (
        "$ORIGIN sub\nwww A 192.0.2.1\n$ORIGIN example.com.\nmail A 192.0.2.2\n",
        [("www.sub.example.com.", 3600, "A", "192.0.2.1"), ("mail.example.com.", 3600, "A", "192.0.2.2")],
    ),
    "another default TTL": (
        "$TTL 60\nwww A 192.0.2.1\nmail 5 A 192.0.2.2\nnews A 192.0.2.3\n",
        [
            ("www.example.com.", 60, "A", "192.0.2.1"),
            ("mail.example.com.", 5, "A", "192.0.2.2"),
            ("news.example.com.", 60, "A", "192.0.2.3"),
        ],
    ),
    "escapes": ("a\\.b TXT x\n", [("a\\.b.example.com.", 3600, "TXT", '"x"')]),
    "a type as an owner": ("a A 192.0.2.1\nmx MX 10 a\n", [
        ("a.example.com.", 3600, "A", "192.0.2.1"), ("mx.example.com.", 3600, "MX", "10 a.example.com."),
    ]),
    "a number as an owner": ("1 A 192.0.2.1\n", [("1.example.com.", 3600, "A", "192.0.2.1")]),
    "a type by its number": ("www TYPE28 2001:db8::1\n", [("www.example.com.", 3600, "AAAA", "2001:db8::1")]),
    "unknown type": (
        "www TYPE65280 \\# 2 abcd\n",
        [("www.example.com.", 3600, "TYPE65280", "\\# 2 abcd")],
    ),
    "generate": (
        "$GENERATE 8-10/2 h-${0,3,d} AAAA 2001:db8::${0,0,x}\n",
        [("h-008.example.com.", 3600, "AAAA", "2001:db8::8"), ("h-010.example.com.", 3600, "AAAA", "2001:db8::a")],
    ),
    "generate nibbles": (
        "$GENERATE 16-17 ${0,7,n} 300 PTR host-$.example.com.\n",
        [
            ("0.1.0.0.example.com.", 300, "PTR", "host-16.example.com."),
            ("1.1.0.0.example.com.", 300, "PTR", "host-17.example.com."),
        ],
    ),
    "blank lines and comments": ("\n; only a comment\n   ; indented\n\t\nwww A 192.0.2.1", [
        ("www.example.com.", 3600, "A", "192.0.2.1"),
    ]),
    "carriage returns": ("www A 192.0.2.1\r\nmail A 192.0.2.2\r\n", [
        ("www.example.com.", 3600, "A", "192.0.2.1"), ("mail.example.com.", 3600, "A", "192.0.2.2"),
    ]),
}  # fmt: skip


def records(text: str, **more: t.Any) -> list[tuple[str, int, str, str]]:
    found = master_file.read(text, ZONE, **more)
    return [(entry.name, entry.ttl, entry.type, entry.data) for entry in found if entry.type != "SOA"]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_a_record(way: str) -> None:
    text, wanted = WAYS[way]
    assert records(HEAD + text) == wanted


@pytest.mark.skipif(COMPILEZONE is None, reason="named-compilezone is not installed (Debian package bind9-utils)")
@pytest.mark.parametrize("way", WAYS)
def test_bind_reads_the_same(way: str, tmp_path: Path) -> None:
    text = HEAD + "@ NS ns.example.net.\n" + WAYS[way][0]
    (tmp_path / "zone").write_bytes(text.encode())
    made = subprocess.run(
        [str(COMPILEZONE), "-i", "none", "-s", "full", "-o", str(tmp_path / "out"), ZONE, str(tmp_path / "zone")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert sorted(records((tmp_path / "out").read_text())) == sorted(records(text))


def test_soa_and_the_ttl_without_a_default() -> None:
    (soa, other) = master_file.read("@ SOA ns1 hostmaster ( 7 1h 15m 2w\n 300 )\n@ NS ns1\n", ZONE)
    assert soa.data == "ns1.example.com. hostmaster.example.com. 7 3600 900 1209600 300"
    assert (soa.ttl, other.ttl) == (300, 300)


def test_the_place_of_every_record() -> None:
    text = HEAD + "www 300 IN A 192.0.2.1 ; the web\n\tAAAA ( 2001:db8::1\n ) ; more\n"
    (_soa, ipv4, ipv6) = master_file.read(text, ZONE)
    assert text[ipv4.start : ipv4.end] == "www 300 IN A 192.0.2.1 ; the web\n"
    assert text[ipv4.fields : ipv4.last] == " 300 IN A 192.0.2.1"
    assert text[ipv6.start : ipv6.end] == "\tAAAA ( 2001:db8::1\n ) ; more\n"
    assert text[ipv6.fields : ipv6.last] == "\tAAAA ( 2001:db8::1\n )"
    assert [text[start:end] for start, end in ipv6.words] == ["2001:db8::1"]
    assert (ipv4.owned, ipv6.owned) == (True, False)


def test_the_soa_minimum_is_the_default_of_all() -> None:
    text = "@ SOA ns1 hostmaster 7 1h 15m 2w 300\nwww 600 A 192.0.2.1\nftp A 192.0.2.2\n"
    assert [entry.ttl for entry in master_file.read(text, ZONE)] == [300, 600, 300]


def test_a_ttl_of_an_included_file_stays() -> None:
    found = records(HEAD + "$INCLUDE more\nafter A 192.0.2.1\n", included={"more": "$TTL 120\nx A 192.0.2.2\n"})
    assert [ttl for _name, ttl, *_rest in found] == [120, 120]


def test_octets_above_127_are_no_international_name() -> None:
    (record,) = records(HEAD + "m\xc3\xbcller A 192.0.2.1\n")
    assert record[0] == "m\\195\\188ller.example.com."


def test_a_row_of_digits_takes_no_time() -> None:
    with pytest.raises(RolloutError):
        records(HEAD + f"@ {'1' * 60}x A 192.0.2.1\n")


def test_included_files() -> None:
    included = {"more.zone": "www A 192.0.2.1\n$ORIGIN deep\nx A 192.0.2.2\n"}
    found = records(HEAD + "$INCLUDE more.zone sub\nmail A 192.0.2.3\n", included=included)
    assert [name for name, *_rest in found] == ["www.sub.example.com.", "x.deep.sub.example.com.", "mail.example.com."]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("www A 192.0.2.256\n", "line 3: '192.0.2.256' is not an IPv4 address"),
        ("www AAAA 192.0.2.1\n", "line 3"),
        ("www 300 IN\n", "line 3: 'www 300 IN' has no type, or no data"),
        ("www CH TXT x\n", "class CH"),
        ("www A ( 192.0.2.1\n", "line 3: a bracket is open"),
        ("www A 192.0.2.1 )\n", "line 3: ')' does not belong there"),
        ('www TXT "open\n', "does not belong there"),
        ("$INCLUDE nowhere\n", "'nowhere', which is included there, is not known"),
        ("$WHAT 1\n", "'$WHAT 1' is not understood"),
        ("$GENERATE x a A 192.0.2.$\n", "no range"),
        ("$GENERATE 0-99999999 a$ A 192.0.2.1\n", "more than"),
        ("$GENERATE 0-1 a${0,0,q} A 192.0.2.1\n", "is not understood"),
        ("www 9999999999 A 192.0.2.1\n", "is no TTL"),
        ("www MX ten mail\n", "not the data of a MX record"),
        ("www NOTYPE x\n", "not the data of a NOTYPE record"),
    ],
)
def test_what_is_no_master_file_is_named_with_its_line(text: str, why: str) -> None:
    with pytest.raises(RolloutError) as caught:
        records(HEAD + text)
    assert why in str(caught.value)


def test_a_circle_of_included_files_ends() -> None:
    with pytest.raises(RolloutError):
        records(HEAD + "$INCLUDE self\n", included={"self": "$INCLUDE self\n"})


def test_a_record_without_an_owner() -> None:
    with pytest.raises(RolloutError) as caught:
        master_file.read(" A 192.0.2.1\n", ZONE)
    assert "line 1: the record has no owner" in str(caught.value)
