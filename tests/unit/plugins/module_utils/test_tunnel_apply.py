# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A 6in4 tunnel set up, changed and taken back, on a host whose kernel and files are this test's own."""

from __future__ import annotations

import functools
import json
import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    interface_sysctl,
    lockout,
    tunnel,
    tunnel_apply,
    tunnel_host,
    tunnel_texts,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.tunnel_given import SIT, WIREGUARD

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of root's can only be written by root")


class Kernel:
    """What ip(8) does to interfaces and routes, as far as a tunnel needs it."""

    def __init__(self):
        outer = {"family": "inet", "local": "192.0.2.10", "prefixlen": 24, "scope": "global"}
        self.links = {"eth0": {"ifname": "eth0", "mtu": 1500, "flags": ["UP"], "linkinfo": {}, "addr_info": [outer]}}
        self.routes = {}
        self.changes = []
        self.broken = ""

    def run(self, argv, stdin="", timeout=30.0, folder=None):
        words = list(argv)
        if words[0] == "systemctl":
            return commands.Result(3, "", "")
        if words[0] == "wg":
            self.changes.append(" ".join(words) + stdin)
            return commands.Result(0, "", "")
        assert words[0] == "ip", words
        if words[1:] == ["-d", "-j", "addr"]:
            return commands.Result(0, json.dumps(list(self.links.values())), "")
        if words[1:] == ["-j", "-6", "route", "show"]:
            every = [{"dst": dst, "dev": name} for name, found in self.routes.items() for dst in found]
            return commands.Result(0, json.dumps(every), "")
        if words[1:4] == ["-j", "-6", "route"]:
            return commands.Result(0, json.dumps([{"dst": dst} for dst in self.routes.get(words[-1], [])]), "")
        if words[1:] == ["-o", "-6", "route", "show"]:
            heard = "default via fe80::1 dev eth0 proto ra metric 100\n2001:db8:5::/64 dev eth0 proto ra metric 100\n"
            return commands.Result(0, heard, "")
        self.changes.append(" ".join(words))
        if self.broken and self.broken in self.changes[-1]:
            return commands.Result(2, "", "RTNETLINK answers: No such luck")
        return self.change(words)

    def change(self, words):
        name = words[words.index("name") + 1] if "name" in words else words[words.index("dev") + 1]
        if words[1:3] == ["link", "del"]:
            del self.links[name]
            self.routes.pop(name, None)
        elif words[1:3] == ["link", "add"]:
            data = {key: words[words.index(key) + 1] for key in ("local", "remote") if key in words}
            linkinfo = {"info_kind": words[words.index("type") + 1], "info_data": data}
            self.links[name] = {"ifname": name, "mtu": 1480, "flags": [], "linkinfo": linkinfo, "addr_info": []}
        elif words[1:3] == ["link", "set"]:
            self.links[name].update(mtu=int(words[words.index("mtu") + 1]), flags=["UP"])
        elif words[1:4] == ["-6", "addr", "replace"]:
            address, _slash, length = words[4].partition("/")
            held = {"family": "inet6", "local": address, "prefixlen": int(length), "scope": "global"}
            self.links[name]["addr_info"].append(held)
        elif words[1:4] == ["-6", "route", "del"]:
            self.routes[name].remove(words[4])
        else:
            assert words[1:4] == ["-6", "route", "add"], words
            self.routes.setdefault(name, []).append(words[4])
        return commands.Result(0, "", "")


@pytest.fixture(name="kernel")
def _kernel(tmp_path, monkeypatch):
    kernel = Kernel()
    plain = tunnel_texts.ifupdown_6in4
    moved = {"ifupdown": lambda wish: {f"{tmp_path}{path}": file for path, file in plain(wish).items()}}
    monkeypatch.setattr(tunnel_texts, "SIT", moved)
    monkeypatch.setattr(tunnel_texts, "NETWORKD", f"{tmp_path}/etc/systemd/network")
    monkeypatch.setattr(tunnel_apply, "SYSCTL_D", f"{tmp_path}/etc/sysctl.d")
    monkeypatch.setattr(files, "Ledger", functools.partial(files.Ledger, folder=f"{tmp_path}/var"))
    monkeypatch.setattr(commands, "run", kernel.run)
    monkeypatch.setattr(commands, "found", lambda program: f"/sbin/{program}" if program in ("ip", "wg") else None)
    for name, value in (("kernel_lacks", ""), ("ipv6_off", ""), ("unread", ""), ("unused", "")):
        monkeypatch.setattr(tunnel_host, name, lambda *given, value=value: value)
    monkeypatch.setattr(tunnel_host, "sysctl_path", lambda key: f"{tmp_path}/proc/sys/{key}")
    monkeypatch.setattr(interface_sysctl, "FOLDERS", (f"{tmp_path}/etc/sysctl.d",))
    monkeypatch.setattr(lockout, "ssh_connection", lambda: "192.0.2.1 5555 192.0.2.10 22")
    (tmp_path / "proc/sys").mkdir(parents=True)
    for key, value in (("all.forwarding", "0"), ("eth0.accept_ra", "1")):
        (tmp_path / f"proc/sys/net.ipv6.conf.{key}").write_text(value)
    return kernel


def present(really=True, **change):
    return tunnel_apply.present(tunnel.wanted({**SIT, **change}), "ifupdown", 1.0, really)


def everything(folder):
    """Return all files below a folder, with their bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sysctls(folder):
    return tuple((folder / f"proc/sys/net.ipv6.conf.{key}").read_text() for key in ("all.forwarding", "eth0.accept_ra"))


def test_there_and_back(kernel, tmp_path):
    before = everything(tmp_path)
    predicted = present(really=False)
    assert (everything(tmp_path), kernel.changes) == (before, [])
    done = present()
    assert (predicted.changed, predicted.diff, predicted.paths) == (True, done.diff, done.paths)
    assert (done.up, done.addresses) == (True, ["2001:db8:feed::2/64"])
    assert kernel.links["tun6"]["mtu"] == 1280
    kernel.changes.clear()
    again = present()
    assert (again.changed, again.diff, kernel.changes) == (False, [], [])
    told = tunnel_apply.absent("tun6", False)
    assert kernel.changes == []
    assert told.changed
    assert tunnel_apply.absent("tun6", True).diff == told.diff
    assert everything(tmp_path) == before
    assert not (tmp_path / "etc").exists()
    assert "tun6" not in kernel.links
    assert not tunnel_apply.absent("tun6", True).changed


def test_what_was_there_before_comes_back(kernel, tmp_path):
    path = tmp_path / "etc/network/interfaces.d/60-ipv6-rollout-tun6"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"# mine\r\n")
    path.chmod(0o640)
    present()
    assert path.read_bytes() != b"# mine\r\n"
    tunnel_apply.absent("tun6", True)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"# mine\r\n", 0o640)


@pytest.mark.parametrize(
    "change",
    [{"remote": "198.51.100.9"}, {"mtu": 1480}, {"routes": ["2000::/4"]}, {"addresses": ["2001:db8:feed::7/64"]}],
)
def test_a_change_makes_the_interface_anew(kernel, change):
    present()
    kernel.changes.clear()
    assert present(**change).changed
    assert kernel.changes[0] == "ip link del dev tun6"
    assert not present(**change).changed


def test_an_interface_that_vanished_comes_again(kernel):
    present()
    del kernel.links["tun6"]
    done = present()
    assert (done.changed, done.paths, "tun6" in kernel.links) == (True, [], True)


@pytest.mark.parametrize("broken", ["link add", "link set", "addr replace", "route add"])
def test_a_step_that_fails_leaves_nothing(kernel, tmp_path, broken):
    before = everything(tmp_path)
    kernel.broken = broken
    with pytest.raises(RolloutError, match=r"No such luck; all is as it was before$"):
        present(forwarding=True)
    assert everything(tmp_path) == before
    assert "tun6" not in kernel.links


def test_a_failed_change_says_that_the_interface_is_gone(kernel, tmp_path):
    present()
    before = everything(tmp_path)
    kernel.broken = "link add"
    with pytest.raises(RolloutError, match="but tun6 is gone until the next run or boot"):
        present(remote="198.51.100.9")
    assert everything(tmp_path) == before
    kernel.broken = ""
    assert present().changed


def test_another_kind_of_the_same_name_is_refused(kernel):
    present()
    with pytest.raises(RolloutError, match="tun6 was set up as 6in4, not wireguard"):
        tunnel_apply.present(tunnel.wanted({**WIREGUARD, "name": "tun6"}), "networkd", 1.0, True)


def test_forwarding_is_kept_as_long_as_somebody_needs_it(kernel, tmp_path):
    present(forwarding=True)
    assert sysctls(tmp_path) == ("1", "2")
    text = (tmp_path / "etc/sysctl.d/99-z-ipv6-rollout-tunnel-tun6.conf").read_text()
    assert text.index("accept_ra") < text.index("forwarding")
    other = {"name": "other", "remote": "198.51.100.3", "addresses": ["2001:db8:5eed::2/64"], "routes": []}
    present(forwarding=True, **other)
    assert not present(forwarding=True).changed
    tunnel_apply.absent("tun6", True)
    assert sysctls(tmp_path) == ("1", "2")
    assert not present(forwarding=True, **other).changed
    assert present(forwarding=False, **other).changed
    assert sysctls(tmp_path) == ("0", "1")
    tunnel_apply.absent("other", True)
    assert set(everything(tmp_path)) == {
        "proc/sys/net.ipv6.conf.all.forwarding",
        "proc/sys/net.ipv6.conf.eth0.accept_ra",
    }


def test_wireguard_there_and_back(kernel, tmp_path):
    """The interface is made with the key's file; a peer that changes makes it anew."""
    wish = tunnel.wanted(WIREGUARD)
    before = everything(tmp_path)
    done = tunnel_apply.present(wish, "networkd", 1.0, True)
    assert done.addresses == ["2001:db8:feed::2/64"]
    assert kernel.routes == {"wg6": ["2001:db8:12::/48"]}
    assert WIREGUARD["key"] not in json.dumps([done.diff, kernel.changes])
    key = tmp_path / "etc/systemd/network/60-ipv6-rollout-wg6.key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == (WIREGUARD["key"] + "\n", 0o640)
    assert not tunnel_apply.present(wish, "networkd", 1.0, True).changed
    kernel.changes.clear()
    other = {**WIREGUARD, "peers": [{**WIREGUARD["peers"][0], "keepalive": 25}]}
    assert tunnel_apply.present(tunnel.wanted(other), "networkd", 1.0, True).changed
    assert kernel.changes[0] == "ip link del dev wg6"
    assert WIREGUARD["key"] not in json.dumps(tunnel_apply.absent("wg6", True).diff)
    assert everything(tmp_path) == before


def test_a_file_that_was_right_before_stays(kernel, tmp_path):
    present()
    path = tmp_path / "etc/network/interfaces.d/60-ipv6-rollout-tun6"
    content = path.read_bytes()
    tunnel_apply.absent("tun6", True)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert present().paths == []
    told = tunnel_apply.absent("tun6", True)
    assert (told.changed, told.paths, told.warnings) == (True, [], [])
    assert path.read_bytes() == content


def test_a_file_that_was_edited_is_told_of(kernel, tmp_path):
    present()
    path = tmp_path / "etc/network/interfaces.d/60-ipv6-rollout-tun6"
    path.write_bytes(path.read_bytes() + b"# edited\n")
    assert "was edited since" in tunnel_apply.absent("tun6", True).warnings[0]
    assert not path.exists()


def test_a_missing_package_is_named_and_nothing_is_done(kernel, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "found", lambda program: None)
    before = everything(tmp_path)
    told = tunnel_apply.present(tunnel.wanted(WIREGUARD), "networkd", 1.0, True)
    assert (told.changed, told.needs_package, everything(tmp_path)) == (True, "wireguard-tools", before)
    assert kernel.changes == []
