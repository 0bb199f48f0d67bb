# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""radvd.conf with the NAT64 prefix in it, and without it again."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, radvd
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

PREFIX = "64:ff9b::/96"
TEXTS = [
    "",
    "# interface eth0 { };\n",
    "interface eth1 { AdvSendAdvert on; };\n",
    "interface eth0\n{\n    AdvSendAdvert on;\n    prefix 2001:db8::/64 { AdvOnLink on; };\n};\n",
    "interface eth0 { AdvSendAdvert on; };",
    "interface eth0.5 { AdvSendAdvert on; };\ninterface eth0 { };\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_edited_once_and_back(text):
    first = radvd.edited(text, ["eth0"], PREFIX, 1800)
    assert first.count("nat64prefix 64:ff9b::/96 { AdvValidLifetime 1800; };") == 1
    assert radvd.edited(first, ["eth0"], PREFIX, 1800) == first
    assert radvd.edited(first, ["eth0"], PREFIX, 600).count("nat64prefix") == 1


@pytest.mark.parametrize(
    ("text", "place"), [(TEXTS[3], "{\n    nat64prefix"), (TEXTS[5], "interface eth0 {\n    nat64")]
)
def test_the_line_stands_in_the_block_of_the_interface(text, place):
    assert place in radvd.edited(text, ["eth0"], PREFIX, 1800)


def test_an_interface_without_a_block_gets_one_that_makes_no_default_router():
    found = radvd.edited(TEXTS[2], ["eth0"], PREFIX, 1800)
    assert found.startswith(TEXTS[2])
    assert "interface eth0 { AdvSendAdvert on; AdvDefaultLifetime 0; nat64prefix" in found


def test_a_prefix_of_the_administrator_stays():
    own = "interface eth0 { nat64prefix 64:ff9b::/96 { }; };\n"
    assert radvd.edited(own, ["eth0"], PREFIX, 1800) == own
    with pytest.raises(RolloutError, match="another nat64prefix"):
        radvd.edited(own, ["eth0"], "2001:db8:64::/96", 1800)


def test_a_block_that_does_not_end_is_named():
    with pytest.raises(RolloutError, match="does not end"):
        radvd.edited("interface eth0 { AdvSendAdvert on;\n", ["eth0"], PREFIX, 1800)


@pytest.mark.parametrize(("said", "wrong"), [("Version: 2.19\n", True), ("Version: 2.20\n", False)])
def test_an_old_radvd_is_refused(monkeypatch, tmp_path, said, wrong):
    monkeypatch.setattr(radvd, "CONFIG", str(tmp_path / "radvd.conf"))
    monkeypatch.setattr(commands, "found", lambda program: program)
    monkeypatch.setattr(commands, "run", lambda argv, *_more, **_named: commands.Result(0, said, ""))
    change = radvd.Change(["lo"], PREFIX, 1800, files.Ledger("nat64", str(tmp_path)))
    assert any("does not know nat64prefix" in text for text in change.wrong) == wrong


def test_nothing_is_asked_for_and_nothing_is_done(tmp_path):
    change = radvd.Change([], PREFIX, 1800, files.Ledger("nat64", str(tmp_path)))
    assert not change.anything and not change.wrong
