# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with Dovecot's configuration: against a small Dovecot of this test's own."""

from __future__ import annotations

import functools
import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    daemon_listen,
    dovecot,
    dovecot_config,
    files,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

BASE = """\
base_dir = /run/dovecot
haproxy_trusted_networks = 192.0.2.5
protocols = imap pop3
ssl = required
listen = *, ::
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = 143
  }
  inet_listener imaps {
    port = 993
  }
}
service pop3-login {
  inet_listener pop3 {
    port = 110
  }
}
"""
PROXY = {"ports": {"imaps": 10993}, "proxies": ["2001:db8::5"]}


class Host:
    """A host with a Dovecot: its configuration, what it listens on, and what was done to it."""

    def __init__(self, folder):
        self.directory = str(folder / "dovecot")
        os.makedirs(f"{self.directory}/conf.d")
        self.done = []
        self.deaf = ()
        self.write("dovecot.conf", "!include conf.d/*.conf\n!include_try local.conf\n")
        self.listening = self.expected()

    def write(self, name, text):
        files.write(f"{self.directory}/{name}", text.encode())

    def conf(self, path):
        """Read a configuration as Dovecot does: of each setting the last value."""
        folder = os.path.dirname(path)
        main = (files.read(path) or b"").decode()
        names = sorted(os.listdir(f"{folder}/conf.d")) if "conf.d/*.conf" in main else []
        text = "".join((files.read(f"{folder}/conf.d/{name}") or b"").decode() for name in names)
        text += (files.read(f"{folder}/local.conf") or b"").decode()
        if "bogus" in text:
            return commands.Result(
                89, "", "doveconf: Fatal: Error in configuration file x line 1: Unknown setting: bogus"
            )
        return commands.Result(0, BASE + text, "")

    def expected(self):
        told = dovecot_config.read(self.conf(f"{self.directory}/dovecot.conf").out)
        return told.expected({993, 110, 10993, 10995}) | {("127.0.0.1", 143)}

    def act(self, what):
        self.done.append(what)
        if what not in self.deaf:
            self.listening = self.expected()

    @property
    def ours(self):
        return files.read(f"{self.directory}/{dovecot.DROP_IN}")

    def present(self, mode="both", addresses=(), trusted=(), proxied=None, really=True):
        return dovecot.present(mode, addresses, trusted, proxied, really, self.directory)

    def absent(self, really=True):
        return dovecot.absent(really, self.directory)


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr(files, "Ledger", functools.partial(files.Ledger, folder=f"{tmp_path}/state"))
    monkeypatch.setattr(dovecot, "BOOT", str(tmp_path / "dovecot.service.d" / "ours.conf"))
    monkeypatch.setattr(dovecot, "WAIT", 0.05)
    monkeypatch.setattr(dovecot.daemon_change, "check_root", lambda: None)
    monkeypatch.setattr(commands, "found", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(
        commands,
        "run",
        lambda argv, **_more: host.conf(argv[2]) if argv[0] == "doveconf" else commands.Result(1, "", ""),
    )
    monkeypatch.setattr(daemon_listen.sockets, "is_local", lambda address: address != "2001:db8::99")
    monkeypatch.setattr(dovecot.sockets, "taken", lambda wanted, pid: [])
    monkeypatch.setattr(dovecot.Server, "pid", 4711)
    monkeypatch.setattr(dovecot.Server, "listening", lambda server: set(host.listening))
    monkeypatch.setattr(dovecot.Server, "reload", lambda server: host.act("reload"))
    monkeypatch.setattr(dovecot.Server, "restart", lambda server: host.act("restart"))
    return host


@pytest.mark.parametrize(
    ("call", "done"),
    [
        ({"mode": "both"}, []),
        ({"mode": "ipv4"}, ["reload"]),
        ({"mode": "ipv6"}, ["reload"]),
        ({"mode": "addresses", "addresses": ["192.0.2.1", "2001:db8::1"]}, ["restart"]),
        ({"proxied": PROXY}, ["reload"]),
        ({"mode": "ipv6", "proxied": PROXY}, ["reload"]),
        ({"trusted": ["192.0.2.0/24"]}, ["reload"]),
    ],
)
def test_modes_and_back(host, call, done):
    before = set(host.listening)
    predicted = host.present(**call, really=False)
    assert (host.ours, host.done) == (None, [])
    outcome = host.present(**call)
    assert host.done == done
    assert outcome.changed is predicted.changed is bool(done)
    assert outcome.listening == predicted.listening
    assert outcome.files == predicted.files
    assert "127.0.0.1:143" in outcome.listening
    assert os.path.exists(dovecot.BOOT) is (call.get("mode") == "addresses")
    assert host.present(**call).changed is False
    told = host.absent(really=False)
    back = host.absent()
    assert host.done == done * 2
    assert back.listening == told.listening
    assert host.ours is None
    assert not os.path.exists(dovecot.BOOT)
    assert host.listening == before
    assert host.absent().changed is False


def test_only_what_differs_is_said(host):
    host.write("conf.d/10-x.conf", "listen = ::\nhaproxy_trusted_networks = 2001:db8::5/128\n")
    host.act("start")
    assert host.present("ipv6").changed is False
    host.present("ipv6", proxied=PROXY)
    assert "listen =" not in host.ours.decode()
    assert "haproxy_trusted_networks" not in host.ours.decode()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("local.conf", "# x\nlisten = *\n", r"local\.conf line 2: listen = \* comes after"),
        ("conf.d/99-zz.conf", "listen = *\n", r"99-zz\.conf line 1: listen = \* comes after"),
        ("dovecot.conf", "!include_try local.conf\n", r"dovecot\.conf does not read .*99-ipv6-rollout\.conf"),
        ("local.conf", "bogus = yes\n", r"that is there now: .* Unknown setting: bogus; mend it first"),
    ],
)
def test_what_stands_in_the_way_is_named(host, name, text, reason):
    host.write(name, text)
    with pytest.raises(RolloutError, match=reason):
        host.present("ipv6")
    assert (host.ours, host.done) == (None, [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ssl = no\n", "ssl = no"),
        ("haproxy_trusted_networks = 192.0.2.5 0.0.0.0/0\n", "to 0.0.0.0/0, so that everybody could"),
        ("protocols = pop3\n", "install dovecot-imapd"),
        ("service x {\n  inet_listener mine {\n    port = 10993\n  }\n}\n", "10993 belongs to the listener mine"),
    ],
)
def test_a_proxy_is_refused_where_it_can_not_be_served(host, text, reason):
    host.write("conf.d/10-x.conf", text)
    with pytest.raises(RolloutError, match=reason):
        host.present(proxied=PROXY)
    assert (host.ours, host.done) == (None, [])


def test_where_a_reload_does_not_do_it_a_restart_does(host):
    host.deaf = ("reload",)
    done = host.present("ipv6")
    assert host.done == ["reload", "restart"]
    assert (done.reloaded, done.restarted) == (False, True)


def test_where_nothing_does_it_the_files_come_back(host):
    host.deaf = ("reload", "restart")
    with pytest.raises(RolloutError, match="the files are as they were, and Dovecot listens as before"):
        host.present("ipv6")
    assert host.ours is None
    assert host.absent().changed is False


def test_a_dovecot_behind_its_files_is_put_right(host):
    host.present("ipv6")
    host.listening = {("0.0.0.0", 993), ("::", 993), ("::", 110)}
    done = host.present("ipv6")
    assert (done.changed, done.files) == (True, {})
    assert host.done == ["reload", "reload"]


def test_the_ports_of_a_deleted_drop_in_are_closed(host):
    before = set(host.listening)
    host.present(proxied=PROXY)
    assert ("::", 10993) in host.listening
    files.remove(f"{host.directory}/{dovecot.DROP_IN}")
    told = host.absent(really=False)
    done = host.absent()
    assert done.changed is told.changed is True
    assert done.listening == told.listening
    assert host.listening == before
    assert host.absent().changed is False


def test_a_listener_of_its_own_beside_ours_is_left_alone(host):
    host.write(
        "conf.d/10-x.conf",
        "service imap-login {\n  inet_listener lo {\n    address = 127.0.0.1\n    port = 993\n  }\n}\n",
    )
    host.listening = {("192.0.2.1", 110), ("192.0.2.1", 993), ("127.0.0.1", 993), ("127.0.0.1", 143)}
    host.write("conf.d/11-x.conf", "listen = 192.0.2.1\n")
    assert host.present("addresses", ["192.0.2.1"]).reloaded is False
    assert host.done == []


def test_an_interrupted_run_is_finished(host, monkeypatch):
    def ended(*_anything):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dovecot, "_go_live", ended)
        with pytest.raises(KeyboardInterrupt):
            host.present(trusted=["192.0.2.0/24"])
    assert host.done == []
    assert host.present(trusted=["192.0.2.0/24"], really=False).reloaded
    assert host.present(trusted=["192.0.2.0/24"]).changed
    assert host.done == ["reload"]
    assert host.present(trusted=["192.0.2.0/24"]).changed is False


def test_who_else_may_speak_for_clients_is_told(host):
    host.write("conf.d/10-x.conf", "haproxy_trusted_networks = 2001:db8::5 192.0.2.0/24\n")
    assert host.present().warnings == []
    (warning,) = host.present(proxied=PROXY).warnings
    assert "other files trust 192.0.2.0/24 too" in warning


def test_a_name_comes_back_by_a_restart(host):
    host.write("conf.d/10-x.conf", "listen = mail.example.com, ::\n")
    host.present("both")
    host.absent()
    assert host.done == ["reload", "restart"]
    assert host.ours is None


def test_a_missing_address_is_refused(host):
    with pytest.raises(RolloutError, match="2001:db8::99: not on this host"):
        host.present("addresses", ["2001:db8::99"])
    assert host.ours is None


def test_before_the_package_is_there(host, monkeypatch):
    monkeypatch.setattr(commands, "found", lambda program: None)
    assert host.present(really=False).changed is False
    told = host.present("ipv6", really=False)
    assert told.needs_package == "dovecot-imapd"
    assert b"listen = ::\n" in told.files[f"{host.directory}/{dovecot.DROP_IN}"][1]
    with pytest.raises(RolloutError, match="install dovecot-imapd"):
        host.present("ipv6")
    assert host.absent().changed is False
