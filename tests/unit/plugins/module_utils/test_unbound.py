# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""unbound's configuration: staged, asked, and put together with what is there."""

from __future__ import annotations

import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, dns64_values, sockets, unbound
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_dns64 import GOOD


class Checker:
    """Answers as unbound-checkconf does, from the text of all files that it is led to."""

    def __init__(self):
        self.broken, self.modules, self.interfaces, self.asking = "", "validator iterator", "", ""

    def run(self, argv, *_more, **_named):
        if argv[0] == "systemctl":
            return commands.Result(0, "0\n", "")
        if argv[1] == "-o":
            said = {"module-config": self.modules, "interface": self.interfaces, "access-control": self.asking}
            return commands.Result(0, said[argv[2]] + "\n", "")
        folder = os.path.dirname(argv[1])
        with open(argv[1], encoding="ascii") as stream:
            included = stream.read().split('"')[1]
        assert included == f"{folder}/unbound.conf.d/*.conf"
        if self.broken:
            return commands.Result(1, "", f"{folder}/unbound.conf.d/x.conf:2: error: {self.broken}\n")
        return commands.Result(0, "", "")


@pytest.fixture
def checker(monkeypatch, tmp_path):
    folder = tmp_path / "unbound"
    (folder / "unbound.conf.d").mkdir(parents=True)
    (folder / "unbound.conf").write_text(f'include-toplevel: "{folder}/unbound.conf.d/*.conf"\n')
    (folder / "unbound.conf.d" / "zz-ipv6-rollout-dns64.conf").write_text("server:\n")
    monkeypatch.setattr(unbound, "FOLDER", str(folder))
    monkeypatch.setattr(unbound, "DROP_IN", f"{folder}/unbound.conf.d/zz-ipv6-rollout-dns64.conf")
    found = Checker()
    monkeypatch.setattr(commands, "run", found.run)
    monkeypatch.setattr(commands, "found", lambda program: program)
    monkeypatch.setattr(sockets, "is_local", lambda host: True)
    monkeypatch.setattr(sockets, "taken", lambda wanted, pid: [])
    return found


def text_of(checker):
    (text,) = unbound.Unbound(dns64_values.wanted(GOOD)).wanted().values()
    return text


@pytest.mark.parametrize(
    ("modules", "wanted"),
    [
        ("validator iterator", "dns64 validator iterator"),
        ("subnetcache validator iterator", "dns64 validator iterator"),
        ("iterator", "dns64 iterator"),
    ],
)
def test_dns64_stands_in_front_of_the_validator(checker, modules, wanted):
    checker.modules = modules
    assert f'module-config: "{wanted}"' in text_of(checker)


def test_a_module_of_the_administrator_is_not_taken_away(checker):
    checker.modules = "respip validator iterator"
    with pytest.raises(RolloutError, match="its module-config has respip"):
        text_of(checker)


@pytest.mark.parametrize("line", ["::/0 allow", "0.0.0.0/0 allow_snoop", "2000::/3 allow"])
def test_no_resolver_is_opened_to_everybody(checker, line):
    checker.asking = f"10.0.0.0/8 allow\n{line}"
    with pytest.raises(RolloutError, match=f"'access-control: {line}' lets anybody ask as soon as"):
        text_of(checker)
    checker.interfaces = "192.0.2.1"  # it was open before
    found = unbound.Unbound(dns64_values.wanted(GOOD))
    found.wanted()
    assert [remark for remark in found.remarks if line in remark]


@pytest.mark.parametrize("line", ["::/0 refuse", "10.0.0.0/8 allow", "fc00::/7 allow", ""])
def test_networks_of_the_site_may_ask(checker, line):
    checker.asking = line
    assert text_of(checker)


def test_who_asks_on_the_loopback_goes_on_asking(checker, monkeypatch):
    assert "interface: 127.0.0.1\n" in text_of(checker)
    monkeypatch.setattr(
        sockets, "taken", lambda wanted, pid: [f"{host} is held" for host, _p in wanted if ":" not in host]
    )
    assert "interface: 127.0.0.1\n" not in text_of(checker)
    checker.interfaces = "192.0.2.1"
    assert "interface: ::1\n" not in text_of(checker)


def test_a_broken_configuration_is_named_by_its_own_path(checker):
    checker.broken = "syntax error"
    with pytest.raises(RolloutError, match=r"is there now: \S*/unbound/unbound.conf.d/x.conf:2: error") as raised:
        text_of(checker)
    assert "ipv6-rollout-unbound-" not in str(raised.value)


@pytest.mark.parametrize(
    ("before", "after", "restart"),
    [
        (b"    interface: ::1\n", b"    interface: ::1\n    log-queries: yes\n", False),
        (b"    interface: ::1\n", b"    interface: ::2\n", True),
        (b"", b'    module-config: "dns64 iterator"\n', True),
    ],
)
def test_what_needs_a_restart(checker, before, after, restart):
    assert unbound.Unbound(dns64_values.wanted(GOOD)).renewed(before, after) == restart


def test_an_anchor_that_the_first_start_makes_is_not_missed(checker, tmp_path):
    anchors = tmp_path / "unbound" / "unbound.conf.d" / "anchor.conf"
    (tmp_path / "root.key").write_text("key")
    lines = [f'    auto-trust-anchor-file: "{tmp_path}/{name}"' for name in ("root.key", "later.key")]
    anchors.write_text("server:\n" + "".join(line + "\n" for line in lines))
    with unbound.staged(None) as conf, open(f"{os.path.dirname(conf)}/unbound.conf.d/anchor.conf") as stream:
        found = stream.read()
    assert lines[0] in found and lines[1] not in found
    assert lines[1] in anchors.read_text()
