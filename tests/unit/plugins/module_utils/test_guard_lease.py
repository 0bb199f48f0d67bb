# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what with the guard of a host: on a machine of its own, made of namespaces, where that is possible."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, guard, guard_files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.modules import guard as module

# Nothing of this machine is within reach: no network, no process, and none of the folders that the guard writes to.
NAMESPACE = ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "sh", "-c"]
FOLDERS = """
for folder in /run /var/lib /etc/systemd; do
    [ ! -d $folder ] || mount -t tmpfs tmpfs $folder || exit 9
done
exec "$@"
"""
PRELUDE = """
import json, os, signal, time
from ansible_collections.ipv6.rollout.plugins.module_utils import guard as core
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.modules import guard as module
host = core.Guard()
said = []
DEFAULTS = {"timeout": 60, "files": [], "services": [], "owner": "me@example.com", "token": "firstrun", "force": False}
def call(state, **more):
    try:
        done = getattr(module, state)(host, {**DEFAULTS, **more})
    except RolloutError as error:
        done = {"msg": str(error)}
    said.append(done)
    return done
SYSCTL = "/proc/sys/net/ipv4/ip_forward"
BEFORE = open(SYSCTL).read().strip()
def change():
    open(SYSCTL, "w").write("1" if BEFORE == "0" else "0")
def changed():
    return open(SYSCTL).read().strip() != BEFORE
def holders():
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if b"/guard.sh\\0" in open(f"/proc/{name}/cmdline", "rb").read():
                found.append(int(name))
        except OSError:
            pass
    return found
def kill_holders():
    for pid in holders():
        os.kill(pid, signal.SIGKILL)
    limit = time.monotonic() + 10
    while holders() and time.monotonic() < limit:
        time.sleep(0.01)
"""


@functools.cache
def separate() -> bool:
    """Whether this machine lets us make another one."""
    if os.geteuid() != 0:
        return False
    try:
        return subprocess.run([*NAMESPACE, FOLDERS, "sh", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def on_a_host(script: str):
    """Run a script on a host of its own and return what its calls answered."""
    if not separate():
        pytest.skip("only root may make the namespaces that keep this machine out of reach")
    done = subprocess.run(
        [*NAMESPACE, FOLDERS, "sh", sys.executable, "-c", f"{PRELUDE}\n{script}\nprint('\\n' + json.dumps(said))"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # the collection is found as it is here
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# ------------------------------------------------------------------------------------------------------ armed once more


@pytest.mark.parametrize(
    ("more", "variable"),
    [("files=['/etc/hosts', '/etc/later/*']", "files: '/etc/later/*'"), ("services=['later']", "services: 'later'")],
)
def test_armed_again_refuses_what_was_not_recorded(more, variable):
    first, second, third = on_a_host(
        f"call('armed', files=['/etc/hosts'])\ncall('armed', {more})\ncall('armed', files=['/etc/hosts'])"
    )
    assert first["holders"] == third["holders"]
    assert second["msg"].startswith(f"{variable} was not recorded when this run armed the host")
    assert "first task with state=armed" in second["msg"]


def test_armed_again_starts_dead_holders_again():
    first, second, alive, back = on_a_host(
        "call('armed')\nkill_holders()\ncall('armed')\nsaid.append(holders())\nchange()\nkill_holders()\n"
        "call('rolled_back')"
    )
    assert first["holders"] != second["holders"]
    assert int(second["holders"][0].partition("process ")[2]) in alive
    assert "exactly as before" in back["rolled_back"]


def test_a_holder_that_was_started_again_restores():
    said = on_a_host(
        "call('armed')\nchange()\nkill_holders()\nhost.arm('me@example.com', 'firstrun', 0, core.patterns([]), [])\n"
        "limit = time.monotonic() + 20\n"
        "while os.path.isdir(host.directory) and time.monotonic() < limit: time.sleep(0.05)\n"
        "said.append(changed())\ncall('committed', step='compare')"
    )
    assert said[1] is False
    assert "the time was over without a commit (exactly as before)" in said[2]["msg"]


def machine(tmp_path, monkeypatch, alive):
    """A guard's folder on a machine with systemd, all of it made up; return the guard and what it started."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "free").touch()
    started = []

    def run(argv, **_more):
        started.append(argv[0])
        (tmp_path / "guard" / "holder").write_text("17\n")
        return commands.Result(0 if alive or argv[0] == "systemd-run" else 3, "", "")

    monkeypatch.setattr(guard, "SYSTEMD", str(tmp_path))
    monkeypatch.setattr(guard, "BOOT_UNIT_PATH", str(tmp_path / "boot.service"))
    monkeypatch.setattr(guard, "BOOT_LINK_PATH", str(tmp_path / "wants" / "boot.service"))
    monkeypatch.setattr(guard.commands, "run", run)
    return guard.Guard(str(tmp_path / "guard")), started


@pytest.mark.parametrize(
    ("alive", "expected"), [(True, ["systemctl", "/bin/sh"]), (False, ["systemctl", "systemd-run"])]
)
def test_armed_again_looks_at_the_timer(tmp_path, monkeypatch, alive, expected):
    host, started = machine(tmp_path, monkeypatch, alive)
    assert guard.TIMER in host._arm_again("t" * 8, 60, [], [])
    assert started[:2] == expected


def test_armed_again_without_any_holder(tmp_path, monkeypatch):
    host, _started = machine(tmp_path, monkeypatch, True)
    monkeypatch.setattr(guard.commands, "run", lambda argv, **_more: commands.Result(1, "", ""))
    with pytest.raises(RolloutError, match="state=rolled_back takes the changes back"):
        host._arm_again("t" * 8, 60, [], [])


# ---------------------------------------------------------------------------------------------------- whose lease it is


@pytest.mark.parametrize("owner", ["me@example.com", "other@example.com"])
def test_another_run_takes_nothing_back_without_force(owner):
    _armed, refused, state, forced, late, nothing = on_a_host(
        f"call('armed')\nchange()\ncall('rolled_back', token='secondrun', owner={owner!r})\nsaid.append(changed())\n"
        f"call('rolled_back', token='secondrun', owner={owner!r}, force=True)\n"
        "call('committed', step='compare')\ncall('rolled_back')"
    )
    assert "(armed " in refused["msg"]
    assert "state=rolled_back with force: true takes its changes back at once" in refused["msg"]
    assert ("another run of yours" if owner == "me@example.com" else "me@example.com") in refused["msg"]
    assert state is True
    assert forced["changed"]
    assert "me@example.com armed the host" in forced["warnings"][0]
    # The note was not theirs: the run that was guarded still hears of it, once.
    assert "rolled back" in late["msg"]
    assert "asked for (exactly as before)" in late["msg"]
    assert nothing == {"changed": False}


def test_force_is_said_as_a_warning(monkeypatch, capsys):
    testing = pytest.importorskip("ansible.module_utils.testing")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(module, "rolled_back", lambda host, given: {"changed": given["force"], "warnings": ["theirs"]})
    said = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda self, text: said.append(text))
    given = {"state": "rolled_back", "owner": "me", "token": "firstrun", "force": True}
    with testing.patch_module_args(given), pytest.raises(SystemExit):
        module.main()
    assert json.loads(capsys.readouterr().out)["changed"]
    assert said == ["theirs"]


def test_the_note_of_another_run_is_told_and_kept():
    _armed, _back, first, second, own, nothing = on_a_host(
        "call('armed')\nchange()\nhost.restore('firstrun')\nsaid.append(changed())\n"
        "call('rolled_back', token='secondrun')\ncall('rolled_back', token='secondrun')\n"
        "call('rolled_back')\ncall('rolled_back')"
    )
    assert "asked for" in first["rolled_back"]
    assert first == second == own
    assert nothing == {"changed": False}


def test_rolled_back_where_the_state_cannot_be_read():
    *_first, back, state = on_a_host(
        "call('armed')\nchange()\n"
        "def broken(): raise RolloutError('committed: unreadable')\nhost.compare = broken\n"
        "call('rolled_back')\nsaid.append(changed())"
    )
    assert back["changed"]
    assert "exactly as before" in back["rolled_back"]
    assert state is False


@pytest.mark.parametrize("owner", [None, "", "  ", "a\nb", "a\x1b[31mb", "x" * 129, 5])
def test_owner_refused(owner):
    with pytest.raises(RolloutError, match=r"owner: .* must be 1 to 128 printable characters"):
        guard.checked_owner(owner)


@pytest.mark.parametrize("owner", ["root@ansible.example.com", "J\u00fcrgen, desk 5", "x" * 128])
def test_owner(owner):
    assert guard.checked_owner(owner) == owner


# ----------------------------------------------------------------------------------------------- what lies in its place


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_text("x"), "is no folder but a file.*move it away"),
        (lambda path: path.symlink_to(path.parent), "is no folder but a link.*move it away"),
        (lambda path: path.symlink_to(path.parent / "nowhere"), "is no folder but a link.*move it away"),
        (lambda path: (path.mkdir(), (path / "x").touch()), "has no lease.json.*; on the host, move it away"),
        (lambda path: (path.mkdir(), (path / "guard.sh").touch()), r"has no lease.json.*sh .*guard\.sh restore"),
    ],
)
def test_something_else_in_its_place(tmp_path, make, reason):
    path = tmp_path / "guard"
    make(path)
    with pytest.raises(RolloutError, match=reason) as caught:
        guard.Guard(str(path)).lease()
    assert str(path) in str(caught.value)


def test_an_empty_folder_is_no_lease(tmp_path):
    assert guard.Guard(str(tmp_path)).lease() is None


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(RolloutError, match=r"nothing can be written to .*/missing .*; make it writable"):
        guard.Guard(str(tmp_path / "missing" / "guard")).arm("me@example.com", "t" * 8, 60, [], [])


def test_not_root(monkeypatch, capsys):
    testing = pytest.importorskip("ansible.module_utils.testing")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with testing.patch_module_args({"state": "armed", "owner": "me", "token": "firstrun"}), pytest.raises(SystemExit):
        module.main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["failed"]
    assert answer["msg"] == "guard: it needs root and runs as user 1000; set become: true"


# --------------------------------------------------------------------------------------------------------- how much


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("/*", "too wide"),
        ("/**", "too wide"),
        ("//", "too wide"),
        ("/*/x", "too wide"),
        ("/?tc/x", "too wide"),
        ("/./*", "too wide"),
        ("/dev/sda", "below /dev"),
        ("/proc/sys/net/*", "below /proc"),
        ("//proc/x", "below /proc"),
        ("/sys/*", "below /sys"),
        ("/run", "below /run"),
        ("/var/lib/*/*", "the guard's own"),
        ("/var/lib/ipv6-rollout-guard/lease.json", "the guard's own"),
    ],
)
def test_wide_patterns_refused(pattern, reason):
    with pytest.raises(RolloutError, match=rf"files: .*{reason}"):
        guard.patterns([pattern])


def test_a_link_into_what_is_no_file(tmp_path):
    (tmp_path / "link").symlink_to("/proc/sys")
    with pytest.raises(RolloutError, match="below /proc"):
        guard.patterns([f"{tmp_path}/link/*"])


@pytest.mark.parametrize("limit", ["MAX_FILES", "MAX_BYTES"])
def test_too_much(tmp_path, monkeypatch, limit):
    folder = tmp_path / "many"
    folder.mkdir()
    for name in "abcd":
        (folder / name).write_text("x")
    (folder / "again").symlink_to("a")
    monkeypatch.setattr(guard_files, limit, 4)
    guard_files.measure([f"{folder}/*", f"{folder}/a"])
    monkeypatch.setattr(guard_files, limit, 3)
    with pytest.raises(RolloutError, match=r"files: .*many/.*names too much"):
        guard_files.measure(["/nonexistent/*", f"{folder}/*"])
    with pytest.raises(RolloutError, match="names too much"):
        guard.Guard(str(tmp_path / "guard")).arm("me@example.com", "t" * 8, 60, [f"{folder}/*"], [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many"]
