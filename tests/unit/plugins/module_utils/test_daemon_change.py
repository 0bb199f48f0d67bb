# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-ins of a daemon: written, taken back, given back."""

from __future__ import annotations

import functools
import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import daemon_change, files


@pytest.fixture(name="path")
def _path(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "Ledger", functools.partial(files.Ledger, folder=f"{tmp_path}/state"))
    return str(tmp_path / "etc" / "x.service.d" / "ours.conf")


def change(path, content, absent=False):
    return daemon_change.Change("test", {path: content}, absent)


def test_a_file_comes_and_goes_with_its_folder(path, tmp_path):
    first = change(path, b"one\n")
    assert first.told() == {path: (None, b"one\n")}
    first.write()
    first.forget()
    assert files.read(path) == b"one\n"
    assert change(path, b"one\n").told() == {}
    second = change(path, b"two\n")
    second.write()
    back = change(path, None, absent=True)
    assert back.told() == {path: (b"two\n", None)}
    back.write()
    back.forget()
    assert not os.path.exists(os.path.dirname(path))
    assert not (tmp_path / "state").exists()
    assert change(path, None, absent=True).told() == {}


def test_what_is_not_needed_any_more_is_forgotten(path, tmp_path):
    change(path, b"one\n").write()
    gone = change(path, None)
    gone.write()
    gone.forget()
    assert files.read(path) is None
    assert not (tmp_path / "state").exists()


def test_a_failed_change_leaves_no_trace(path, tmp_path):
    tried = change(path, b"one\n")
    tried.write()
    tried.take_back()
    assert files.read(path) is None
    assert not (tmp_path / "state").exists()
    change(path, b"one\n").write()
    tried = change(path, b"two\n")
    tried.write()
    tried.take_back()
    assert files.read(path) == b"one\n"
    assert change(path, None, absent=True).told() == {path: (b"one\n", None)}


def test_somebody_elses_file_of_that_name_comes_back(path):
    files.write(path, b"theirs\n", 0o600)
    change(path, b"ours\n").write()
    assert change(path, b"ours\n").edited == []
    files.write(path, b"edited\n")
    assert change(path, b"ours\n").edited == [path]
    back = change(path, None, absent=True)
    back.write()
    back.forget()
    assert files.look(path)[:2] == (b"theirs\n", 0o600)
    assert change(path, None, absent=True).told() == {}


def test_an_absent_that_was_never_present_touches_nothing(path):
    files.write(path, b"theirs\n")
    assert change(path, None, absent=True).after == {}


def test_staged(tmp_path):
    directory = tmp_path / "etc" / "daemon"
    (directory / "conf.d").mkdir(parents=True)
    (directory / "private").mkdir()
    (directory / "main.conf").write_text(f"include {directory}/conf.d/*\n")
    (directory / "conf.d" / "old.conf").write_text("old\n")
    (directory / "private" / "key.pem").write_text("secret\n")
    contents = {f"{directory}/conf.d/old.conf": None, f"{directory}/conf.d/new.conf": b"new\n", "/etc/systemd/x": b"x"}
    with daemon_change.staged(str(directory), contents, lambda text, old, new: text.replace(old, new)) as copied:
        assert files.read(f"{copied}/main.conf") == f"include {copied}/conf.d/*\n".encode()
        assert os.listdir(f"{copied}/conf.d") == ["new.conf"]
        assert os.readlink(f"{copied}/private/key.pem") == f"{directory}/private/key.pem"
    assert not os.path.exists(copied)
    assert sorted(os.listdir(directory / "conf.d")) == ["old.conf"]


def test_result():
    outcome = daemon_change.Outcome()
    assert daemon_change.result(outcome)["changed"] is False
    outcome.files = {"/b": (None, b"new\n"), "/a": (b"\xff\n", None)}
    told = daemon_change.result(outcome)
    assert told["changed"] is True
    assert told["files"] == ["/a", "/b"]
    assert [entry["after"] for entry in told["diff"]] == ["", "new\n"]
    assert "needs_package" not in told
