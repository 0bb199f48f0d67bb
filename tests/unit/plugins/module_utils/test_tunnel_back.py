# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tunnel must not show, take from others or leave behind, also where something fails or has changed since."""

from __future__ import annotations

import base64
import json
import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    lockout,
    tunnel,
    tunnel_apply,
    tunnel_host,
    tunnel_live,
    tunnel_openvpn,
    tunnel_texts,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_tunnel_apply import (
    _kernel,
    everything,
    present,
    sysctls,
)
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.tunnel_given import (
    CLIENT,
    SECRET,
    SIT,
    WIREGUARD,
)

# A fixture for every test here, by being there.
__all__ = ["_kernel"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of root's can only be written by root")

HUSH = "HUSHHUSH"
FORWARDING = "net.ipv6.conf.all.forwarding"


class Unit:
    """What systemd and wg-quick(8) do."""

    def __init__(self, kernel, configuration):
        self.kernel, self.configuration = kernel, configuration
        self.enabled = self.active = False
        self.plain = kernel.run

    def run(self, argv, stdin="", timeout=30.0, folder=None):
        words = list(argv)
        if words[0] in ("wg-quick", "journalctl"):
            return commands.Result(0, "", "")
        if words[0] != "systemctl":
            return self.plain(argv, stdin, timeout, folder)
        self.kernel.changes.append(" ".join(words))
        self.enabled = "enable" in words or (self.enabled and "disable" not in words)
        if "restart" in words:
            held = {"family": "inet6", "local": "2001:db8:feed::2", "prefixlen": 64, "scope": "global"}
            link = {"ifname": "wg6", "mtu": 1420, "flags": ["UP"], "linkinfo": {"info_kind": "wireguard"}}
            self.kernel.links["wg6"] = {**link, "addr_info": [held]}
            self.active = True
        if "stop" in words:
            self.active = False
            if self.configuration.exists():
                self.kernel.links.pop("wg6", None)
        return commands.Result(0, "", "")


@pytest.fixture(name="unit")
def _unit(kernel, tmp_path, monkeypatch):
    unit = Unit(kernel, tmp_path / "etc/wireguard/wg6.conf")
    monkeypatch.setattr(commands, "run", unit.run)
    monkeypatch.setattr(tunnel_host, "unit_state", lambda name: (unit.enabled, unit.active))
    monkeypatch.setattr(tunnel_texts, "WIREGUARD", f"{tmp_path}/etc/wireguard")
    monkeypatch.setattr(tunnel_openvpn, "FOLDER", f"{tmp_path}/etc/openvpn")
    monkeypatch.setattr(tunnel_openvpn, "trial", lambda *given: "")
    monkeypatch.setattr(tunnel_openvpn, "certificates", lambda *given: [])
    monkeypatch.setattr(tunnel_live, "complete", lambda name: True)
    return unit


def wg(really=True, backend="ifupdown", **change):
    return tunnel_apply.present(tunnel.wanted({**WIREGUARD, **change}), backend, 1.0, really)


def written(path, content, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def refusing(*keys):
    """Return a set_sysctls that can't set some keys."""
    plain = tunnel_live.set_sysctls

    def setting(values):
        for key, value in values.items():
            if key in keys:
                raise RolloutError(f"{key}: it can't be set to {value}")
            plain({key: value})

    return setting


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (f"[Interface]\nPrivateKey = {HUSH}\n", 0o644),
        (f"PresharedKey={HUSH}\n", 0o644),
        (f"-----BEGIN RSA PRIVATE KEY-----\n{HUSH}\n", 0o644),
        (f"psk={HUSH}\n", 0o644),
        (f"-----BEGIN OpenVPN Static key V1-----\n{HUSH}\n", 0o644),
        (f"what is it? {HUSH}\n", 0o600),
        (f"what is it? {HUSH}\n", 0o640),
    ],
)
def test_an_older_file_with_a_secret_is_not_shown(kernel, unit, tmp_path, content, mode):
    written(tmp_path / "etc/wireguard/wg6.conf", content, mode)
    done = wg()
    assert done.changed
    assert HUSH not in json.dumps(done.diff)
    assert HUSH not in json.dumps(tunnel_apply.absent("wg6", False).diff)
    assert (tmp_path / "etc/wireguard/wg6.conf").read_text() != content
    assert HUSH not in json.dumps(tunnel_apply.absent("wg6", True).diff)
    assert (tmp_path / "etc/wireguard/wg6.conf").read_text() == content


def test_what_is_no_secret_is_shown(kernel, unit, tmp_path):
    written(tmp_path / "etc/wireguard/wg6.conf", "# as it was\n", 0o644)
    assert "# as it was" in json.dumps(wg().diff)
    # And our own file, which others can't read, is no secret: no key is in it.
    assert "MTU = 1380" in json.dumps(wg(mtu=1380).diff)


@pytest.mark.parametrize("backend", ["networkd", "ifupdown"])
def test_a_preshared_key_that_is_taken_out_is_not_shown(kernel, unit, tmp_path, backend):
    shared = base64.b64encode(b"s" * 32).decode()
    peer = WIREGUARD["peers"][0]
    told = [
        wg(backend=backend, peers=[{**peer, "preshared_key": shared}]),
        wg(backend=backend),
        wg(backend=backend, peers=[{**peer, "keepalive": 25}]),
    ]
    kept = json.loads((tmp_path / "var/tunnel.json").read_text())["notes"]["wg6"]["secrets"]
    assert len(kept) == 2  # the key, and the file that had a preshared key in it
    told += [
        tunnel_apply.absent("wg6", True),
    ]
    assert all(item.changed for item in told)
    assert shared not in json.dumps([item.diff for item in told])


def test_a_removed_route_goes(kernel):
    present(routes=["2000::/3", "2001:db8:99::/48"])
    kernel.changes.clear()
    done = present(routes=["2001:db8:99::/48"])
    assert (kernel.changes, kernel.routes["tun6"]) == (["ip -6 route del 2000::/3 dev tun6"], ["2001:db8:99::/48"])
    assert "route del 2000::/3" in json.dumps(done.diff)
    assert not present(routes=["2001:db8:99::/48"]).changed


def test_a_route_that_can_not_be_removed(kernel, tmp_path):
    present(routes=["2000::/3", "2001:db8:98::/48", "2001:db8:99::/48"])
    before = everything(tmp_path)
    kernel.broken = "route del 2001:db8:98"
    with pytest.raises(RolloutError, match=r"No such luck; all is as it was before$"):
        present(routes=["2001:db8:99::/48"])
    assert (everything(tmp_path), sorted(kernel.routes["tun6"])) == (
        before,
        ["2000::/3", "2001:db8:98::/48", "2001:db8:99::/48"],
    )


@pytest.mark.parametrize("route", ["2001:db8:12::/48", "::/0"])
def test_a_route_of_another_interface_is_never_taken(kernel, tmp_path, route):
    kernel.routes["eth0"] = [route]
    before = everything(tmp_path)
    for really in (False, True):
        with pytest.raises(RolloutError, match="eth0 has a route to"):
            present(really, routes=[route])
    assert (kernel.routes, kernel.changes, everything(tmp_path)) == ({"eth0": [route]}, [], before)


def test_the_running_session_is_not_cut_off(kernel, monkeypatch):
    monkeypatch.setattr(lockout, "ssh_connection", lambda: "2001:db8:99::7 5555 2001:db8:5::2 22")
    with pytest.raises(RolloutError, match="from where this session comes"):
        present()
    assert kernel.changes == []
    assert tunnel_apply.present(tunnel.wanted(SIT), "ifupdown", 1.0, True, "allow").changed
    # Once it is there, the session may come through it.
    assert not present().changed


def test_the_first_error_is_told_and_every_step_back_is_tried(kernel, unit, tmp_path, monkeypatch):
    before = everything(tmp_path)

    def failing(*given):
        raise RolloutError("the port is taken")

    def stubborn(*given):
        raise RolloutError("the unit does not stop")

    monkeypatch.setattr(tunnel_live, "start", failing)
    monkeypatch.setattr(tunnel_live, "settle", stubborn)
    with pytest.raises(RolloutError) as caught:
        wg(forwarding=True)
    assert str(caught.value) == "the port is taken; not all could be taken back: the unit does not stop"
    assert everything(tmp_path) == before


def test_a_sysctl_that_fails_does_not_touch_the_unit(kernel, unit, tmp_path, monkeypatch):
    wg()
    before = everything(tmp_path)
    kernel.changes.clear()
    monkeypatch.setattr(tunnel_live, "set_sysctls", refusing(FORWARDING))
    with pytest.raises(RolloutError, match=r"all\.forwarding: it can't be set to 1"):
        wg(forwarding=True)
    assert (kernel.changes, everything(tmp_path)) == ([], before)


def test_sysctls_that_can_not_be_set_are_found_before(kernel, tmp_path, monkeypatch):
    before = everything(tmp_path)
    monkeypatch.setattr(tunnel_host.os, "access", lambda path, mode: False)
    for really in (False, True):
        with pytest.raises(RolloutError, match="can't be set here"):
            present(really, forwarding=True)
    assert everything(tmp_path) == before
    assert present().changed


@pytest.mark.parametrize("again", [True, False])
def test_an_interface_that_heard_routers_and_is_gone(kernel, tmp_path, again):
    present(forwarding=True)
    del kernel.links["eth0"]
    (tmp_path / "proc/sys/net.ipv6.conf.eth0.accept_ra").unlink()
    kernel.links["eth1"] = {"ifname": "eth1", "flags": ["UP"], "addr_info": []}
    kernel.links["eth1"]["addr_info"] = [{"family": "inet", "local": "192.0.2.10", "prefixlen": 24, "scope": "global"}]
    if again:
        assert present(forwarding=True).changed
        assert not present(forwarding=True).changed
    assert tunnel_apply.absent("tun6", True).changed
    assert set(everything(tmp_path)) == {f"proc/sys/{FORWARDING}"}
    assert (tmp_path / f"proc/sys/{FORWARDING}").read_text() == "0"


def test_absent_goes_on_where_a_sysctl_can_not_be_set(kernel, tmp_path, monkeypatch):
    present(forwarding=True)
    monkeypatch.setattr(tunnel_live, "set_sysctls", refusing(FORWARDING))
    told = tunnel_apply.absent("tun6", True)
    assert [text for text in told.warnings if "it can't be set to 0" in text]
    assert sysctls(tmp_path) == ("1", "2")
    assert not tunnel_apply.absent("tun6", True).changed


def test_forwarding_of_single_interfaces_comes_back(kernel, tmp_path, monkeypatch):
    """Setting all.forwarding sets every interface, as the kernel does."""
    eth1 = tmp_path / "proc/sys/net.ipv6.conf.eth1.forwarding"
    eth0 = tmp_path / "proc/sys/net.ipv6.conf.eth0.forwarding"
    eth1.write_text("1")
    eth0.write_text("0")
    plain = tunnel_live.set_sysctls

    def setting(values):
        for key, value in values.items():
            changes = tunnel_host.sysctl(key) != value
            plain({key: value})
            if key == FORWARDING and changes:
                eth0.write_text(value)
                eth1.write_text(value)

    monkeypatch.setattr(tunnel_live, "set_sysctls", setting)
    present(forwarding=True)
    assert (eth0.read_text(), eth1.read_text()) == ("1", "1")
    assert not present(forwarding=True).changed
    other = {"name": "other", "remote": "198.51.100.3", "addresses": ["2001:db8:5eed::2/64"], "routes": []}
    present(forwarding=True, **other)
    tunnel_apply.absent("tun6", True)
    assert eth0.read_text() == "1"
    tunnel_apply.absent("other", True)
    assert (eth0.read_text(), eth1.read_text(), sysctls(tmp_path)) == ("0", "1", ("0", "1"))
    kernel.broken = "link add"
    with pytest.raises(RolloutError, match="all is as it was before"):
        present(forwarding=True)
    assert (eth0.read_text(), eth1.read_text(), sysctls(tmp_path)) == ("0", "1", ("0", "1"))


@pytest.mark.parametrize("name", ["50-mine.conf", "99-zzz-mine.conf"])
def test_forwarding_that_another_file_asks_for_stays(kernel, tmp_path, name):
    present(forwarding=True)
    (tmp_path / "etc/sysctl.d" / name).write_text("net.ipv6.conf.all.forwarding = 1\n")
    told = tunnel_apply.absent("tun6", True)
    assert sysctls(tmp_path) == ("1", "2")
    assert f"{FORWARDING} stays 1" in "".join(told.warnings)


def test_an_interface_without_a_route_at_this_moment_hears_routers(kernel, tmp_path, monkeypatch):
    plain = kernel.run

    def silent(argv, *given, **named):
        return commands.Result(0, "", "") if list(argv)[1:3] == ["-o", "-6"] else plain(argv, *given, **named)

    monkeypatch.setattr(commands, "run", silent)
    present(forwarding=True)
    assert sysctls(tmp_path) == ("1", "2")


def test_a_wg_quick_interface_that_was_deleted_comes_again(kernel, unit):
    wg()
    del kernel.links["wg6"]
    assert wg().changed
    assert "wg6" in kernel.links
    assert not wg().changed


def test_absent_removes_the_interface_also_without_the_file(kernel, unit, tmp_path):
    wg()
    (tmp_path / "etc/wireguard/wg6.conf").unlink()
    tunnel_apply.absent("wg6", True)
    assert "wg6" not in kernel.links


def test_absent_leaves_an_interface_of_another_kind(kernel):
    present()
    kernel.links["tun6"] = {"ifname": "tun6", "flags": ["UP"], "linkinfo": {"info_kind": "bridge"}, "addr_info": []}
    told = tunnel_apply.absent("tun6", True)
    assert ("tun6" in kernel.links, "tun6 (bridge) that is not this tunnel" in told.warnings[-1]) == (True, True)


@pytest.mark.parametrize("option", ["ca", "certificate", "key_file"])
def test_a_renewed_file_of_the_host_restarts_the_tunnel(kernel, unit, tmp_path, monkeypatch, option):
    monkeypatch.setattr(commands, "found", lambda program: f"/sbin/{program}" if program == "openvpn" else None)
    paths = {name: str(written(tmp_path / f"pki/{name}", SECRET)) for name in ("ca", "certificate", "key_file")}
    wish = tunnel.wanted({**CLIENT, **paths})
    tunnel_apply.present(wish, "auto", 0.1, True)
    assert not tunnel_apply.present(wish, "auto", 0.1, True).changed
    kernel.changes.clear()
    (tmp_path / "pki" / option).write_text("another one")
    done = tunnel_apply.present(wish, "auto", 0.1, True)
    assert done.changed
    assert "systemctl restart openvpn-client@tun6.service" in kernel.changes
    assert "another one" not in json.dumps(done.diff)
    assert not tunnel_apply.present(wish, "auto", 0.1, True).changed


def test_modes_are_shown_and_need_no_restart(kernel, unit, tmp_path):
    wg()
    (tmp_path / "etc/wireguard/wg6.key").chmod(0o644)
    kernel.changes.clear()
    done = wg()
    assert (done.changed, kernel.changes, done.paths) == (True, [], [f"{tmp_path}/etc/wireguard/wg6.key"])
    assert [(item["before"], item["after"]) for item in done.diff] == [
        ("mode 0644, owner 0, group 0\n", "mode 0600, owner 0, group 0\n")
    ]
    assert not wg().changed


def test_check_mode_tells_whether_it_is_up(kernel):
    present()
    assert present(really=False).up


def test_an_edited_file_that_goes_is_told_of(kernel, tmp_path):
    present(forwarding=True)
    path = tmp_path / "etc/sysctl.d/99-z-ipv6-rollout-tunnel-tun6.conf"
    path.write_text(path.read_text() + "vm.swappiness = 1\n")
    assert [text for text in present(forwarding=False).warnings if "was edited since" in text]


def test_the_same_tunnel_under_another_name(kernel):
    present()
    with pytest.raises(RolloutError, match="tun6 is a tunnel of ours: take it back first"):
        present(name="tun7")
