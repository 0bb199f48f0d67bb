# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language of sshd_config(5), and what is done with it: against a small sshd of this test's own."""

from __future__ import annotations

import functools
import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, daemon_listen, files, sshd, sshd_config
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

FOUR, SIX = ("0.0.0.0", 22), ("::", 22)
MAIN = "# a comment\nInclude {directory}/sshd_config.d/*.conf\nUsePAM yes\n"


def read(path):
    """What sshd makes of a file: the first AddressFamily, all Ports and all ListenAddresses, or its complaint."""
    found = sshd_config.directives(path, os.path.dirname(path))
    for entry in found:
        if entry.keyword == "bogus":
            return commands.Result(255, "", f"{entry.place}: Bad configuration option: bogus")
    family = next((entry.value for entry in found if entry.keyword == "addressfamily"), "any")
    ports = [entry.value for entry in found if entry.keyword == "port"] or ["22"]
    named = [entry.value for entry in found if entry.keyword == "listenaddress"]
    hosts = [sshd_config.host(value) for value in named]
    for host in hosts:
        if (family == "inet" and ":" in host) or (family == "inet6" and ":" not in host):
            return commands.Result(255, "", f"bad addr or host: {host} (Address family for hostname not supported)")
    hosts = hosts or [host for host in ("::", "0.0.0.0") if family == "any" or (":" in host) == (family == "inet6")]
    lines = [f"port {port}" for port in ports] + [f"addressfamily {family}", "pidfile /run/sshd.pid"]
    for host, value in zip(hosts, named or hosts, strict=True):
        own = [value.rpartition(":")[2]] if named and sshd_config.has_port(value) else ports
        lines += [f"listenaddress {f'[{host}]' if ':' in host else host}:{port}" for port in own]
    return commands.Result(0, "\n".join(lines) + "\n", "")


class Host:
    """A host with an sshd: its configuration, what it listens on, and how often it was reloaded."""

    def __init__(self, folder):
        self.directory = str(folder / "ssh")
        os.makedirs(f"{self.directory}/sshd_config.d")
        self.listening = {FOUR, SIX}
        self.number = 1
        self.deaf = False
        self.connection = ""
        self.socket = None
        self.check_root = sshd.daemon_change.check_root
        self.main()

    def main(self, text=MAIN):
        self.write("sshd_config", text.format(directory=self.directory))

    def write(self, name, text):
        files.write(f"{self.directory}/{name}", text.encode())

    def reload(self):
        if not self.deaf:
            self.number += 1
            self.listening = sshd_config.effective(read(f"{self.directory}/sshd_config").out).endpoints

    @property
    def ours(self):
        return files.read(f"{self.directory}/{sshd.DROP_IN}")

    def present(self, mode, addresses=(), allow=False, really=True):
        return sshd.present(mode, addresses, allow, really, self.directory)

    def absent(self, allow=False, really=True):
        return sshd.absent(allow, really, self.directory)


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr(files, "Ledger", functools.partial(files.Ledger, folder=f"{tmp_path}/state"))
    monkeypatch.setattr(sshd, "BOOT", str(tmp_path / "ssh.service.d" / "ours.conf"))
    monkeypatch.setattr(sshd, "DEFAULTS", str(tmp_path / "default"))
    monkeypatch.setattr(sshd, "SEPARATION", str(tmp_path))
    monkeypatch.setattr(sshd, "WAIT", 0.05)
    monkeypatch.setattr(sshd.daemon_change, "check_root", lambda: None)
    monkeypatch.setattr(commands, "found", lambda program: f"/usr/sbin/{program}")
    monkeypatch.setattr(
        commands, "run", lambda argv, **_more: read(argv[3]) if "-T" in argv else commands.Result(1, "", "")
    )
    monkeypatch.setattr(sshd.lockout, "ssh_connection", lambda: host.connection)
    monkeypatch.setattr(sshd, "_by_socket", lambda: host.socket)
    monkeypatch.setattr(daemon_listen.sockets, "is_local", lambda address: address != "2001:db8::99")
    monkeypatch.setattr(sshd.sockets, "taken", lambda wanted, pid: [])
    monkeypatch.setattr(sshd.Server, "pid", 4711)
    monkeypatch.setattr(sshd.Server, "listening", lambda server: set(host.listening))
    monkeypatch.setattr(sshd.Server, "reload", lambda server: host.reload())
    monkeypatch.setattr(sshd.Server, "started", lambda server: (host.number, 0))
    return host


@pytest.mark.parametrize(
    ("mode", "addresses", "lines", "listening"),
    [
        ("both", [], None, ["0.0.0.0:22", "[::]:22"]),
        ("ipv4", [], ["AddressFamily inet"], ["0.0.0.0:22"]),
        ("ipv6", [], ["AddressFamily inet6"], ["[::]:22"]),
        (
            "addresses",
            ["2001:db8::1", "192.0.2.1"],
            ["ListenAddress 2001:db8::1", "ListenAddress 192.0.2.1"],
            ["192.0.2.1:22", "[2001:db8::1]:22"],
        ),
    ],
)
def test_modes_and_back(host, mode, addresses, lines, listening):
    predicted = host.present(mode, addresses, really=False)
    assert host.ours is None
    done = host.present(mode, addresses)
    assert done.listening == predicted.listening == listening
    assert done.files == predicted.files
    assert done.changed is predicted.changed is (lines is not None)
    assert (host.ours.decode().splitlines()[1:] if host.ours else None) == lines
    boot = (files.read(sshd.BOOT) or b"").decode()
    assert all(f" {address}" in boot for address in addresses)
    assert bool(boot) is (mode == "addresses")
    assert host.present(mode, addresses).changed is False
    host.absent(really=False)
    back = host.absent()
    assert back.changed is (lines is not None)
    assert host.ours is None
    assert not os.path.exists(sshd.BOOT)
    assert host.listening == {FOUR, SIX}
    assert host.absent().changed is False


def test_only_what_is_missing_is_said(host):
    host.main(MAIN + "ListenAddress 0.0.0.0\nPort 2222\nPort 22\n")
    host.reload()
    assert host.present("both").listening == ["0.0.0.0:22", "[::]:22", "0.0.0.0:2222", "[::]:2222"]
    assert host.ours.decode().splitlines()[1:] == ["ListenAddress ::"]
    assert host.present("both").changed is False
    assert host.present("ipv4").listening == ["0.0.0.0:22", "0.0.0.0:2222"]
    assert host.ours is None


def test_a_later_family_is_beaten(host):
    host.main(MAIN + "AddressFamily inet\n")
    host.reload()
    assert host.present("both").listening == ["0.0.0.0:22", "[::]:22"]
    assert host.ours.decode().splitlines()[1:] == ["AddressFamily any"]
    assert host.present("addresses", ["192.0.2.1"]).listening == ["192.0.2.1:22"]
    assert host.ours.decode().splitlines()[1:] == ["ListenAddress 192.0.2.1"]


@pytest.mark.parametrize(
    ("main", "mode", "reason"),
    [
        ("AddressFamily inet\n" + MAIN, "both", r"sshd_config line 1: AddressFamily inet comes first"),
        ('AddressFamily = "inet"\n' + MAIN, "both", r"sshd_config line 1: AddressFamily inet comes first"),
        (MAIN + "ListenAddress 192.0.2.9:22\n", "both", r"sshd_config line 4: ListenAddress 192.0.2.9:22: not in mode"),
        ("UsePAM yes\n", "ipv4", r"does not read .*; put the line 'Include "),
        (MAIN + "Bogus yes\n", "ipv4", r"that is there now: .* line 4: Bad configuration option"),
    ],
)
def test_what_stands_in_the_way_is_named(host, main, mode, reason):
    host.main(main)
    before = files.read(f"{host.directory}/sshd_config")
    with pytest.raises(RolloutError, match=reason):
        host.present(mode)
    assert host.ours is None
    assert host.number == 1
    assert files.read(f"{host.directory}/sshd_config") == before


def test_an_earlier_drop_in_is_named_too(host):
    host.write("sshd_config.d/00-a.conf", "# x\naddressfamily inet\n")
    with pytest.raises(RolloutError, match=r"00-a\.conf line 2: AddressFamily inet comes first"):
        host.present("both")
    with pytest.raises(RolloutError, match=r"bad addr .* 00-a\.conf|00-a\.conf line 2: AddressFamily inet comes first"):
        host.present("addresses", ["2001:db8::1"])


@pytest.mark.parametrize(
    ("connection", "mode", "addresses", "refused"),
    [
        ("", "ipv6", [], False),
        ("192.0.2.9 4000 192.0.2.1 22", "ipv6", [], True),
        ("192.0.2.9 4000 192.0.2.1 22", "ipv4", [], False),
        ("192.0.2.9 4000 192.0.2.1 22", "addresses", ["192.0.2.1"], False),
        ("192.0.2.9 4000 192.0.2.1 22", "addresses", ["192.0.2.2", "2001:db8::1"], True),
        ("2001:db8::9 4000 2001:db8::1 22", "ipv4", [], True),
        ("2001:db8::9 4000 2001:db8::1 22", "addresses", ["192.0.2.1", "2001:db8::1"], False),
        ("192.0.2.9 4000 192.0.2.1 2200", "ipv6", [], False),  # another sshd's
    ],
)
def test_nobody_is_locked_out(host, connection, mode, addresses, refused):
    host.connection = connection
    if not refused:
        assert host.present(mode, addresses).changed
        return
    for really in (False, True):
        with pytest.raises(RolloutError, match="this login came in by"):
            host.present(mode, addresses, really=really)
    assert host.ours is None
    assert host.number == 1
    assert "this login came in by" in host.present(mode, addresses, allow=True).warnings[0]


def test_giving_back_locks_nobody_out_either(host):
    host.main(MAIN + "AddressFamily inet\n")
    host.reload()
    host.present("both")
    host.connection = "2001:db8::9 4000 2001:db8::1 22"
    with pytest.raises(RolloutError, match="this login came in by"):
        host.absent()
    assert host.ours is not None
    assert host.absent(allow=True).listening == ["0.0.0.0:22"]


def test_where_sshd_does_not_follow_the_files_come_back(host):
    host.deaf = True
    with pytest.raises(RolloutError, match="the files are as they were"):
        host.present("ipv4")
    assert host.ours is None
    host.deaf = False
    assert host.absent().changed is False


def test_an_sshd_behind_its_files_is_reloaded(host):
    host.present("ipv4")
    host.listening = {FOUR, SIX}
    done = host.present("ipv4")
    assert (done.changed, done.reloaded, done.files) == (True, True, {})


def test_named_addresses_of_one_family_are_waited_for_at_boot_too(host):
    host.present("addresses", ["192.0.2.1", "127.0.0.1"])
    boot = files.read(sshd.BOOT)
    assert b"for address in 192.0.2.1; do" in boot
    assert boot.endswith(b"\nRestartPreventExitStatus=\n")
    host.present("addresses", ["127.0.0.1"])
    assert not os.path.exists(sshd.BOOT)


@pytest.mark.parametrize(
    ("main", "mode", "lines"),
    [
        ("Port 2222\nListenAddress 0.0.0.0:22\n", "ipv4", None),
        ("ListenAddress [::]:22\nListenAddress 0.0.0.0:2222\n", "both", None),
        ("Include '{directory}/sshd_config.d/*.conf'\nListenAddress 0.0.0.0\n", "both", ["ListenAddress ::"]),
    ],
)
def test_what_is_right_already_stays(host, main, mode, lines):
    host.main(main)
    host.reload()
    host.present(mode)
    assert (host.ours.decode().splitlines()[1:] if host.ours else None) == lines
    assert host.present(mode).changed is False


def test_a_port_of_its_own_is_named(host):
    host.main(MAIN + "ListenAddress 0.0.0.0:2222\n")
    with pytest.raises(
        RolloutError, match=r"sshd_config line 4: ListenAddress 0\.0\.0\.0:2222: it has a port of its own"
    ):
        host.present("both")
    assert host.ours is None


def test_a_kernel_without_ipv6_is_told(host, monkeypatch):
    monkeypatch.setattr(daemon_listen.sockets, "is_local", lambda address: ":" not in address)
    with pytest.raises(RolloutError, match=r"no IPv6 .*; boot it with IPv6, or take the mode 'ipv4'"):
        host.present("both")
    assert host.number == 1
    assert "no IPv6" in host.present("both", really=False).warnings[0]
    assert host.present("ipv4").listening == ["0.0.0.0:22"]


def test_only_root_may_judge(host, monkeypatch):
    monkeypatch.setattr(sshd.daemon_change.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sshd.daemon_change, "check_root", host.check_root)
    with pytest.raises(RolloutError, match="needs root; set become: true"):
        host.present("both", really=False)


def test_a_missing_address_is_refused(host):
    with pytest.raises(RolloutError, match="2001:db8::99: not on this host"):
        host.present("addresses", ["2001:db8::99"])
    assert host.present("addresses", ["2001:db8::99"], really=False).warnings


def test_the_command_line_wins(host, monkeypatch):
    files.write(sshd.DEFAULTS, b'# x\nSSHD_OPTS="-4"\n')
    plain = commands.run

    def run(argv, **_more):
        done = plain(argv)
        lines = [line for line in done.out.splitlines() if "-4" not in argv or "[" not in line]
        return done._replace(out="\n".join(lines))

    monkeypatch.setattr(commands, "run", run)
    with pytest.raises(RolloutError, match="SSHD_OPTS -4 wins"):
        host.present("addresses", ["192.0.2.1", "2001:db8::1"])
    files.write(sshd.DEFAULTS, b"SSHD_OPTS='-4\n")
    with pytest.raises(RolloutError, match="SSHD_OPTS='-4 can't be read: No closing quotation; mend it first"):
        host.present("both")
    files.write(sshd.DEFAULTS, b'SSHD_OPTS="-f /etc/other"\n')
    with pytest.raises(RolloutError, match="names another configuration file"):
        host.present("ipv4")


def test_an_address_on_the_command_line_is_no_wildcard(host, monkeypatch):
    files.write(sshd.DEFAULTS, b'SSHD_OPTS="-o ListenAddress=192.0.2.1"\n')
    plain = commands.run

    def run(argv, **_more):
        done = plain(argv)
        lines = [line for line in done.out.splitlines() if "-o" not in argv or not line.startswith("listenaddress")]
        lines += ["listenaddress 192.0.2.1:22"] if "-o" in argv else []
        return done._replace(out="\n".join(lines))

    monkeypatch.setattr(commands, "run", run)
    host.listening = {("192.0.2.1", 22)}
    with pytest.raises(RolloutError, match=r"SSHD_OPTS -o ListenAddress=192\.0\.2\.1 wins"):
        host.present("both")
    assert host.number == 1


def test_systemd_listens_for_sshd(host):
    host.socket = {FOUR, SIX}
    assert host.present("both").changed is False
    with pytest.raises(RolloutError, match=r"ssh\.socket listens for sshd.*ListenStream=0\.0\.0\.0:22"):
        host.present("ipv4")
    host.socket = {("::", 2222)}
    with pytest.raises(RolloutError, match=r"ListenStream=0\.0\.0\.0:2222 ListenStream=\[::\]:2222"):
        host.present("both")
    assert host.ours is None


def test_before_the_package_is_there(host, monkeypatch):
    monkeypatch.setattr(commands, "found", lambda program: None)
    assert host.present("both", really=False).changed is False
    told = host.present("ipv6", really=False)
    assert told.needs_package == "openssh-server"
    assert list(told.files) == [f"{host.directory}/{sshd.DROP_IN}"]
    with pytest.raises(RolloutError, match="install the package openssh-server"):
        host.present("ipv6")
    assert host.absent().changed is False


def test_staged_includes_lead_to_the_copy():
    text = "Include 'a b' /x\n"
    assert sshd_config.at_home(text, "/etc/ssh", "/tmp/ssh") == 'Include "/tmp/ssh/a b" /x\n'
    text = 'Include /etc/ssh/a/*.conf b.conf "/etc/ssh/c d.conf" /opt/x.conf\ninclude=e.conf\n#Include /etc/ssh/f\n'
    assert sshd_config.at_home(text, "/etc/ssh", "/tmp/ssh") == (
        'Include /tmp/ssh/a/*.conf /tmp/ssh/b.conf "/tmp/ssh/c d.conf" /opt/x.conf\n'
        "include=/tmp/ssh/e.conf\n#Include /etc/ssh/f\n"
    )


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("[::]:2222", "::"),
        ("2001:0DB8::1", "2001:db8::1"),
        ("192.0.2.1:22 rdomain x", "192.0.2.1"),
        ("mail.example.com", "mail.example.com"),
        ("", ""),
    ],
)
def test_host(value, result):
    assert sshd_config.host(value) == result


def test_an_include_of_itself_ends(tmp_path):
    path = tmp_path / "sshd_config"
    path.write_text(f"Include {path}\nPort 22\n")
    assert len(sshd_config.directives(str(path), str(tmp_path))) == 2 * (sshd_config.DEPTH + 1)
