# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on a host of its own: a namespace with the kernel's real labels, and /etc, /run and /var/lib empty."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.address_labels import KERNEL, LINK_PATH, UNIT_PATH
from ansible_collections.ipv6.rollout.plugins.module_utils.destination_info import libc
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import TABLES

SEPARATE = """
[ "$(readlink /proc/self/ns/mnt)" != "$1" ] && [ "$(readlink /proc/self/ns/net)" != "$2" ] || exit 9
for folder in /etc /run /var/lib; do
    mount -t tmpfs -o mode=755 tmpfs $folder || exit 9
done
shift 2
exec "$@"
"""
# It answers and notes what it is asked. A file says which units run, another which of them do not start again.
SYSTEMCTL = """\
#!/bin/sh
echo "$*" >>/run/asked
for unit; do :; done
case $1 in
show) grep -qx "$unit" /run/units && echo LoadState=loaded && echo ActiveState=active || echo LoadState=not-found ;;
try-restart) ! grep -qsx "$unit" /run/broken ;;
esac
"""
PRELUDE = """
import contextlib, io, json, os, subprocess
from unittest import mock
from ansible.module_utils.testing import patch_module_args
from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels, destination_info
from ansible_collections.ipv6.rollout.plugins.modules import address_selection as module

GAI = "/etc/gai.conf"
LEDGER = "/var/lib/ipv6-rollout/address_selection.json"
said = []

def put(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as handle:
        handle.write(text)
    os.chmod(path, mode)

def sh(text):
    return subprocess.run(["sh", "-c", text], check=True, capture_output=True, text=True).stdout

def tree():
    found = {}
    for top in ("/etc", "/var/lib"):
        for folder, folders, names in os.walk(top):
            for name in folders + names:
                path = os.path.join(folder, name)
                what = os.lstat(path)
                if os.path.islink(path):
                    content = os.readlink(path)
                else:
                    content = open(path, encoding="latin-1").read() if os.path.isfile(path) else "directory"
                found[path] = [oct(what.st_mode), what.st_uid, what.st_gid, content]
    return found

def look():
    said.append({"files": tree(), "labels": sorted(sh("ip addrlabel list").splitlines())})

def call(check=False, **args):
    out = io.StringIO()
    with patch_module_args({**args, "_ansible_check_mode": check, "_ansible_diff": True}):
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            module.main()
    said.append(json.loads(out.getvalue().splitlines()[-1]))

def asked():
    said.append(open("/run/asked").read().splitlines() if os.path.exists("/run/asked") else [])

os.makedirs("/run/systemd/system")
put("/run/bin/systemctl", os.environ["SYSTEMCTL"], 0o755)
os.environ["PATH"] = "/run/bin:" + os.environ["PATH"]
module.commands.SEARCH_PATH = "/run/bin:" + module.commands.SEARCH_PATH
put("/run/units", "squid.service\\nnscd\\n")
put(GAI, "# only comments here\\n", 0o640)
os.chown(GAI, 1, 2)
"""


@functools.cache
def why_not() -> str:
    """Return why this can't be run here, in words."""
    if os.geteuid() != 0:
        return "only root may make the namespaces that keep this machine out of reach"
    missing = [name for name in ("unshare", "ip", "mount") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} missing: no namespace with labels can be made"
    if not libc():
        return "the C library of this machine is not glibc"
    script = "mount -t tmpfs tmpfs /run && ip addrlabel add prefix 2001:db8::/32 label 9"
    tried = subprocess.run(["unshare", "-n", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    return f"no namespace can be made here: {tried.stderr.strip()}" if tried.returncode else ""


def on_a_host(script: str):
    """Run a script on a host of its own and return what it found."""
    if why_not():
        pytest.skip(why_not())
    outside = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net")]
    program = f"{PRELUDE}\n{script}\nprint('\\n' + json.dumps(said))"
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", SEPARATE, "sh", *outside, sys.executable, "-c", program],
        # The collection is found as it is here.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "SYSTEMCTL": SYSTEMCTL},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def listed(labels):
    """Labels as ``ip addrlabel list`` writes them."""
    names = {prefix: prefix.replace("::ffff:0:0/", "::ffff:0.0.0.0/") for prefix in labels}
    return sorted(f"prefix {names[prefix]} label {label} " for prefix, label in labels.items())


def of(name):
    return {row.prefix: row.label for row in TABLES[name]}


def test_check_mode_is_right_once_is_enough_and_all_comes_back():
    before, would, still, did, then, again, back_would, back, after, gone, end = on_a_host("""
sh("ip addrlabel add prefix 2001:db8:5::/48 label 99")
look()
call(check=True, policy="prefer_ipv4")
look()
call(policy="prefer_ipv4")
look()
call(policy="prefer_ipv4")
call(check=True, state="absent")
call(state="absent")
look()
call(state="absent")
look()
""")
    assert still == before
    assert would == did
    assert (did["changed"], did["files"]) == (True, ["/etc/gai.conf", UNIT_PATH, LINK_PATH])
    assert did["kept"] == ["2001:db8:5::/48 label 99"]
    assert "labels of others are kept" in str(did["warnings"])
    assert then["labels"] == listed({**of("prefer_ipv4"), "2001:db8:5::/48": 99})
    # Everybody may read the file now; the owner is who it was.
    assert then["files"]["/etc/gai.conf"][:3] == ["0o100644", 1, 2]
    assert then["files"][LINK_PATH][3] == UNIT_PATH
    assert not again["changed"]
    assert back_would == back
    assert back["changed"]
    # The folders for units were not there before the module made them, and are nobody's harm.
    assert {path: entry for path, entry in after["files"].items() if entry[3] != "directory"} == before["files"]
    assert after["labels"] == before["labels"] == listed({**KERNEL, "2001:db8:5::/48": 99})
    assert not gone["changed"]
    assert end == after


def test_absent_where_nothing_ever_was():
    before, done, after, asked = on_a_host("look()\ncall(state='absent', restart=['squid.service'])\nlook()\nasked()")
    assert not done["changed"]
    assert after == before
    assert asked == []


def test_from_one_policy_to_the_next_the_first_state_is_kept():
    before, *_calls, then, _back, after = on_a_host("""
look()
call(policy="prefer_ipv4")
mine = {"prefix": "2001:db8:7::/48", "precedence": 2, "label": 8}
call(policy=[{"prefix": "::/0", "precedence": 1, "label": 1}, mine])
call(policy="glibc")
look()
call(state="absent")
look()
""")
    assert then["labels"] == listed(of("glibc"))
    assert after["labels"] == before["labels"]
    assert after["files"]["/etc/gai.conf"] == before["files"]["/etc/gai.conf"]


def test_a_file_that_was_not_there_goes_again():
    done, then, _back, after = on_a_host("""
os.unlink(GAI)
call()
look()
call(state="absent")
look()
""")
    assert done["changed"]
    assert then["files"]["/etc/gai.conf"][:3] == ["0o100644", 0, 0]
    assert "/etc/gai.conf" not in after["files"]


def test_an_edited_file_is_put_right_and_given_back_with_a_warning():
    _first, put_right, then, back, after = on_a_host("""
call()
open(GAI, "a").write("precedence ::ffff:0:0/96 100\\n")
call()
look()
open(GAI, "a").write("precedence ::ffff:0:0/96 100\\n")
call(state="absent")
look()
""")
    assert put_right["files"] == ["/etc/gai.conf"]
    assert put_right["replaced"][0].endswith(
        "precedence ::ffff:0:0/96 100: glibc ignores it: an earlier line has this prefix"
    )
    assert then["files"]["/etc/gai.conf"][3].count("precedence  ::ffff:0:0/96") == 1
    assert "somebody has edited it since" in str(back["warnings"])
    assert after["files"]["/etc/gai.conf"][3] == "# only comments here\n"


BREAK = [
    # The folder of units is a file: gai.conf is written by then, and the labels are set.
    "put('/etc/systemd', 'no folder')",
    # The kernel refuses.
    f"put('/run/bin/ip', '#!/bin/sh\\n[ $1 != -batch ] || exit 7\\nexec {shutil.which('ip')} \"$@\"\\n', 0o755)",
    # The link can't be made.
    "put('/etc/systemd/system/sysinit.target.wants', 'no folder')",
]


@pytest.mark.parametrize("broken", BREAK)
@pytest.mark.parametrize("earlier", ["", "call(policy='glibc')"])
def test_where_a_step_fails_nothing_is_left(broken, earlier):
    if earlier and "'no folder'" in broken:
        broken = "sh('rm -r /etc/systemd')\n" + broken
    *_earlier, before, failed, after = on_a_host(f"{earlier}\n{broken}\nlook()\ncall(policy='prefer_ipv4')\nlook()")
    assert failed["failed"]
    assert after == before


@pytest.mark.parametrize("place", ["apply", "link"])
def test_killed_in_between_the_next_run_goes_on_or_back(place):
    before, back, back_again, after, done, again, then = on_a_host(f"""
def killed():
    if os.fork() == 0:
        # Where it comes to this the ledger is written, and by 'link' labels and files are, too.
        with mock.patch.object(address_labels, "{place}", lambda *given: os._exit(0)):
            call(policy="prefer_ipv4")
        os._exit(1)
    assert os.wait()[1] == 0
    assert os.path.exists(LEDGER)
    assert ("label" in open(GAI).read()) == ("{place}" == "link")

look()
killed()
call(state="absent")
call(state="absent")
look()
killed()
call(policy="prefer_ipv4")
call(policy="prefer_ipv4")
look()
""")
    assert (back["changed"], back_again["changed"]) == (True, False)
    assert after["labels"] == before["labels"]
    assert after["files"]["/etc/gai.conf"] == before["files"]["/etc/gai.conf"]
    assert (done["changed"], again["changed"]) == (True, False)
    assert then["labels"] == listed(of("prefer_ipv4"))
    assert then["files"][LINK_PATH][3] == UNIT_PATH


def test_units_are_restarted_once_and_only_if_the_file_changed():
    done, asked, again, asked_again, back, asked_back = on_a_host("""
call(restart=["squid.service", "nscd", "squid.service"])
asked()
call(restart=["squid.service", "nscd"])
asked()
os.unlink("/run/asked")
call(state="absent", restart=["nscd"])
asked()
""")
    assert done["restarted"] == ["squid.service", "nscd"]
    assert [line for line in asked if line.startswith("try-restart")] == [
        "try-restart squid.service",
        "try-restart nscd",
    ]
    assert (again["changed"], again["restarted"]) == (False, [])
    assert asked_again == asked
    assert back["restarted"] == ["nscd"]
    assert "try-restart nscd" in asked_back


def test_a_restart_that_failed_is_done_by_the_next_run():
    failed, would, mended, again, unmended, back, state = on_a_host("""
put("/run/broken", "nscd\\n")
call(restart=["squid.service", "nscd"])
put("/run/broken", "")
call(check=True, restart=["squid.service", "nscd"])
call(restart=["squid.service", "nscd"])
call(restart=["squid.service", "nscd"])
put("/run/broken", "nscd\\n")
call(state="absent", restart=["nscd"])
put("/run/broken", "")
call(state="absent", restart=["nscd"])
look()
""")
    assert "nscd did not restart" in failed["msg"]
    assert (mended["changed"], mended["restarted"], mended["files"]) == (True, ["nscd"], [])
    assert would == mended
    assert not again["changed"]
    assert "nscd did not restart" in unmended["msg"]
    assert back["restarted"] == ["nscd"]
    assert not [path for path in state["files"] if "ipv6-rollout" in path]


REFUSED = [
    ("policy='prefer_ipv5'", "policy: 'prefer_ipv5' is no policy table"),
    ("policy=7", "policy: 7 is no policy table"),
    ("policy=[{'prefix': 'fc00::/7', 'precedence': 1, 'label': 1}]", "lacks '::/0'"),
    ("policy=[7]", "policy[0]: 7 is no row"),
    ("policy=[]", "lacks '::/0'"),
    ("restart=['nosuch.service']", "restart: 'nosuch.service' is not on this host"),
    ("restart=['-H evil']", "restart: '-H evil' is no name of a unit"),
    ("restart=['']", "restart: '' is no name of a unit"),
]


def test_what_a_user_wrote_wrong_is_refused_and_nothing_changed():
    calls = "\n".join(f"call({arguments})" for arguments, _reason in REFUSED)
    before, *refused, after = on_a_host(f"look()\n{calls}\nlook()")
    assert len(refused) == len(REFUSED)
    for (_arguments, reason), answer in zip(REFUSED, refused):
        assert reason in answer["msg"]
    assert after == before


UNIT_FOLDER = "os.makedirs('/etc/systemd/system')"
HOSTS = [
    (f"{UNIT_FOLDER}; os.symlink('/dev/null', '{UNIT_PATH}')", f"{UNIT_PATH}: the unit is masked"),
    (f"{UNIT_FOLDER}; os.symlink('/etc/other.service', '{UNIT_PATH}')", f"{UNIT_PATH}: it is a link"),
    (f"{UNIT_FOLDER}; os.mkdir('{UNIT_PATH}')", f"{UNIT_PATH}: it is no regular file"),
    ("os.unlink(GAI); os.symlink('/dev/null', GAI)", "/etc/gai.conf: it is no regular file"),
    ("os.unlink(GAI); os.mkdir(GAI)", "/etc/gai.conf: it is no regular file"),
    ("os.rmdir('/run/systemd/system')", "systemd: it does not run here"),
    ("destination_info.libc = lambda: ''", "the C library of this host is not glibc"),
    ("address_labels.PROC = '/nowhere'", "ipv6.disable: the kernel has no IPv6"),
]


@pytest.mark.parametrize(("prepare", "reason"), HOSTS)
def test_a_host_that_can_not_is_refused_and_nothing_changed(prepare, reason):
    before, refused, after = on_a_host(f"{prepare}\nlook()\ncall()\nlook()")
    assert reason in refused["msg"]
    assert after == before


def test_ipv6_switched_off_by_sysctl_does_not_matter():
    done, then = on_a_host("sh('sysctl -qw net.ipv6.conf.all.disable_ipv6=1')\ncall()\nlook()")
    assert done["changed"]
    assert then["labels"] == listed(of("prefer_ipv6"))


def test_labels_and_file_go_back_where_the_kernel_has_lost_ipv6_since():
    done, after = on_a_host("call()\naddress_labels.PROC = '/nowhere'\nsaid.clear()\ncall(state='absent')\nlook()")
    assert done["changed"]
    assert after["files"]["/etc/gai.conf"][3] == "# only comments here\n"


def test_a_part_of_ipv4_stands_in_the_file_alone():
    """The kernel takes no label for it."""
    done, then, again = on_a_host("""
rows = [{"prefix": "::/0", "precedence": 40, "label": 1}, {"prefix": "10.0.0.0/8", "precedence": 50, "label": 7}]
call(policy=rows)
look()
call(policy=rows)
""")
    assert done["policy"][1]["prefix"] == "::ffff:10.0.0.0/104"
    assert "precedence  ::ffff:10.0.0.0/104  50\n" in then["files"]["/etc/gai.conf"][3]
    assert then["labels"] == listed({"::/0": 1})
    assert not again["changed"]


def test_a_restart_that_is_still_to_be_done_is_not_forgotten():
    _failed, other, warned, mended, again = on_a_host("""
put("/run/broken", "nscd\\n")
call(restart=["nscd"])
put("/run/broken", "")
call(policy="prefer_ipv4", restart=["squid.service"])
call(policy="prefer_ipv4")
call(policy="prefer_ipv4", restart=["nscd"])
call(policy="prefer_ipv4", restart=["nscd"])
""")
    assert other["restarted"] == ["squid.service"]
    assert not warned["changed"]
    assert "restart: nscd still has to be restarted" in str(warned["warnings"])
    assert (mended["changed"], mended["restarted"]) == (True, ["nscd"])
    assert not again["changed"]


def test_absent_is_done_once_whatever_is_still_to_be_restarted():
    _done, failed, gone, mended, end = on_a_host("""
call()
put("/run/broken", "nscd\\n")
call(state="absent", restart=["nscd"])
put("/run/broken", "")
call(state="absent")
call(state="absent", restart=["nscd"])
look()
""")
    assert failed["failed"]
    assert not gone["changed"]
    assert "nscd still has to be restarted" in str(gone["warnings"])
    assert mended["restarted"] == ["nscd"]
    assert not [path for path in end["files"] if "ipv6-rollout" in path]


def test_what_does_not_run_any_more_needs_no_restart():
    _done, failed, gone, end = on_a_host("""
call()
put("/run/broken", "nscd\\n")
call(state="absent", restart=["nscd"])
put("/run/units", "squid.service\\n")
call(state="absent")
look()
""")
    assert failed["failed"]
    assert (gone["changed"], gone.get("warnings")) == (False, None)
    assert not [path for path in end["files"] if "ipv6-rollout" in path]


@pytest.mark.parametrize("between", ["", "call()", "call(policy='glibc')"])
def test_labels_that_somebody_flushed_meanwhile_come_back(between):
    before, *_calls, after = on_a_host(f"""
look()
call()
sh("ip addrlabel flush")
{between}
call(state="absent")
look()
""")
    assert after["labels"] == before["labels"]


def test_a_link_that_is_missing_is_named_and_shown():
    _done, mended, back = on_a_host(f"call()\nos.unlink('{LINK_PATH}')\ncall()\ncall(state='absent')")
    assert (mended["changed"], mended["files"]) == (True, [LINK_PATH])
    assert [(one["before"], one["after"]) for one in mended["diff"]] == [("", f"link to {UNIT_PATH}\n")]
    assert LINK_PATH in back["files"]
    assert (f"link to {UNIT_PATH}\n", "") in [(one["before"], one["after"]) for one in back["diff"]]


@pytest.mark.parametrize("damage", ["{", "[]", '{"files": 7}'])
def test_a_damaged_ledger_is_named(damage):
    (refused,) = on_a_host(f"put(LEDGER, {damage!r})\ncall()")
    assert "address_selection.json: what was there before can't be read" in refused["msg"]
