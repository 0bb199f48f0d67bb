# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS64 set up, changed, refused and taken back, on a host whose name server is this test's own."""

from __future__ import annotations

import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    dns64_apply,
    dns64_bind,
    dns64_values,
    files,
    sockets,
    unbound,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_dns64 import GOOD

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of root's can only be written by root")

OLD = "    interface: 192.0.2.1\n"
WANTED = ("2001:db8:1200::53", 53)


class Machine:
    """An unbound that reads its drop-in when it is started."""

    def __init__(self, path):
        self.path, self.pid, self.listening, self.done = path, 0, set(), []
        self.broken = self.deaf = False

    def run(self, argv, stdin="", timeout=30.0, folder=None):
        words = list(argv)
        if words[0] == "systemctl" and words[1] == "show":
            return commands.Result(0, f"{self.pid}\n", "")
        if words[0] == "systemctl" and words[1] in ("restart", "reload", "reload-or-restart", "stop"):
            self.done.append(words[1])
            self.pid = 0 if words[1] == "stop" else 7
            text = self.path.read_text() if self.path.exists() else OLD
            named = [line.split()[1] for line in text.splitlines() if line.strip().startswith("interface:")]
            if words[1] == "restart":
                self.listening = set() if self.deaf and self.path.exists() else {(host, 53) for host in named}
        if words[0] == "unbound-checkconf" and self.broken and len(words) == 2:
            return commands.Result(1, "", "error: no such luck")
        return commands.Result(0, "", "")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    folder = tmp_path / "unbound"
    (folder / "unbound.conf.d").mkdir(parents=True)
    (folder / "unbound.conf").write_text("")
    found = Machine(folder / "unbound.conf.d" / "own.conf")
    monkeypatch.setattr(unbound, "FOLDER", str(folder))
    monkeypatch.setattr(unbound, "DROP_IN", str(found.path))
    ledger = files.Ledger
    monkeypatch.setattr(files, "Ledger", lambda name: ledger(name, str(tmp_path / "state")))
    monkeypatch.setattr(dns64_apply, "_link", lambda unit: str(tmp_path / "wants" / unit))
    monkeypatch.setattr(commands, "run", found.run)
    monkeypatch.setattr(commands, "check", found.run)
    monkeypatch.setattr(commands, "found", lambda name: f"/sbin/{name}")
    monkeypatch.setattr(sockets, "is_local", lambda host: True)
    monkeypatch.setattr(sockets, "taken", lambda wanted, pid: [])
    monkeypatch.setattr(sockets, "listening", lambda pid: found.listening)
    monkeypatch.setattr(sockets, "wait", lambda reached, seconds: reached())
    return found


def present(really=True, **change):
    return dns64_apply.present(dns64_values.wanted({**GOOD, **change}), really)


@pytest.mark.parametrize("running", [True, False])
def test_set_up_once_and_taken_back(machine, tmp_path, running):
    machine.pid, machine.listening = (7, {("192.0.2.1", 53)}) if running else (0, set())
    before = set(tmp_path.rglob("*"))
    assert present(really=False).changed and set(tmp_path.rglob("*")) == before
    told = present()
    assert told.restarted and WANTED in machine.listening
    assert not present().changed
    assert dns64_apply.absent(really=False).changed and machine.path.exists()
    assert dns64_apply.absent(really=True).changed
    assert not dns64_apply.absent(really=True).changed
    assert bool(machine.pid) == running
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {path for path in before if path.is_file()}


def test_what_needs_no_socket_is_a_reload(machine):
    present()
    machine.done.clear()
    told = present(log_queries=True)
    assert told.reloaded and machine.done == ["reload"]


def test_a_server_that_does_not_listen_gets_its_old_files_back(machine, tmp_path):
    machine.pid, machine.listening = 7, {("192.0.2.1", 53)}
    machine.deaf = True
    with pytest.raises(RolloutError, match=r"not listening on .*all is as it was before"):
        present()
    assert machine.listening == {("192.0.2.1", 53)} and not machine.path.exists()
    assert not (tmp_path / "state").exists()


def test_a_configuration_that_is_refused_is_never_live(machine):
    machine.broken = True
    with pytest.raises(RolloutError, match="refuses"):
        present()
    assert not machine.path.exists() and machine.done == []


def test_another_program_is_named(machine, monkeypatch):
    monkeypatch.setattr(sockets, "taken", lambda wanted, pid: [f"{host} is held by named" for host, _p in wanted])
    with pytest.raises(RolloutError, match="held by named: two name servers"):
        present()


def test_an_address_that_is_not_here_is_named(machine, monkeypatch):
    monkeypatch.setattr(sockets, "is_local", lambda host: host == "::1")
    with pytest.raises(RolloutError, match="2001:db8:1200::53: not on this host now"):
        present()


def test_a_second_server_is_refused(machine):
    present()
    with pytest.raises(RolloutError, match="has a DNS64 in unbound"):
        present(server="bind")


def test_what_an_administrator_has_added_to_binds_files_stays(machine, monkeypatch, tmp_path):
    options, local = tmp_path / "named.conf.options", tmp_path / "named.conf.local"
    monkeypatch.setattr(dns64_bind, "OPTIONS", str(options))
    monkeypatch.setattr(dns64_bind, "LOCAL", str(local))
    ledger = files.Ledger("dns64")
    for path, text, change in (
        (options, "options { };\n", dns64_bind.with_options),
        (local, "", dns64_bind.with_zones),
    ):
        path.write_text(text)
        ledger.wrote(str(path), files.look(str(path)), change(text).encode())
        path.write_text(change(text))
    ledger.notes = {"server": "bind", "unit": "named.service", "enabled": True, "active": True, "folders": []}
    ledger.notes["files"] = [str(options), str(local)]
    ledger.save()
    local.write_text(local.read_text() + 'zone "example.org" { };\n')
    told = dns64_apply.absent(really=False)
    assert told.warnings == [f"{local} was edited since; only the line that takes in ours goes out of it"]
    assert told.diff[1]["after"] == 'zone "example.org" { };\n' != local.read_text()
    assert dns64_apply.absent(really=True).diff == told.diff
    assert (options.read_text(), local.read_text()) == ("options { };\n", 'zone "example.org" { };\n')
    # Not just "reload": it may have been stopped since.
    assert machine.done == ["reload-or-restart"] and not dns64_apply.absent(really=True).changed


def test_a_package_that_is_missing_is_told(machine, monkeypatch):
    monkeypatch.setattr(commands, "found", lambda name: None)
    assert present().needs_packages == ["unbound"] and not machine.path.exists()
