# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit reads stays short and plain, whatever is in it, and nothing keeps it waiting."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_text


@given(st.text(st.characters(exclude_categories=()), max_size=400) | st.binary(max_size=400), st.integers(10, 80))
def test_plain_text_is_one_printable_line(value, limit):
    said = audit_text.plain(value, limit)
    assert said.isprintable()
    assert len(said) <= limit
    said.encode()


def test_plain_text_stays_as_it_is():
    assert audit_text.plain("Require ip 2001:db8::/32") == "Require ip 2001:db8::/32"
    assert audit_text.plain("a\x1b[31m\nb\udcff") == "a [31m b?"


@pytest.mark.parametrize(
    ("limit", "last", "expected"),
    [(4, False, b"0123"), (4, True, b"6789"), (10, True, b"0123456789"), (99, True, None)],
)
def test_only_so_much_of_a_file_is_read(tmp_path, limit, last, expected):
    path = tmp_path / "log"
    path.write_bytes(b"0123456789")
    assert audit_text.content(str(path), limit, last) == (expected or b"0123456789")


def pipe(folder):
    os.mkfifo(folder / "pipe")
    return str(folder / "pipe")


@pytest.mark.parametrize(
    "make",
    [pipe, lambda _folder: "/dev/zero", str, lambda folder: str(folder / "missing")],
    ids=["pipe", "device", "folder", "missing"],
)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, make):
    path = make(tmp_path)
    with pytest.raises(OSError):
        audit_text.content(path)
    assert audit_text.text(path) == ""


def test_text_of_any_octets(tmp_path):
    (tmp_path / "file").write_bytes(b"\xff\x00abc")
    assert audit_text.text(str(tmp_path / "file")) == "\ufffd\x00abc"


def test_values_of_the_kernel():
    assert audit_text.value("/proc/sys/net/ipv4/ip_forward") in ("0", "1")
    assert audit_text.value("/proc/sys/net/ipv4/there_is_no_such_thing") == ""


def test_a_pattern_that_means_all_files_means_none(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("")
    assert audit_text.paths(f"{tmp_path}/*/*", 5) == [f"{tmp_path}/a/b"]
    assert audit_text.paths("/*/*/*", 5) == []
    assert audit_text.paths(f"{tmp_path}/*/*", 0) == []
