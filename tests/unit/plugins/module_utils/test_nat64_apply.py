# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAT64 set up, changed, refused and taken back, on a host whose kernel and files are this test's own."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    interface_sysctl,
    nat64_apply,
    nat64_host,
    nat64_texts,
    nat64_values,
    sockets,
    tunnel_host,
    tunnel_live,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_nat64_values import GOOD

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of root's can only be written by root")

SYSCTLS = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.accept_redirects": "1",
    "net.ipv6.conf.all.forwarding": "0",
    "net.ipv6.conf.eth0.accept_ra": "1",
}


class Machine:
    """What systemctl, ip and nft do, as far as a NAT64 needs it."""

    def __init__(self):
        self.sysctls = dict(SYSCTLS)
        self.active, self.device, self.table = False, False, ""
        self.fails = ""
        self.done = []

    @property
    def links(self):
        held = {"family": "inet", "local": "203.0.113.5", "prefixlen": 24, "scope": "global"}
        found = [{"ifname": "eth0", "flags": ["UP", "LOWER_UP"], "addr_info": [held]}]
        flags = ["UP", "LOWER_UP"] if self.active else ["UP"]
        return found + ([{"ifname": "nat64", "flags": flags, "addr_info": []}] if self.device else [])

    def heard(self, _links):
        return ["eth0"] if self.sysctls["net.ipv6.conf.eth0.accept_ra"] in ("1", "2") else []

    def run(self, argv, stdin="", timeout=30.0, folder=None):
        words = list(argv)
        line = " ".join(words)
        if self.fails and self.fails in line:
            return commands.Result(1, "", "no such luck")
        if words[0] == "systemctl":
            return self.systemctl(words)
        if words[:3] == ["nft", "--stateless", "list"] or words[:3] == ["nft", "list", "table"]:
            return commands.Result(0 if self.table else 1, self.table, "")
        if words[:3] == ["nft", "delete", "table"]:
            self.table = ""
        if words[:2] == ["ip", "-j"]:
            wanted = {"-4": "192.168.64.0/24", "-6": "2001:db8:64::/96"}[words[2]]
            return commands.Result(0, json.dumps([{"dst": wanted, "dev": "nat64"}] if self.device else []), "")
        if words[:3] == ["ip", "link", "del"]:
            self.device = False
        if words[:2] == ["unshare", "--net"] and "tayga" in words:
            return commands.Result(124, "", "")
        return commands.Result(0, "", "")

    def systemctl(self, words):
        if words[1] == "is-active":
            return commands.Result(0 if self.active else 3, "", "")
        if words[1] in ("restart", "start", "reload", "stop"):
            self.done.append(words[1])
            if words[1] == "stop":
                self.active = False
            else:
                self.active = self.device = True
                with open(nat64_texts.NFT_RULES, encoding="ascii") as stream:
                    self.table = stream.read()
        return commands.Result(0, "", "")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    found = Machine()
    for name in ("TAYGA_CONF", "NFT_RULES", "SYSCTL_FILE", "TAYGA_UNIT"):
        monkeypatch.setattr(nat64_texts, name, str(tmp_path / "made" / name))
    monkeypatch.setattr(files, "STATE_DIRECTORY", str(tmp_path / "state"))
    ledger = files.Ledger
    monkeypatch.setattr(files, "Ledger", lambda name: ledger(name, str(tmp_path / "state")))
    monkeypatch.setattr(nat64_host, "wanted_link", lambda unit: str(tmp_path / "wants" / unit))
    monkeypatch.setattr(nat64_host, "data_file", lambda: str(tmp_path / "map"))
    monkeypatch.setattr(nat64_host, "kernel_lacks", lambda translator: "")
    monkeypatch.setattr(commands, "run", found.run)
    monkeypatch.setattr(commands, "check", lambda argv, *more, **named: _checked(found, argv))
    monkeypatch.setattr(
        commands, "found", lambda name: None if "iptables" in name or "6tables" in name else f"/sbin/{name}"
    )
    monkeypatch.setattr(tunnel_host, "links", lambda: found.links)
    monkeypatch.setattr(tunnel_host, "routers_heard", found.heard)
    monkeypatch.setattr(tunnel_host, "sysctl", lambda key: found.sysctls.get(key, ""))
    monkeypatch.setattr(tunnel_host, "writable", lambda key: True)
    monkeypatch.setattr(tunnel_host, "forwarding_each", dict)
    monkeypatch.setattr(tunnel_live, "set_sysctls", found.sysctls.update)
    monkeypatch.setattr(interface_sysctl, "boot_settings", list)
    monkeypatch.setattr(sockets, "wait", lambda reached, seconds, step: reached())
    return found


def _checked(machine, argv):
    done = machine.run(argv)
    if done.rc:
        raise RolloutError(f"{' '.join(argv)} failed: {done.said}")
    return done.out


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name not in ("map",)
    }


def present(really=True, **change):
    return nat64_apply.present(nat64_values.wanted({**GOOD, **change}), really)


def test_set_up_once_and_taken_back(machine, tmp_path):
    predicted = present(really=False)
    assert predicted.changed and tree(tmp_path) == {} and machine.sysctls == SYSCTLS
    first = present()
    assert first.diff == predicted.diff and machine.active
    assert machine.sysctls["net.ipv4.ip_forward"] == "1"
    assert machine.sysctls["net.ipv6.conf.eth0.accept_ra"] == "2"
    assert "203.0.113.0/24" in machine.table
    assert not present().changed
    back = nat64_apply.absent(really=False)
    done = nat64_apply.absent(really=True)
    assert back.diff == done.diff and done.changed
    assert {name for name, content in tree(tmp_path).items() if content is not None} == set()
    assert machine.sysctls == SYSCTLS and not machine.active and not machine.device and not machine.table
    assert not nat64_apply.absent(really=True).changed


def test_other_clients_only_load_rules(machine):
    present()
    machine.done.clear()
    told = present(clients=["2001:db8:1300::/48"])
    assert told.reloaded and not told.restarted and machine.done == ["reload"]
    assert "2001:db8:1300::/48" in machine.table and "2001:db8:1200::/48" not in machine.table


def test_another_pool_restarts_the_translator(machine, tmp_path):
    present()
    before = tree(tmp_path)
    machine.done.clear()
    with pytest.raises(RolloutError, match=r"does not start.*all is as it was before"):  # this kernel knows one pool
        present(pool="192.168.65.0/24")
    assert machine.done == ["stop", "restart", "stop", "restart"] and machine.active
    assert tree(tmp_path) == before


@pytest.mark.parametrize("fails", ["systemctl restart", "daemon-reload", "nft --check"])
def test_what_fails_leaves_nothing(machine, tmp_path, fails):
    machine.fails = fails
    with pytest.raises(RolloutError):
        present()
    machine.fails = ""
    assert {name for name, content in tree(tmp_path).items() if content is not None} == set()
    assert machine.sysctls == SYSCTLS and not machine.active and not machine.device and not machine.table


def test_rules_that_somebody_flushed_are_loaded_again(machine):
    present()
    machine.table = ""
    assert present().reloaded and machine.table


def test_an_interface_that_no_longer_takes_advertisements_is_left_alone(machine):
    present()
    machine.sysctls["net.ipv6.conf.eth0.accept_ra"] = "0"
    told = present()
    assert machine.sysctls["net.ipv6.conf.eth0.accept_ra"] == "0" and not told.restarted
    assert not present().changed


def test_forwarding_that_others_ask_for_stays(machine, monkeypatch):
    present()
    setting = interface_sysctl.Setting("net/ipv4/ip_forward", "1", "/etc/sysctl.d/router.conf", 3)
    monkeypatch.setattr(interface_sysctl, "boot_settings", lambda: [setting])
    told = nat64_apply.absent(really=True)
    assert machine.sysctls["net.ipv4.ip_forward"] == "1" and machine.sysctls["net.ipv6.conf.all.forwarding"] == "0"
    assert "router.conf line 3" in told.warnings[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "other"}, "this host has tayga on nat64"),
        ({"pool": "203.0.113.0/28"}, "which is on this host"),
    ],
)
def test_what_is_refused_on_this_host(machine, change, words):
    present()
    with pytest.raises(RolloutError, match=words):
        present(**change)


def test_a_device_of_somebody_else_stays(machine):
    machine.device = True
    with pytest.raises(RolloutError, match="there is an interface nat64 already"):
        present()


def test_packages_that_are_missing_are_told_before_anything_is_done(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "found", lambda name: None)
    told = present()
    assert told.needs_packages == ["tayga", "nftables", "iproute2"] and tree(tmp_path) == {}
