# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run for several interfaces: what each of them is given, and what this very run depends on."""

from __future__ import annotations

import os

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
        self.steps = []
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
        return core.Seen(held, tuple(self.routes), dict(self.values.get(name, {})), record)

    def change(self, name, steps):
        then = run.decide.after(name, self.see(name, [], core.Record()), steps)
        self.addresses = {one: list(held) for one, held in then.addresses.items()}
        self.routes, self.values[name] = list(then.routes), dict(then.sysctls)

    def apply(self, name, steps, _timeout, _look=None):
        if name == self.fails_at:
            raise RolloutError("the link broke")
        self.change(name, steps)
        self.steps += steps

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


def test_the_last_route_to_the_other_end_stays(host, ledger, monkeypatch):
    run.present(TWO, ledger(), False)
    before, kept = host.state(), files.read(ledger().path)
    monkeypatch.setattr(run, "ssh_connection", lambda: "2001:db8:ffff::1 5 2001:db8:1::80 22")
    with pytest.raises(RolloutError, match="no route would be left to 2001:db8:ffff::1"):
        run.absent({**PARAMS, "name": "eth0"}, ledger(), False)
    assert (host.state(), files.read(ledger().path)) == (before, kept)


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ("2001:DB8::1 5 2001:db8::80 22", "2001:db8::1"),
        ("fe80::1%eth0 5 fe80::2%eth0 22", ""),
        ("192.0.2.1 5 192.0.2.80 22", ""),
        ("", ""),
    ],
)
def test_other_end(monkeypatch, connection, expected):
    monkeypatch.setattr(run, "ssh_connection", lambda: connection)
    assert run.peer() == expected


@pytest.mark.parametrize("fails_at", ["eth1", "files"])
def test_giving_back_is_all_or_nothing(host, ledger, monkeypatch, fails_at):
    run.present(TWO, ledger(), False)
    before, kept = host.state(), files.read(ledger().path)
    if fails_at == "files":

        def broken(*_args):
            raise OSError("the disk broke")

        monkeypatch.setattr(run.persistent, "settle", broken)
    host.fails_at = fails_at
    with pytest.raises((RolloutError, OSError), match="broke"):
        run.absent(PARAMS, ledger(), False)
    assert (host.state(), files.read(ledger().path)) == (before, kept)


def test_the_gateway_moves(host, ledger):
    """The new route comes before the old one goes, and what was there before both comes back."""
    host.routes = [core.route_of("default via fe80::9 dev eth0 metric 1024")]
    before = host.state()
    eth0, eth1 = ({"name": name, "addresses": [f"2001:db8:{name[-1]}::80/64"]} for name in ("eth0", "eth1"))
    run.present(asked({**eth0, "gateway": "fe80::1"}), ledger(), False)
    with pytest.raises(RolloutError, match="gateway: an earlier run has set one on eth0"):
        run.present(asked({**eth1, "gateway": "fe80::2"}), ledger(), False)
    host.steps.clear()
    run.present(asked(eth0, {**eth1, "gateway": "fe80::2"}), ledger(), False)
    assert [step.value for step in host.steps if "route" in step.kind] == ["default via fe80::2 dev eth1 onlink"]
    assert not run.present(asked(eth0, {**eth1, "gateway": "fe80::2"}), ledger(), False)["changed"]
    run.absent(PARAMS, ledger(), False)
    assert host.state() == before


def test_a_gateway_of_an_interface_that_is_gone_does_not_count(host, ledger):
    known = ledger()
    known.notes["eth9"] = core.Record(routes=("default via fe80::1 dev eth9 onlink",)).dump()
    known.save()
    run.present(asked({"name": "eth0", "addresses": ["2001:db8::80/64"], "gateway": "fe80::2"}), ledger(), False)
    assert [route.gateway for route in host.routes] == ["fe80::2"]
    run.absent({**PARAMS, "name": "eth9"}, ledger(), False)
    assert list(ledger().notes) == ["eth0"]


@pytest.mark.parametrize("order", [1, -1])
def test_an_address_moves_in_any_order(host, ledger, order):
    shared, one, two = "2001:db8::80/64", "2001:db8::81/64", "2001:db8::82/64"
    first = [{"name": "eth0", "addresses": [one, shared], "gateway": "fe80::1"}, {"name": "eth1", "addresses": [two]}]
    run.present(asked(*first), ledger(), False)
    then = [{"name": "eth0", "addresses": [one], "gateway": "fe80::1"}, {"name": "eth1", "addresses": [two, shared]}]
    host.steps.clear()
    run.present(asked(*then[::order]), ledger(), False)
    assert [step.kind for step in host.steps if step.kind != "probe"] == ["add", "remove"]
    assert [address.with_length for address in host.addresses["eth1"]] == [two, shared]


def test_a_shared_file_stays_until_the_last_one_goes(host, ledger, monkeypatch, tmp_path):
    path = str(tmp_path / "interfaces")
    files.write(path, b"old", uid=os.getuid(), gid=os.getgid())
    own = host.wanted_files
    monkeypatch.setattr(run.persistent, "wanted_files", lambda *given: ({**own(*given)[0], path: b"new"}, []))
    run.present(asked({"name": "eth0", "addresses": ["2001:db8::80/64"], "gateway": "fe80::1"}), ledger(), False)
    run.present(
        {**asked({"name": "eth1", "addresses": ["2001:db8:1::80/64"]}), "allow": ["no_default_route"]}, ledger(), False
    )
    run.absent({**PARAMS, "name": "eth0"}, ledger(), False)
    assert files.read(path) == b"new"
    run.absent({**PARAMS, "name": "eth1"}, ledger(), False)
    assert files.read(path) == b"old"
    assert ledger().empty


def test_the_source_line_stays_while_a_file_needs_it(tmp_path):
    """An earlier run noted it for the first interface alone."""
    ledger = files.Ledger("x", str(tmp_path))
    main, other = run.persistent.INTERFACES, f"{run.persistent.INTERFACES}.d/60-ipv6-rollout-eth1"
    for path in (main, other):
        ledger.wrote(path, files.Saved(None, 0o644, 0, 0), b"")
    assert run.back.unneeded(ledger, {"eth1": {"files": [other]}}) == []
    assert run.back.unneeded(ledger, {}) == [main, other]


def test_a_stale_file_is_read_with_the_old_ledger(host, ledger, monkeypatch):
    """A back end looks up in the ledger what of a file is ours."""
    run.present(TWO, ledger(), False)
    stale = f"{host.own}-eth0"
    monkeypatch.setattr(
        run.persistent, "wanted_files", lambda wish, *_given: ({f"{host.own}-new-{wish.name}": b"x"}, [])
    )
    known = []

    def given_back(path, *_given):
        known.append(path in ledger().notes["eth0"]["files"] + ledger().notes["eth1"]["files"])

    monkeypatch.setattr(run.persistent, "given_back", given_back)
    run.present(TWO, ledger(), False)
    assert known
    assert all(known)
    assert files.read(stale) is None


def test_an_empty_gateway_is_none(host, ledger):
    params = asked({"name": "eth0", "addresses": ["2001:db8::80/64"], "gateway": ""})
    run.present({**params, "allow": ["no_default_route"]}, ledger(), False)
    assert host.routes == []


def test_the_route_of_an_earlier_run_goes(host, ledger):
    run.present(TWO, ledger(), False)
    with pytest.raises(RolloutError, match=r"gateway: .*that an earlier run has set \(default via fe80::1"):
        run.present(asked({"name": "eth0", "addresses": ["2001:db8::80/64"]}), ledger(), False)


def test_the_link_of_the_connection_stays_on(host, ledger, monkeypatch):
    """IPv6 was off before, so giving it back would cut off a connection to the link-local address."""
    run.present(TWO, ledger(), False)
    known = ledger()
    known.notes["eth0"]["sysctls"] = {"disable_ipv6": "1"}
    known.save()
    links = [{**link, "addr_info": [{"local": "fe80::80"}]} for link in target.links()]
    monkeypatch.setattr(target, "links", lambda: links)
    monkeypatch.setattr(run, "ssh_connection", lambda: "fe80::1%eth0 5 fe80::80%eth0 22")
    before = host.state()
    with pytest.raises(RolloutError, match=r"eth0.disable_ipv6: it was 1 before.*remove fe80::80"):
        run.absent(PARAMS, ledger(), False)
    assert host.state() == before


def test_a_file_that_cannot_be_put_back_holds_up_nothing(ledger, monkeypatch, tmp_path):
    paths = [str(tmp_path / name) for name in ("one", "two")]
    known = ledger()
    known.notes["eth0"] = {}
    known.save()
    kept = files.read(known.path)
    write = files.write

    def broken(path, *given, **more):
        if path == paths[0]:
            raise OSError("the disk broke")
        write(path, *given, **more)

    monkeypatch.setattr(files, "write", broken)
    known.notes["eth1"] = {}
    known.save()
    saved = files.Saved(b"old", 0o644, os.getuid(), os.getgid())
    run.back.put_back(known, kept, dict.fromkeys(paths, saved), {})
    assert [files.read(path) for path in paths] == [None, b"old"]
    assert files.read(known.path) == kept
