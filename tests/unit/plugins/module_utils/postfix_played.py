# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Postfix that is only played, for the tests of the module postfix."""

from __future__ import annotations

import functools
import os

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    mail_tables,
    main_cf,
    master_cf,
    postfix,
    postfix_server,
    sockets,
)

MAIN = """\
# ours
myhostname = mail1.example.com
inet_protocols = ipv4
"""
MASTER = """\
smtp      inet  n       -       y       -       -       smtpd
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
retry     unix  -       -       y       -       -       error
"""
DEFAULTS = {
    "inet_protocols": "all",
    "inet_interfaces": "all",
    "smtp_helo_name": "",
    "smtp_connect_timeout": "30s",
    "smtp_bind_address6": "",
    "smtp_bind_address_enforce": "no",
    "smtp_address_preference": "any",
    "relayhost": "",
    "queue_directory": "/var/spool/postfix",
    "mynetworks_style": "host",
    "mynetworks": "",
    "smtpd_client_restrictions": "",
}
ADDRESS = "2001:db8::25"
GOOD = {"names": ["mail1.example.com"], "why": [], "unknown": []}


class Played:
    """Postfix as far as the module can tell."""

    def __init__(self, directory):
        self.directory = directory
        self.said = []
        self.there = self.running = True
        self.refuses = self.fails = None
        self.sockets = {("0.0.0.0", 25)}

    def main(self, directory):
        """Return the effective parameters."""
        found = {**DEFAULTS, **main_cf.values((files.read(f"{directory}/main.cf") or b"").decode())}
        return {**found, "smtp_helo_name": found["smtp_helo_name"] or found["myhostname"]}

    def run(self, argv, *_given):
        """Play postconf and postmap."""
        argv = list(argv)
        directory = argv[2] if "-c" in argv else self.directory
        values = self.main(directory)
        if argv[0] == "postmap":
            kind, _colon, path = argv[-1].partition(":")
            text = files.read(path)
            if b"broken" in text:
                return commands.Result(0, "", f"postmap: warning: {path}, line 2: broken\n")
            if "-q" not in argv:
                files.write(f"{path}{mail_tables.INDEX[kind]}", b"index of " + text)
            return commands.Result(0, "", "")
        if argv[0] != "postconf":
            return commands.Result(1, "", "")
        if "-m" in argv:
            return commands.Result(0, "btree\ncidr\nhash\ntexthash\n", "")
        if "-hx" in argv:
            return commands.Result(0, "".join(f"{values.get(name, '')}\n" for name in argv[4:]), "")
        if "-hd" in argv:
            return commands.Result(0, "3.7.11\n", "")
        if "-d" in argv:
            known = [name for name in argv[4:] if name in DEFAULTS]
            return commands.Result(0, "".join(f"{name} = {DEFAULTS[name]}\n" for name in known), "")
        unused = [name for name in values if name not in DEFAULTS and name != "myhostname"]
        return commands.Result(0, "", "".join(f"warning: main.cf: unused parameter: {name}=x\n" for name in unused))

    def spoken(self, argv, timeout=60.0):
        """Play postfix(1)."""
        directory, what = argv[2], argv[3]
        text = (files.read(f"{directory}/main.cf") or b"").decode()
        if what in ("check", "status"):
            bad = self.refuses and self.refuses in text
            return commands.Result(1, "", f"fatal: {self.refuses}\n") if bad else commands.Result(0, "", "")
        self.said.append(what)
        if what in ("reload", "start"):
            words = self.main(directory)["inet_protocols"]
            if what == "start":
                wide = {4: "0.0.0.0", 6: "::"}
                self.sockets = {(wide[family], 25) for family in main_cf.families(words)}
            master = (files.read(f"{directory}/master.cf") or b"").decode()
            hosts = {host for host, _port in self.sockets}
            self.sockets = {(host, port) for host in hosts for port in master_cf.ports(master)}
            self.running = not (self.fails and self.fails in text)
        return commands.Result(0, "", "")


def play(tmp_path, monkeypatch):
    """Let the module see a Postfix that is only played."""
    directory = f"{tmp_path}/etc/postfix"
    os.makedirs(directory)
    files.write(f"{directory}/main.cf", MAIN.encode(), 0o640, os.getuid(), os.getgid())
    files.write(f"{directory}/master.cf", MASTER.encode(), 0o644, os.getuid(), os.getgid())
    played = Played(directory)
    monkeypatch.setattr(files, "Ledger", functools.partial(files.Ledger, folder=f"{tmp_path}/var"))
    monkeypatch.setattr(commands, "run", played.run)
    monkeypatch.setattr(commands, "found", lambda program: f"/sbin/{program}" if played.there else None)
    monkeypatch.setattr(postfix_server, "spoken", played.spoken)
    monkeypatch.setattr(postfix_server, "WAIT", 0.2)
    monkeypatch.setattr(postfix_server, "kernel_has_ipv6", lambda: True)
    monkeypatch.setattr(postfix_server, "has_ipv4_route", lambda: True)
    monkeypatch.setattr(sockets, "daemon", lambda *_given: 7 if played.running else 0)
    monkeypatch.setattr(sockets, "listening", lambda _pid: set(played.sockets))
    monkeypatch.setattr(sockets, "taken", lambda *_given: [])
    monkeypatch.setattr(sockets, "is_local", lambda address: address.lower() == ADDRESS)
    monkeypatch.setattr(sockets, "wait", lambda reached, *_given: reached())
    return played


def everything(directory):
    """Return every file with its mode."""
    return {
        name: (files.read(f"{directory}/{name}"), os.stat(f"{directory}/{name}").st_mode)
        for name in sorted(os.listdir(directory))
    }


def present(played, really=True, **given):
    """Run the module."""
    return postfix.present(given, played.directory, really)


def sending(mode="confirmed", **records):
    """Return what the controller sends along."""
    return {"mode": mode, "address": ADDRESS, "records": {**GOOD, **records}}


ALL = {
    "parameters": {"inet_protocols": "all", "smtpd_client_restrictions": "check_client_access hash:/x/clients"},
    "trusted_networks": ["2001:db8::/64"],
    "tables": [
        {"name": "clients", "type": "hash", "entries": {"[2001:DB8::1]": "OK"}},
        {"name": "nets", "type": "cidr", "entries": {"2001:db8::/32": "OK"}},
    ],
    "services": {"retry/unix": {"relayhost": "[2001:db8::9]"}},
    "master": {"2525/inet": "2525 inet n - y - - smtpd"},
    "sending": sending(),
}
