# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dovecot's configuration as 2.3 and 2.4 tell it, and what is done with it: against a small Dovecot of this test's."""

from __future__ import annotations

import functools
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    daemon_listen,
    dovecot,
    dovecot_config,
    files,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
OLD = """\
# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf
base_dir = /var/run/dovecot
haproxy_trusted_networks = 192.0.2.5
listen = *, ::
login_trusted_networks = 
protocols = " imap pop3"
ssl = required
mailbox "Sent Messages" {
  auto = no
}
service imap-login {
  executable = imap-login
  inet_listener imap {
    address = 127.0.0.1
    haproxy = no
    port = 143
  }
  inet_listener imaps {
    address = 
    port = 993
    ssl = yes
  }
  protocol = imap
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
"""  # noqa: W291
NEW = """\
# 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf
base_dir = /run/dovecot
listen = 
notify_status_value = {"messages":%{messages},"unseen":%{unseen}}
protocols {
  imap = yes
  lmtp = no
}
ssl = yes
service imap-login {
  inet_listener imap {
  }
  inet_listener imaps {
    listen = 2001:db8::1 192.0.2.1
  }
  inet_listener other {
  }
}

listen = * ::
"""  # noqa: W291


def test_read_of_2_3():
    told = dovecot_config.read(OLD)
    assert told.listen == ["0.0.0.0", "::"]
    assert told.haproxy_trusted_networks == ["192.0.2.5"]
    assert told.login_trusted_networks == []
    assert told.protocols == ["imap", "pop3"]
    assert (told.ssl, told.base_dir) == ("required", "/var/run/dovecot")
    assert told.listeners == [
        ("imap-login", "imap", 143, ["127.0.0.1"]),
        ("imap-login", "imaps", 993, []),
    ]
    assert told.expected({143, 993, 25}) == {("0.0.0.0", 993), ("::", 993)}


def test_read_of_2_4():
    told = dovecot_config.read(NEW)
    assert told.listen == ["0.0.0.0", "::"]
    assert told.protocols == ["imap"]
    assert told.listeners == [
        ("imap-login", "imap", 143, []),
        ("imap-login", "imaps", 993, ["2001:db8::1", "192.0.2.1"]),
    ]
    assert told.expected({143, 993}) == {("0.0.0.0", 143), ("::", 143)}


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        ({"ports": {"imaps": 10993}}, "proxies: it is empty"),
        ({"proxies": ["2001:db8::1"]}, "ports: it is empty"),
        ({"ports": {"smtp": 10025}, "proxies": ["2001:db8::1"]}, "'smtp' is not known"),
        ({"ports": {"imaps": 993}, "proxies": ["2001:db8::1"]}, "993 is in use"),
        ({"ports": {"imaps": 1, "pop3s": 1}, "proxies": ["2001:db8::1"]}, "pop3s: 1 is in use"),
        ({"ports": {"imaps": 0}, "proxies": ["2001:db8::1"]}, "0 is no port"),
        ({"ports": {"imaps": "x"}, "proxies": ["2001:db8::1"]}, "'x' is no port"),
        ({"ports": {"imaps": 65536}, "proxies": ["2001:db8::1"]}, "65536 is no port"),
        ({"ports": {"imaps": None}, "proxies": ["2001:db8::1"]}, "None is no port"),
        ({"ports": {"imaps": 10993}, "proxies": ["::/0"]}, "is everybody"),
        ({"ports": {"imaps": 10993}, "proxies": ["2001:db8::1/64"]}, "has host bits"),
        ({"ports": {"imaps": 10993}, "proxies": ["x\n}"]}, "is no prefix"),
        ({"ports": {"imaps": 10993}, "proxies": [5]}, "not text"),
    ],
)
def test_proxy_refused(given_, reason):
    with pytest.raises(RolloutError, match=reason) as error:
        dovecot_config.proxy(given_)
    assert "\n" not in str(error.value)


VALUES = st.one_of(st.none(), st.integers(), st.text(), st.booleans(), st.lists(st.text(max_size=5), max_size=2))


@settings(max_examples=EXAMPLES)
@given(st.dictionaries(st.sampled_from(["imaps", "pop3s", "x"]), VALUES), st.lists(VALUES, max_size=3))
def test_proxy_takes_or_refuses_anything(ports, proxies):
    try:
        found = dovecot_config.proxy({"ports": ports, "proxies": proxies})
    except RolloutError:
        return
    assert all(0 < port < 65536 for port in found.ports.values())
    assert bool(found.ports) == bool(found.proxies)


def test_proxy_taken():
    wanted = dovecot_config.proxy(
        {"ports": {"pop3s": "10995", "imaps": 10993}, "proxies": ["2001:db8::1", "192.0.2.0/24"]}
    )
    assert wanted == ({"imaps": 10993, "pop3s": 10995}, ["2001:db8::1/128", "192.0.2.0/24"])
    assert dovecot_config.proxy({}) == dovecot_config.proxy(None) == ({}, [])


def test_the_text_says_what_it_should_to_itself():
    base = dovecot_config.read(OLD)
    wanted = dovecot_config.proxy({"ports": {"imaps": 10993}, "proxies": ["2001:db8::1", "192.0.2.0/24"]})
    text = dovecot_config.text(base, ["192.0.2.1", "2001:db8::2"], ["198.51.100.0/24"], wanted)
    told = dovecot_config.read(text)
    assert told.listen == ["192.0.2.1", "2001:db8::2"]
    assert told.login_trusted_networks == ["198.51.100.0/24"]
    assert told.haproxy_trusted_networks == ["192.0.2.5", "2001:db8::1/128", "192.0.2.0/24"]
    assert told.listeners == [("imap-login", "imaps_proxy", 10993, [])]
    assert dovecot_config.text(base, ["::", "0.0.0.0"], [], dovecot_config.proxy({})) == ""


def test_the_lines_that_come_later_are_named():
    text = "# listen = x\nlisten = *  # y\nservice a {\n  listen = 1\n}\nlisten=::\n"
    assert dovecot_config.later("listen", [("/a", text)]) == ["/a line 2: listen = *", "/a line 6: listen=::"]


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
        builtin = "service pop3-login {\n  inet_listener pop3 {\n    port = 110\n  }\n}\nprotocols = imap pop3\n"
        builtin += "listen = *, ::\n"
        return commands.Result(0, OLD.replace("listen = *, ::\n", "") + builtin + text, "")

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


PROXY = {"ports": {"imaps": 10993}, "proxies": ["2001:db8::5"]}


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
