# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a write never replaces, and a ledger that nobody can read."""

from __future__ import annotations

import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def test_a_link_to_a_file_or_to_nothing_stays_a_link(tmp_path):
    for name in ("there", "missing"):
        link = tmp_path / f"link-{name}"
        link.symlink_to(tmp_path / name)
        (tmp_path / "there").write_bytes(b"old")
        files.write(str(link), b"new", uid=os.getuid(), gid=os.getgid())
        assert link.is_symlink()
        assert (tmp_path / name).read_bytes() == b"new"


@pytest.mark.parametrize("through_link", [False, True])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_a_regular_file_is_replaced(tmp_path, make, through_link):
    """Such as /dev/null, to which a masked unit of systemd is a link."""
    there = path = str(tmp_path / "there")
    make(there)
    before = os.lstat(there)
    if through_link:
        path = str(tmp_path / "link")
        os.symlink(there, path)
    with pytest.raises(RolloutError, match="/there is no regular file"):
        files.write(path, b"new")
    assert os.lstat(there) == before
    assert sorted(os.listdir(tmp_path)) == sorted({"there", os.path.basename(path)})


@pytest.mark.parametrize("damage", [b"{", b"\xff", b"7", b'{"notes": []}', b'{"files": 1}'])
def test_a_damaged_ledger_names_the_file_and_the_way_out(tmp_path, damage):
    (tmp_path / "apache.json").write_bytes(damage)
    with pytest.raises(RolloutError, match=r"apache\.json: what was there before can't be read .* or remove it"):
        files.Ledger("apache", str(tmp_path))
