# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run for several interfaces: what each of them is given, and what this very run depends on."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface as core
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_run as run
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_target as target
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

NONE = {"addresses": [], "gateway": None, "routes": None, "backend": None, "accept_ra": None, "privacy": None}
PARAMS = {
    "name": None,
    "management_address": "192.0.2.80",
    "addresses": [],
    "gateway": None,
    "routes": None,
    "interfaces": [],
    "backend": "auto",
    "accept_ra": False,
    "privacy": False,
    "mend": [],
    "allow": [],
    "dad_timeout": 1,
}


@pytest.mark.parametrize(
    ("connection", "management", "expected"),
    [
        ("", None, {}),
        ("192.0.2.1 5 192.0.2.80 22", "192.0.2.80", {}),
        ("2001:db8::1 5 2001:db8::80 22", "www1", {"2001:db8::80": "the address that this connection came to"}),
        ("2001:db8::1 5 fe80::80%eth0 22", None, {"fe80::80": "the address that this connection came to"}),
        ("192.0.2.1 5 192.0.2.80 22", "2001:DB8::80", {"2001:db8::80": "the address by which this host is managed"}),
        ("nonsense", "x", {}),
    ],
)
def test_own_addresses(monkeypatch, connection, management, expected):
    monkeypatch.setattr(run, "ssh_connection", lambda: connection)
    assert run.own_addresses(management) == expected


def test_each_interface_takes_what_it_does_not_say():
    params = {
        **PARAMS,
        "accept_ra": True,
        "backend": "networkd",
        "interfaces": [{**NONE, "name": "eth0"}, {**NONE, "name": "eth1", "accept_ra": False, "backend": "ifupdown"}],
    }
    found = [(one["name"], one["accept_ra"], one["privacy"], one["backend"]) for one in run.specifications(params)]
    assert found == [("eth0", True, False, "networkd"), ("eth1", False, False, "ifupdown")]
    assert run.specifications(PARAMS) == [PARAMS]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([{"name": "eth0"}, {"name": "eth0"}], "eth0 is there twice"),
        (
            [{"name": "eth0", "gateway": "fe80::1"}, {"name": "eth1", "gateway": "fe80::2"}],
            "eth0 and eth1 both have a gateway",
        ),
    ],
)
def test_interfaces_refused(entries, reason):
    with pytest.raises(RolloutError, match=reason):
        run.specifications({**PARAMS, "interfaces": [{**NONE, **entry} for entry in entries]})


class Host:
    """A host in memory: what ``ip`` would show, and which programs would have been asked."""

    def __init__(self, monkeypatch, tmp_path):
        self.addresses = {"eth0": [], "eth1": []}
        self.routes = []
        plain = {"accept_ra": "1", "autoconf": "1", "use_tempaddr": "0", "disable_ipv6": "0"}
        self.values = {name: dict(plain) for name in self.addresses}
        self.own = tmp_path / "own"
        self.fails_at = ""
        links = [{"ifname": name, "ifindex": 2, "flags": ["UP"]} for name in self.addresses]
        monkeypatch.setattr(target, "links", lambda: links)
        monkeypatch.setattr(target, "link_of", lambda name, all_links: links[0])
        monkeypatch.setattr(target, "forwarding", lambda name: False)
        monkeypatch.setattr(target, "see", self.see)
        monkeypatch.setattr(target, "apply", self.apply)
        monkeypatch.setattr(target, "take_back", self.take_back)
        monkeypatch.setattr(target, "ask_routers", lambda name: None)
        monkeypatch.setattr(target, "probe", lambda link, wish, limits, step: None)
        monkeypatch.setattr(run, "ssh_connection", lambda: "")
        monkeypatch.setattr(run.hardening, "boot_settings", list)
        monkeypatch.setattr(run.hardening, "disabled_at_boot", lambda: "")
        monkeypatch.setattr(run, "mending", lambda *_args: (run.Mending({}, [], []), []))
        monkeypatch.setattr(run.persistent, "wanted_files", self.wanted_files)
        monkeypatch.setattr(run.persistent, "settle", lambda *_args: None)

    def wanted_files(self, wish, _kind, _index):
        text = "\n".join(address.text for address in wish.addresses)
        return {f"{self.own}-{wish.name}": text.encode()}, []

    def see(self, name, _links, record):
        held = {name: tuple(addresses) for name, addresses in self.addresses.items()}
        return core.Seen(held, tuple(self.routes), dict(self.values[name]), record)

    def change(self, name, steps):
        then = run.decide.after(name, self.see(name, [], core.Record()), steps)
        self.addresses = {one: list(held) for one, held in then.addresses.items()}
        self.routes, self.values[name] = list(then.routes), dict(then.sysctls)

    def apply(self, name, steps, _timeout, _look=None):
        if name == self.fails_at:
            raise RolloutError("the link broke")
        self.change(name, steps)

    def take_back(self, name, steps):
        self.change(name, run.decide.undone(steps))

    def state(self):
        contents = {name: files.read(f"{self.own}-{name}") for name in self.addresses}
        return [run.decide.described(name, self.see(name, [], core.Record())) for name in self.addresses], contents


@pytest.fixture(name="host")
def fixture_host(monkeypatch, tmp_path):
    return Host(monkeypatch, tmp_path)


@pytest.fixture(name="ledger")
def fixture_ledger(tmp_path):
    """Open the ledger as each run does: from what the last one saved."""
    return lambda: files.Ledger(run.LEDGER, str(tmp_path / "state"))


def asked(*entries):
    return {**PARAMS, "interfaces": [{**NONE, "backend": "ifupdown", **entry} for entry in entries]}


TWO = asked(
    {"name": "eth0", "addresses": ["2001:db8::80/64"], "gateway": "fe80::1"},
    {"name": "eth1", "addresses": ["2001:db8:1::80/64"], "routes": [{"to": "2001:db8:2::/48", "via": "fe80::5"}]},
)


def test_all_at_once_once_and_back(host, ledger):
    before = host.state()
    predicted = run.present(TWO, ledger(), True)
    assert host.state() == before
    done = run.present(TWO, ledger(), False)
    assert done == predicted
    assert done["name"] == "eth0,eth1"
    assert done["addresses"] == ["2001:db8::80/64", "2001:db8:1::80/64"]
    assert {route.to for route in host.routes} == {"default", "2001:db8:2::/48"}
    again = run.present(TWO, ledger(), False)
    assert (again["changed"], again["files"]) == (False, [])
    told = run.absent(PARAMS, ledger(), True)
    back = run.absent(PARAMS, ledger(), False)
    assert told == back
    assert host.state() == before
    assert ledger().empty


def test_one_that_fails_takes_the_others_back(host, ledger):
    run.present(asked({"name": "eth0", "addresses": ["2001:db8::70/64"], "gateway": "fe80::1"}), ledger(), False)
    before, kept = host.state(), files.read(ledger().path)
    host.fails_at = "eth1"
    with pytest.raises(RolloutError, match="the link broke"):
        run.present(TWO, ledger(), False)
    assert host.state() == before
    assert files.read(ledger().path) == kept


def test_one_of_two_is_given_back(host, ledger):
    run.present(TWO, ledger(), False)
    run.absent({**PARAMS, "name": "eth1"}, ledger(), False)
    assert [address.text for address in host.addresses["eth0"]] == ["2001:db8::80"]
    assert host.addresses["eth1"] == []
    assert list(ledger().notes) == ["eth0"]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (asked({"name": "eth0", "addresses": ["2001:db8::80/64"]}), "there is no IPv6 default route"),
        (asked({"name": "eth0"}), "addresses: there is none for eth0"),
        (asked({"name": "eth0", "addresses": ["2001:db8::80/64"], "privacy": True}), "set accept_ra as well"),
    ],
)
def test_refused_before_anything_is_done(host, ledger, params, reason):
    before = host.state()
    with pytest.raises(RolloutError, match=reason):
        run.present(params, ledger(), False)
    assert host.state() == before
    assert ledger().empty


def test_the_address_in_use_stays(host, ledger, monkeypatch):
    run.present(TWO, ledger(), False)
    monkeypatch.setattr(run, "ssh_connection", lambda: "2001:db8::1 5 2001:db8::80 22")
    before = host.state()
    with pytest.raises(RolloutError, match="2001:db8::80 is the address that this connection came to"):
        run.absent(PARAMS, ledger(), False)
    assert host.state() == before
