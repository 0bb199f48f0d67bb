# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy set up, changed and taken back, on a host whose systemd and HAProxy are this test's own."""

from __future__ import annotations

import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, haproxy, sockets, v4_proxy
from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_values as values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

WWW = {"address": "2001:db8:1200::80", "names": ["www.example.com"], "ports": [80, 443], "forward": 22001}
PORTS = (80, 443, 22001)


class Machine:
    """What systemd, HAProxy and the kernel do, as far as a proxy needs it."""

    def __init__(self, root):
        self.root = root
        self.done = []
        self.pid = 0
        self.config = ""
        self.map = {}
        self.sockets = set()
        self.refused = ""
        self.cannot = ()  # ports that can't be bound
        self.deaf = False
        self.installed = True
        self.replaced = False

    def run(self, argv, stdin="", timeout=30.0, folder=None):
        words = [word for word in argv if word != "--quiet"]
        if words[0] == "haproxy":
            with open(words[-1], encoding="utf-8") as stream:
                assert f"map_str({os.path.dirname(words[-1])}/map)" in stream.read()
            return commands.Result(1 if self.refused else 0, "", f"[ALERT]    (7) : {self.refused}\n")
        if words[0] == "journalctl":
            return commands.Result(0, f"[ALERT] cannot bind {self.cannot[0]}\n" if self.cannot else "", "")
        assert words[0] == "systemctl", words
        if words[1] == "is-active":
            return commands.Result(0 if self.pid else 3, "", "")
        self.done.append(words[1])
        return self.change(words[1])

    def change(self, word):
        if word == "enable":
            os.makedirs(os.path.dirname(v4_proxy.LINK), exist_ok=True)
            os.symlink(texts.UNIT_PATH, v4_proxy.LINK)
        elif word == "disable":
            os.unlink(v4_proxy.LINK)
            self.pid = 0
        elif word == "stop":
            self.pid = 0
        elif word in ("start", "restart", "reload"):
            with open(texts.CONFIG, encoding="utf-8") as stream:
                text = stream.read()
            ports = {
                (
                    line.split("@")[1].split(" ")[0].rpartition(":")[0].strip("[]"),
                    int(line.split()[1].rpartition(":")[2]),
                )
                for line in text.splitlines()
                if line.startswith("    bind ")
            }
            if any(port in self.cannot for _host, port in ports):
                if word != "reload":
                    self.pid = 0
                return commands.Result(0 if word == "reload" else 1, "", "Job failed.")
            with open(texts.MAP, encoding="utf-8") as stream:
                self.map = texts.read_map(stream.read())
            self.config, self.sockets, self.replaced = texts.description(text), ports, False
            self.pid += 1
        return commands.Result(0, "", "")

    def running(self, path):
        return haproxy.Running(self.pid, self.config, self.replaced) if self.pid else None

    def replace_map(self, path, name, entries):
        self.done.append("map")
        if not self.deaf:
            self.map = dict(entries)

    def everything(self):
        """All files of the host, with their modes."""
        found = {}
        for folder, _folders, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                content = os.readlink(path) if os.path.islink(path) else files.read(path)
                found[path] = (content, os.lstat(path).st_mode)
        return found


@pytest.fixture
def machine(tmp_path, monkeypatch):
    made = Machine(str(tmp_path))
    for name in ("UNIT_PATH", "CONFIG", "MAP"):
        monkeypatch.setattr(texts, name, f"{tmp_path}{getattr(texts, name)}")
    monkeypatch.setattr(v4_proxy, "FILES", (texts.UNIT_PATH, texts.CONFIG, texts.MAP))
    monkeypatch.setattr(v4_proxy, "LINK", f"{tmp_path}{v4_proxy.LINK}")
    monkeypatch.setattr(v4_proxy, "WAIT", 0.2)
    monkeypatch.setattr(v4_proxy, "open_files", lambda: None)
    ledger = files.Ledger
    monkeypatch.setattr(files, "Ledger", lambda name: ledger(name, f"{tmp_path}/state"))
    monkeypatch.setattr(commands, "run", made.run)
    monkeypatch.setattr(commands, "found", lambda name: f"/usr/sbin/{name}" if made.installed else None)
    monkeypatch.setattr(haproxy, "running", made.running)
    monkeypatch.setattr(haproxy, "read_map", lambda path, name: made.map)
    monkeypatch.setattr(haproxy, "replace_map", made.replace_map)
    monkeypatch.setattr(sockets, "listening", lambda pid: made.sockets if pid == made.pid else set())
    monkeypatch.setattr(sockets, "taken", lambda wanted, pid: [])
    monkeypatch.setattr(sockets, "is_local", lambda text: text == "192.0.2.10")
    return made


def wish(www=(), **other):
    hosts = {"www1": {**WWW, **dict(www)}}
    base = {"addresses": ["192.0.2.10"], "hosts": hosts, "check": False, "maxconn": 99, "idle": 60, "forward_idle": 60}
    return values.wish({**base, **other})


def change(machine, wanted, really=True):
    machine.done.clear()
    return v4_proxy.present(wanted, really)


def test_set_up_once_and_given_back_whole(machine):
    before = machine.everything()
    told = change(machine, wish())
    assert (told.changed, told.how, told.names) == (True, "start", 2)
    assert told.listening == [f"192.0.2.10:{port}" for port in PORTS]
    assert machine.done == ["daemon-reload", "enable", "reset-failed", "start"]
    assert machine.sockets == {("192.0.2.10", port) for port in PORTS}
    again = change(machine, wish())
    assert (again.changed, again.how, again.diff, machine.done) == (False, "none", [], [])
    gone = v4_proxy.absent(really=True)
    assert gone.changed
    assert machine.everything() == before
    assert machine.pid == 0
    assert not v4_proxy.absent(really=True).changed


def test_what_was_there_under_the_same_name_comes_back(machine):
    files.write(texts.CONFIG, b"# mine\n", 0o640)
    before = machine.everything()
    change(machine, wish())
    change(machine, wish({"names": ["other.example.com"]}))
    v4_proxy.absent(really=True)
    assert machine.everything() == before


def test_a_check_run_tells_the_same_and_touches_nothing(machine):
    for wanted in (wish(), wish({"names": ["a.example.com"]}), wish({"ports": [80]}), wish(idle=99)):
        before, pid = machine.everything(), machine.pid
        told = change(machine, wanted, really=False)
        assert (machine.everything(), machine.pid, machine.done) == (before, pid, [])
        done = change(machine, wanted)
        assert vars(told) == vars(done)
    assert v4_proxy.absent(really=False).changed
    assert machine.pid


def test_without_the_package(machine):
    machine.installed = False
    before = machine.everything()
    for really in (True, False):
        told = change(machine, wish(), really)
        assert (told.changed, told.needs_package, machine.everything()) == (True, "haproxy", before)
        assert len(told.diff) == 4
    assert "could not be tried out" in told.warnings[0]


@pytest.mark.parametrize(
    ("www", "other", "how"),
    [
        ({"names": ["www.example.com", "more.example.com"]}, {}, "map"),
        ({"names": ["other.example.com"]}, {}, "map"),
        ({"ports": [80, 443, 993]}, {}, "reload"),
        ({"address": "2001:db8:1200::81"}, {}, "reload"),
        ({"forward": 22002}, {}, "reload"),
        ({}, {"idle": 61}, "reload"),
        ({}, {"addresses": ["0.0.0.0", "::"]}, "reload"),
    ],
)
def test_no_more_is_done_than_has_to_be(machine, www, other, how):
    change(machine, wish())
    pid = machine.pid
    told = change(machine, wish(www, **other))
    assert (told.changed, told.how) == (True, how)
    said = {"map": "map replaced in memory", "reload": "reloaded"}[how]
    assert [(part["before"], part["after"]) for part in told.diff][-1] == (
        "enabled, active\n",
        f"enabled, active\n{said}\n",
    )
    assert machine.map == texts.entries(wish(www, **other))
    assert machine.pid == (pid if how == "map" else pid + 1)
    assert not change(machine, wish(www, **other)).changed


@pytest.mark.parametrize(
    ("spoil", "how"),
    [
        (lambda machine: machine.map.update({"80/evil.example": "none/www1"}), "map"),
        (lambda machine: machine.map.clear(), "map"),
        (lambda machine: machine.sockets.pop(), "reload"),
        (lambda machine: setattr(machine, "config", "v4-proxy-older"), "reload"),
        (lambda machine: setattr(machine, "replaced", True), "reload"),
        (lambda machine: setattr(machine, "pid", 0), "start"),
        (lambda machine: os.unlink(v4_proxy.LINK), "none"),
        (lambda machine: files.write(texts.UNIT_PATH, b"[Unit]\n"), "restart"),
        (lambda machine: files.write(texts.MAP, b""), "none"),
        (lambda machine: files.write(texts.CONFIG, b"# edited\n"), "none"),
    ],
)
def test_what_is_not_as_it_should_be_is_put_right(machine, spoil, how):
    change(machine, wish())
    healthy = machine.everything(), dict(machine.map), set(machine.sockets)
    spoil(machine)
    told = change(machine, wish())
    assert (told.changed, told.how) == (True, how)
    assert (machine.everything(), machine.map, machine.sockets) == healthy
    assert os.path.lexists(v4_proxy.LINK)
    assert not change(machine, wish()).changed


def test_where_it_does_not_start_nothing_is_left(machine):
    before = machine.everything()
    machine.cannot = (443,)
    with pytest.raises(RolloutError, match=r"cannot bind 443; all is as it was before"):
        change(machine, wish())
    assert (machine.everything(), machine.pid) == (before, 0)


def test_where_a_reload_fails_the_old_files_run_on(machine):
    change(machine, wish())
    before, old = machine.everything(), set(machine.sockets)
    machine.cannot = (993,)
    with pytest.raises(RolloutError, match=r"cannot bind 993; the files are as they were, and HAProxy runs with them"):
        change(machine, wish({"ports": [80, 443, 993]}))
    assert (machine.everything(), machine.sockets) == (before, old)
    assert not change(machine, wish()).changed


def test_a_map_that_is_not_taken_is_an_error_and_taken_back(machine):
    change(machine, wish())
    before = machine.everything()
    machine.deaf = True
    with pytest.raises(RolloutError, match="HAProxy has other names in memory than there are in the file"):
        change(machine, wish({"names": ["other.example.com"]}))
    assert machine.everything() == before
    assert machine.map == texts.entries(wish())


@pytest.mark.parametrize("really", [True, False])
def test_what_is_refused_before_anything_is_touched(machine, monkeypatch, really):
    change(machine, wish())
    before = machine.everything()
    machine.refused = "parsing [map:1]: no luck"
    with pytest.raises(
        RolloutError, match=r"HAProxy refuses the configuration, nothing was changed: parsing \[map:1\]"
    ):
        change(machine, wish({"names": ["other.example.com"]}), really)
    machine.refused = ""
    monkeypatch.setattr(
        sockets, "taken", lambda wanted, pid: [f"0.0.0.0:{port} is held by apache2" for _h, port in wanted]
    )
    with pytest.raises(RolloutError, match=r"nothing was changed: 0.0.0.0:993 is held by apache2; stop that first"):
        change(machine, wish({"ports": [80, 443, 993]}), really)
    monkeypatch.setattr(sockets, "taken", lambda wanted, pid: [])
    monkeypatch.setattr(sockets, "is_local", lambda text: True)
    with pytest.raises(RolloutError, match=r"hosts: www1: \[2001:db8:1200::80\]:80 is the proxy itself"):
        change(machine, wish(addresses=["::"]), really)
    assert machine.everything() == before
    assert machine.done == []


@pytest.mark.parametrize(
    ("limit", "check", "maxconn"),
    [(None, False, 2000), (524288, False, 2000), (4096, False, 1896), (4096, True, 1895), (4303, False, 2000)],
)
def test_no_more_connections_than_open_files(machine, monkeypatch, limit, check, maxconn):
    monkeypatch.setattr(v4_proxy, "open_files", lambda: limit)
    told = change(machine, wish(maxconn=2000, check=check))
    assert f"    maxconn {maxconn}\n".encode() in files.read(texts.CONFIG)
    assert told.warnings == (
        [f"maxconn: 4096 open files are allowed here, so it is {maxconn}"] if limit == 4096 else []
    )
    monkeypatch.setattr(v4_proxy, "open_files", lambda: 320)
    with pytest.raises(RolloutError, match="a process of this host may have 320 open files"):
        change(machine, wish(maxconn=2000))


def test_who_limits_open_files(monkeypatch):
    limits = b"Limit          Soft Limit  Hard Limit  Units\nMax open files 1024        4096        files\n"
    files_of = {"/proc/1/limits": limits, "/proc/1/status": b"Name:\tsystemd\nCapEff:\t00000000a82c35fb\n"}
    monkeypatch.setattr(files, "read", files_of.get)
    assert v4_proxy.open_files() == 4096
    files_of["/proc/1/status"] = b"CapEff:\t000001ffffffffff\n"
    assert v4_proxy.open_files() is None
    files_of.clear()
    assert v4_proxy.open_files() is None


def test_an_address_that_is_not_there_yet(machine):
    told = change(machine, wish(addresses=["192.0.2.11"]), really=False)
    assert "192.0.2.11: not on this host now" in told.warnings[0]
    with pytest.raises(
        RolloutError, match=r"192.0.2.11: not on this host now, or its DAD is not over; HAProxy would not"
    ):
        change(machine, wish(addresses=["192.0.2.11"]))
    assert machine.done == []
