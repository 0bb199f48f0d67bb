# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's name servers: what resolv.conf becomes, who is refused, and that the old ones come back."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import files, resolver
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

OLD = "# ours\nsearch example.com\nnameserver 192.0.2.53\noptions timeout:1\nnameserver 192.0.2.54\n"
DNS64 = ["2001:db8::64"]
SYNTHESISED = ["2001:db8:64::c000:aa", "2001:db8:64::c000:ab"]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr(files.Ledger.__init__, "__defaults__", (str(tmp_path / "state"),))
    monkeypatch.setattr(resolver, "COPIES", (str(tmp_path / "chroot.conf"),))
    monkeypatch.setattr(resolver, "DROP_IN", str(tmp_path / "resolved.conf.d" / "ipv6-rollout.conf"))
    monkeypatch.setattr(resolver, "discovered", lambda patience: SYNTHESISED)
    found = tmp_path / "resolv.conf"
    found.write_text(OLD, encoding="ascii")
    found.chmod(0o640)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OLD, "# ours\nsearch example.com\nnameserver 2001:db8::64\noptions timeout:1\n"),
        ("", "nameserver 2001:db8::64\n"),
        ("search example.com", "search example.com\nnameserver 2001:db8::64\n"),
        ("  nameserver ::1", "nameserver 2001:db8::64\n"),
        ("nameserver 2001:db8::64\n", "nameserver 2001:db8::64\n"),
        ("#nameserver ::1\n", "#nameserver ::1\nnameserver 2001:db8::64\n"),
    ],
)
def test_only_name_servers_change(text: str, expected: str) -> None:
    assert resolver.resolv_conf(text, DNS64) == expected


@given(
    lines=st.lists(
        st.sampled_from(["nameserver ::1", "search a b", "# x", "", "options rotate", "nameserver 1.2.3.4"])
    ),
    end=st.sampled_from(["", "\n"]),
)
def test_a_second_time_changes_nothing(lines: list[str], end: str) -> None:
    text = "\n".join(lines) + end
    once = resolver.resolv_conf(text, DNS64)
    assert resolver.resolv_conf(once, DNS64) == once
    kept = [line for line in lines if line and not line.startswith("nameserver")]
    assert [line for line in once.splitlines() if line and not line.startswith("nameserver")] == kept
    assert [line for line in once.splitlines() if line.startswith("nameserver")] == ["nameserver 2001:db8::64"]


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        ([], "is empty"),
        (["dns64.example.com"], "no address"),
        (["2001:db8::64\noptions debug"], "no address"),
        ([None], "no address"),
        (["::1", "::2", "::3", "::4"], "only three"),
    ],
)
def test_no_server(servers: list[t.Any], message: str) -> None:
    with pytest.raises(RolloutError, match=message):
        resolver.servers_of(servers)


def test_there_and_back(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "chroot.conf"
    copy.write_text(OLD, encoding="ascii")
    assert resolver.present(DNS64, str(path), True, really=False).changed
    assert path.read_text(encoding="ascii") == OLD
    done = resolver.present(DNS64, str(path), True, really=True)
    assert done.found == SYNTHESISED
    assert "nameserver 2001:db8::64\n" in path.read_text(encoding="ascii")
    assert copy.read_text(encoding="ascii") == path.read_text(encoding="ascii")
    assert path.stat().st_mode & 0o777 == 0o640
    assert not resolver.present(DNS64, str(path), True, really=True).changed
    outcome, warning = resolver.absent(str(path), really=False)
    assert outcome.changed and not warning and "2001:db8::64" in path.read_text(encoding="ascii")
    resolver.absent(str(path), really=True)
    assert path.read_text(encoding="ascii") == copy.read_text(encoding="ascii") == OLD
    assert path.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "state").exists()
    assert not resolver.absent(str(path), really=True)[0].changed


def test_one_that_is_no_dns64_is_not_kept(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "discovered", lambda patience: [])
    with pytest.raises(RolloutError, match="are back"):
        resolver.present(DNS64, str(path), True, really=True)
    assert path.read_text(encoding="ascii") == OLD
    assert not (tmp_path / "state").exists()
    assert resolver.present(DNS64, str(path), False, really=True).changed
    # A second change that fails gives back the first, and the first what there was.
    with pytest.raises(RolloutError, match="are back"):
        resolver.present(["2001:db8::65"], str(path), True, really=True)
    assert "2001:db8::64" in path.read_text(encoding="ascii")
    resolver.absent(str(path), really=True)
    assert path.read_text(encoding="ascii") == OLD


def test_what_somebody_edited_stays(path: Path, tmp_path: Path) -> None:
    resolver.present(DNS64, str(path), True, really=True)
    path.write_text("nameserver ::1\n", encoding="ascii")
    outcome, warning = resolver.absent(str(path), really=True)
    assert "edited" in warning and not outcome.changed
    assert path.read_text(encoding="ascii") == "nameserver ::1\n"
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "text",
    [
        "# Generated by NetworkManager\nnameserver ::1\n",
        "# Dynamic resolv.conf(5) file for glibc resolver(3) generated by resolvconf(8)\n",
        "# Generated by dhcpcd from eth0\n",
    ],
)
def test_another_program_writes_it(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
    with pytest.raises(RolloutError, match="would take them away again"):
        resolver.present(DNS64, str(path), True, really=True)
    assert path.read_text(encoding="ascii") == text


def test_a_link_is_somebody_elses(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.conf"
    link.symlink_to(path)
    with pytest.raises(RolloutError, match="another program writes"):
        resolver.present(DNS64, str(link), True, really=True)


def test_systemd_resolved_gets_a_drop_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(resolver.os.path, "realpath", lambda name: "/run/systemd/resolve/stub-resolv.conf")
    monkeypatch.setattr(resolver.commands, "check", lambda argv, timeout: ran.append(list(argv)))
    outcome = resolver.present(DNS64, str(path), True, really=False)
    assert outcome.path == resolver.DROP_IN
    assert outcome.after == "[Resolve]\nDNS=2001:db8::64\nDomains=~.\n"
    monkeypatch.setattr(resolver.files, "write", lambda name, *rest: ran.append([name]))
    monkeypatch.setattr(resolver.files.Ledger, "save", lambda self: None)
    resolver.present(DNS64, str(path), True, really=True)
    assert ran == [[resolver.DROP_IN], ["systemctl", "restart", "systemd-resolved"]]
    assert path.read_text(encoding="ascii") == OLD
