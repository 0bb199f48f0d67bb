# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dovecot's configuration as 2.3 and 2.4 tell it, and the ports for proxies."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import dovecot_config
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
    assert told.complete
    assert told.expected({143, 993, 25}) == {("0.0.0.0", 993), ("::", 993)}


def test_read_of_2_4():
    told = dovecot_config.read(NEW)
    assert told.listen == ["0.0.0.0", "::"]
    assert told.protocols == ["imap"]
    assert not told.complete
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
        ({"ports": {"imaps": 10993}, "proxies": ["2001:db8::1%x\nssl = no\n#"]}, "has a zone"),
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
