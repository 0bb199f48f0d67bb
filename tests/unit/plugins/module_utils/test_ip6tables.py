# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule set against a real kernel, in namespaces of its own: the boot file, and what is judged before a load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

# The mounts are made in a namespace of their own: the machine's files and rules are never touched.
ISOLATED = """
set -e
[ "$(readlink /proc/self/ns/mnt)" != "$1" ] && [ "$(readlink /proc/self/ns/net)" != "$2" ]
mount -t tmpfs none /var/lib
mkdir -p "$3" && mount -t tmpfs none "$3"
shift 3
exec "$@"
"""
PROGRAM = """
import json, sys
from ansible_collections.ipv6.rollout.plugins.module_utils import commands, ip6tables, rules
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
given = json.load(sys.stdin)
ip6tables.RULES_FILE = given["file"]
ip6tables.boots = lambda: True
if given["boot"]:
    open(given["file"], "w").write(given["boot"])
if given["live"]:
    commands.check(["ip6tables-restore"], stdin=given["live"])
said = []
for call in given["calls"]:
    try:
        policy = rules.policy(call.get("lab", []), call.get("management", []), 22, [])
        done = ip6tables.present(policy, "keep", call.get("replace", False), True)
        said.append({"changed": done.changed, "warnings": done.warnings})
    except RolloutError as error:
        said.append({"error": str(error)})
try:
    with open(given["file"]) as handle:
        boot = handle.read()
except FileNotFoundError:
    boot = ""
print(json.dumps({"said": said, "boot": boot, "live": commands.run(["ip6tables-save"]).out}))
"""


def run(tmp_path, *calls, boot="", live=""):
    """Call the core in an empty network namespace, with these rules and this boot file there."""
    if os.geteuid() != 0 or not shutil.which("ip6tables-restore"):
        pytest.skip("needs root and ip6tables")
    if subprocess.run(["unshare", "--net", "--mount", "true"], check=False).returncode:
        pytest.skip("namespaces can't be made here")
    folder = tmp_path / "iptables"
    outside = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net")]
    done = subprocess.run(
        [
            "unshare",
            "--net",
            "--mount",
            "sh",
            "-c",
            ISOLATED,
            "sh",
            *outside,
            str(folder),
            sys.executable,
            "-c",
            PROGRAM,
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # the collection is found as it is here
        input=json.dumps({"calls": calls, "boot": boot, "live": live, "file": str(folder / "rules.v6")}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


HEAD = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
BROKEN = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j NOWHERE\nCOMMIT\n"


@pytest.mark.parametrize("everywhere", ["::/0", "2001:db8::/32"])
def test_a_second_call_changes_nothing(tmp_path, everywhere):
    call = {"management": [everywhere], "lab": ["2001:db8:feed::/64"]}
    done = run(tmp_path, call, call)
    assert [one.get("changed") for one in done["said"]] == [True, False]
    assert "--dport 22" in done["live"]


def test_a_broken_table_of_somebody_else_does_not_leave_the_host_without_a_filter_at_boot(tmp_path):
    done = run(tmp_path, {}, boot=BROKEN)
    assert "a table that is not ours does not load at boot" in done["said"][0]["warnings"][-1]
    assert done["boot"].startswith("*filter\n") and "NOWHERE" in done["boot"]


def test_a_boot_file_that_would_not_load_our_rules_is_refused_before_anything_is_changed(tmp_path):
    boot = HEAD + ":BANNED - [0:0]\n-A INPUT -j BANNED\n-A BANNED -m set --match-set gone src -j DROP\nCOMMIT\n"
    done = run(tmp_path, {}, boot=boot)
    assert "it needs the ipset gone" in done["said"][0]["error"]
    assert done["boot"] == boot and "ROLLOUT" not in done["live"]


def test_the_end_of_somebody_elses_rule_set_is_told_and_stands_behind(tmp_path):
    live = HEAD + ":LOGDROP - [0:0]\n-A INPUT -j LOGDROP\n-A LOGDROP -j DROP\nCOMMIT\n"
    call = {"management": ["2001:db8::/32"], "replace": True}
    done = run(tmp_path, {**call, "replace": False}, call, {**call, "replace": False}, live=live)
    assert "behind '-A INPUT -j LOGDROP' no rule counts any more" in done["said"][0]["error"]
    assert [one.get("changed") for one in done["said"][1:]] == [True, False]
    inside = [line for line in done["live"].splitlines() if line.startswith("-A INPUT ")]
    assert inside[-1] == "-A INPUT -j LOGDROP"
