# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a socket."""

from __future__ import annotations

import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, socket_owners

CGROUPS = [
    ("0::/system.slice/ssh.service\n", "ssh.service"),
    ("0::/system.slice/system-openvpn.slice/openvpn@a.service\n", "openvpn@a.service"),
    ("0::/user.slice/user-0.slice/session-1.scope\n", "session-1.scope"),
    ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", "user@1000.service"),
    ("0::/system.slice/docker-0123abcd.scope\n", "docker-0123abcd.scope"),
    ("0::/system.slice/_cpu.service\n", "cpu.service"),
    ("0::/init.scope\n", "init.scope"),
    ("12:pids:/other.service\n1:name=systemd:/system.slice/cron.service\n", "cron.service"),
    ("12:pids:/system.slice/cron.service\n", ""),
    ("0::/\n", ""),
    ("0::/../../a:b\n", ""),
    ("", ""),
]


@pytest.mark.parametrize(("cgroups", "unit"), CGROUPS)
def test_the_unit_is_in_the_cgroup(cgroups, unit):
    assert socket_owners.unit(cgroups) == unit


@pytest.fixture(name="proc")
def _proc(tmp_path):
    """A /proc with two processes that share a socket, one that has none, and what is no process."""

    def add(pid, name, program, uid, inodes):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_bytes(name + b"\n")
        (folder / "status").write_text(f"Name:\tx\nUid:\t1\t{uid}\t2\t3\n")
        (folder / "cgroup").write_text("0::/system.slice/web.service\n")
        os.symlink(program, folder / "exe")
        os.symlink("/dev/null", folder / "fd" / "0")
        for number, inode in enumerate(inodes, 3):
            os.symlink(f"socket:[{inode}]", folder / "fd" / str(number))

    add(20, b'we) "b,pid=1', "/usr/sbin/web (deleted)", 0, [7, 9])
    add(10, b"\xff\xfe\x1b[2J", "/usr/sbin/other", 4294967000, [7])
    add(30, b"idle", "/bin/idle", 0, [])
    (tmp_path / "net").mkdir()
    (tmp_path / "1").mkdir()  # seen, so nothing is hidden
    (tmp_path / "40").mkdir()  # a process that ends while it is looked at
    return str(tmp_path)


def test_all_holders_are_found_with_their_names_as_they_are(proc):
    found, complete = socket_owners.holders({7, 8}, proc)
    assert complete
    assert set(found) == {7}
    one, other = found[7]
    assert (other.pid, other.name, other.program, other.user) == (20, 'we) "b,pid=1', "web", "root")
    assert (one.pid, one.name, one.user) == (10, "\ufffd\ufffd\x1b[2J", "4294967000")
    assert {one.unit, other.unit} == {"web.service"}


def test_a_process_that_can_not_be_looked_into_is_told(proc, monkeypatch):
    looked = socket_owners.open_sockets

    def refuses(folder):
        if "/20/" in folder:
            raise PermissionError(folder)
        return looked(folder)

    monkeypatch.setattr(socket_owners, "open_sockets", refuses)
    found, complete = socket_owners.holders({7, 9}, proc)
    assert not complete
    assert [process.pid for process in found[7]] == [10]
    assert 9 not in found


def test_a_process_that_is_gone_has_no_name(proc):
    assert socket_owners.process(40, proc) == (40, "", "", "", "")


SHOWN = """Id=ssh.socket
Triggers=ssh.service
Listen=[::]:22 (Stream)
Listen=192.0.2.1:2222 (Stream)

Id=syslog.socket
Triggers=rsyslog.service
Listen=/run/systemd/journal/syslog (Datagram)

Id=dns.socket
Triggers=dns.service
Listen=[fe80::1%eth0]:53 (Datagram)
Listen=kobject-uevent 1 (Netlink)
Listen=/odd:5 (Stream)
"""


def says(monkeypatch, text):
    asked = []

    def run(argv, *_rest):
        asked.append(argv)
        return commands.Result(0, text, "")

    monkeypatch.setattr(socket_owners.commands, "run", run)
    return asked


def test_socket_units_are_read(monkeypatch):
    says(monkeypatch, SHOWN)
    assert socket_owners.socket_units() == [
        ("ssh.socket", (("tcp", "::", 22), ("tcp", "192.0.2.1", 2222)), "ssh.service"),
        ("dns.socket", (("udp", "fe80::1", 53),), "dns.service"),
    ]


def test_units_that_wait_for_the_network_are_known(monkeypatch):
    says(
        monkeypatch,
        "Id=a.service\nLoadState=loaded\nAfter=basic.target network-online.target\n\n"
        "Id=b.service\nLoadState=loaded\nAfter=network.target\n\nId=c.service\nLoadState=not-found\nAfter=\n",
    )
    assert socket_owners.wait_for_network({"a.service", "b.service"}) == {"a.service": True, "b.service": False}


def test_systemd_is_not_asked_about_nothing(monkeypatch):
    asked = says(monkeypatch, "")
    assert socket_owners.wait_for_network(set()) == {}
    assert not asked


def test_without_systemd_there_are_no_units(monkeypatch):
    monkeypatch.setattr(socket_owners.commands, "run", lambda argv: commands.Result(127, "", "systemctl: not found"))
    assert socket_owners.socket_units() == []
    assert socket_owners.wait_for_network({"-x.service"}) == {}
