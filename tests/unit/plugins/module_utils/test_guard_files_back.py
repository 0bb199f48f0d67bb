# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the guard's program gives files and folders back, and what it must not touch; and its lock."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.guard_script import SCRIPT

FUNCTIONS = SCRIPT.partition("\ncase $command in\n")[0]


def call(script, folder):
    done = subprocess.run(
        ["/bin/sh", "-c", f"{FUNCTIONS}\nroom\n{script}\n", "guard.sh", "test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.stdout


@pytest.fixture
def root(tmp_path):
    """A folder with a file, a folder and a link, all guarded; and what is outside."""
    root = tmp_path / "etc"
    for name in ("guard", "etc", "etc/d", "etc/empty", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    (root / "plain").write_text("one\n")
    (root / "d" / "f").write_text("two\n")
    (tmp_path / "outside" / "f").write_text("important\n")
    (tmp_path / "outside" / "target").write_text("three\n")
    (root / "link").symlink_to("../outside/target")
    patterns = f"{root}/*\n{root}/d/*\n{root}/empty/*\n{root}/sub/*/*\n"
    (tmp_path / "guard" / "patterns").write_text(patterns)
    (root / "sub").mkdir()
    call('save_files; fingerprints >"$dir/state"', tmp_path / "guard")
    return root


def restored(root):
    """Whether the program says that all is what it was."""
    folder = root.parent / "guard"
    call("restore_files 2>/dev/null", folder)
    return call("fingerprints", folder) == (folder / "state").read_text()


def test_what_a_new_link_leads_to_is_not_touched(root):
    outside = root.parent / "outside"
    (root / "new").symlink_to(outside / "f")
    (root / "plain").unlink()
    (root / "plain").symlink_to(outside / "f")
    assert restored(root)
    assert (outside / "f").read_text() == "important\n"
    assert (root / "plain").read_text() == "one\n" and not (root / "plain").is_symlink()
    assert not os.path.lexists(root / "new")


def test_names_below_a_new_link_are_those_of_other_files(root):
    outside = root.parent / "outside"
    (root / "sub" / "through").symlink_to(outside)
    # No pattern names the link itself, so it stays, and the truth is told.
    assert not restored(root)
    assert (outside / "f").read_text() == "important\n"
    assert sorted(path.name for path in outside.iterdir()) == ["f", "target"]


def test_what_a_recorded_link_leads_to_comes_back(root):
    target = root.parent / "outside" / "target"
    target.unlink()
    (root / "link").unlink()
    assert restored(root)
    assert target.read_text() == "three\n"
    (root / "link").unlink()
    (root / "link").write_text("no link\n")
    target.write_text("broken\n")
    assert restored(root)
    assert target.read_text() == "three\n"
    assert os.readlink(root / "link") == "../outside/target"


def test_a_folder_whose_place_a_link_took(root):
    outside = root.parent / "outside"
    (root / "d" / "f").unlink()
    (root / "d").rmdir()
    (root / "d").symlink_to(outside)
    assert restored(root)
    assert (outside / "f").read_text() == "important\n"
    assert not (root / "d").is_symlink() and (root / "d" / "f").read_text() == "two\n"


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o775])
def test_folders_come_back_with_their_mode(root, mode):
    folder = root.parent / "guard"
    (root / "d").chmod(mode)
    call('rm -rf "$dir/files"; save_files; fingerprints >"$dir/state"', folder)
    (root / "d" / "f").unlink()
    (root / "d").rmdir()
    (root / "empty").rmdir()
    assert restored(root)
    assert stat.S_IMODE((root / "d").stat().st_mode) == mode
    assert (root / "empty").is_dir()
    (root / "d").chmod(0o711)
    assert call("fingerprints", folder) != (folder / "state").read_text()
    assert restored(root)


def test_another_kind_of_file_took_the_place(root):
    (root / "plain").unlink()
    (root / "plain").mkdir()
    (root / "plain" / "inner").write_text("kept\n")
    (root / "d" / "f").unlink()
    (root / "d").rmdir()
    (root / "d").write_text("no folder\n")
    assert restored(root)
    assert (root / "plain").read_text() == "one\n"
    assert (root / "plain.moved-by-guard" / "inner").read_text() == "kept\n"


def test_a_file_that_does_not_move_leaves_no_litter(root):
    (root / "plain").write_text("broken\n")
    folder = root.parent / "guard"
    call("mv() { return 1; }\nrestore_files 2>/dev/null", folder)
    assert sorted(path.name for path in root.iterdir()) == ["d", "empty", "link", "plain", "sub"]
    assert call("fingerprints", folder) != (folder / "state").read_text()


def test_names_as_they_come(root):
    names = ["-rf", "a|b", "$(touch x)", " lead ", "back\\nslash", "*", "q\"'"]
    for name in names:
        (root / name).write_text("x\n")
    folder = root.parent / "guard"
    call('rm -rf "$dir/files"; save_files; fingerprints >"$dir/state"', folder)
    for name in names:
        (root / name).write_text("broken\n")
    (root / "a\nb").write_text("a name with a line's end is left alone\n")
    assert restored(root)
    assert {(root / name).read_text() for name in names} == {"x\n"}
    assert (root / "a\nb").exists()


def test_the_lock_of_one_that_hangs(tmp_path):
    (tmp_path / "held.1").touch()
    script = (
        'patience=2; ours() { true; }\nstop() { echo "stop $1"; mv "$dir/held.1" "$dir/free"; }\nlock wait && echo mine'
    )
    assert call(script, tmp_path) == "stop 1\nmine\n"


def test_the_lock_of_one_that_is_at_work(tmp_path):
    (tmp_path / "held.1").touch()
    script = (
        "patience=3; ours() { true; }; stop() { echo stop; }; turn=0\n"
        'sleep() { turn=$((turn + 1)); touch "$dir/held.1"; [ $turn -lt 9 ] || mv "$dir/held.1" "$dir/free"; }\n'
        "lock wait && echo mine"
    )
    assert call(script, tmp_path) == "mine\n"


def test_one_that_hung_is_not_asked_again(tmp_path):
    script = (
        "seconds=0.1\nbounded sleep 30; echo $?; bounded sleep 30; echo $?; silent\n"
        "room; seconds=5; bounded sleep 0; echo $?"
    )
    assert call(script, tmp_path).split() == ["124", "124", "sleep", "0"]
