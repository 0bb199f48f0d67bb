# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan file: its place, its bytes, and what is refused in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file

PLAN = {
    "prefix": "2001:db8:1200::/48",
    "subnets": {"web": "2001:db8:1200::/64", "no": "2001:db8:1200:25::/64", "2026": "2001:db8:1200:26::/64"},
    "hosts": {
        "www1": "2001:db8:1200::80",
        "192.0.2.7": "2001:db8:1200::7",
        "ten": "2001:db8:1200:25::",
        "decimal": "2001:10:20:30:40:50:1:2",
    },
    "retired": {
        "subnets": {"old/x": {"prefix": "2001:db8:1200:27::/64", "since": "2026-01-31"}},
        "hosts": {"gone/smtp": {"address": "2001:db8:1200::9", "since": "2026-01-31"}},
    },
}


def test_the_text():
    assert plan_file.render(PLAN) == (
        "# The address plan: the only place where an IPv6 address is decided. Commit this file.\n"
        "# Kept by ipv6.rollout.plan; nothing that has a place here ever moves.\n"
        "prefix: 2001:db8:1200::/48\n"
        "subnets:\n"
        "  web: 2001:db8:1200::/64\n"
        "  'no': 2001:db8:1200:25::/64\n"
        "  '2026': 2001:db8:1200:26::/64\n"
        "hosts:\n"
        "  www1: 2001:db8:1200::80\n"
        "  '192.0.2.7': 2001:db8:1200::7\n"
        "  ten: '2001:db8:1200:25::'\n"
        "  decimal: '2001:10:20:30:40:50:1:2'\n"
        "retired:\n"
        "  subnets:\n"
        "    old/x: {prefix: '2001:db8:1200:27::/64', since: '2026-01-31'}\n"
        "  hosts:\n"
        "    gone/smtp: {address: '2001:db8:1200::9', since: '2026-01-31'}\n"
    )


def test_any_yaml_reader_gets_the_same():
    assert yaml.safe_load(plan_file.render(PLAN)) == PLAN
    assert plan_file.parse(plan_file.render(PLAN), "x") == PLAN
    empty = {"prefix": "2001:db8::/48", "subnets": {}, "hosts": {}, "retired": {"subnets": {}, "hosts": {}}}
    assert yaml.safe_load(plan_file.render(empty)) == empty


def test_the_default_place(tmp_path):
    (tmp_path / "inventory").mkdir()
    (tmp_path / "hosts.yml").touch()
    beside = str(tmp_path / "ipv6_plan.yml")
    assert plan_file.default_path(None, [str(tmp_path / "hosts.yml")]) == beside
    assert plan_file.default_path("", [str(tmp_path / "inventory")]) == beside
    assert plan_file.default_path(None, [str(tmp_path / "inventory") + "/"]) == beside
    assert plan_file.default_path(None, ["a,b", str(tmp_path / "hosts.yml")]) == beside
    assert plan_file.default_path("x/p.yml", [str(tmp_path / "hosts.yml")]) == str(tmp_path / "x" / "p.yml")
    assert plan_file.default_path("/srv/p.yml", None) == "/srv/p.yml"
    with pytest.raises(RolloutError) as caught:
        plan_file.default_path(None, ["a,b"])
    assert str(caught.value) == (
        "ipv6_plan_file: there is no inventory file that ipv6_plan.yml could be beside; set ipv6_plan_file to a path"
    )
    with pytest.raises(RolloutError) as caught:
        plan_file.default_path(5, [])
    assert str(caught.value) == "ipv6_plan_file: 5 is not a path; write one in quotes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prefix: [", "p: line "),
        ("hosts:\n  a: '1'\n  a: '2'\n", "p: line 3: 'a' is there twice; take one of the two lines out"),
        ("- a\n", "p: it is not a plan; the keys are prefix, subnets, hosts and retired"),
    ],
)
def test_what_is_no_plan(text, message):
    with pytest.raises(RolloutError) as caught:
        plan_file.parse(text, "p")
    assert str(caught.value).startswith(message)


def test_reading_and_checking(tmp_path):
    path = tmp_path / "ipv6_plan.yml"
    with pytest.raises(RolloutError) as caught:
        plan_file.load(str(path))
    assert str(caught.value) == f"{path}: there is no plan in it yet; run the playbook ipv6.rollout.plan first"
    path.write_text("prefix: 2001:db8:1200::/48\nsubnets:\n  web: 2001:db8:1200::/64\nhosts:\nretired:\n")
    assert plan_file.load(str(path)) == {
        "prefix": "2001:db8:1200::/48",
        "subnets": {"web": "2001:db8:1200::/64"},
        "hosts": {},
        "retired": {"subnets": {}, "hosts": {}},
    }
    path.write_text("prefix: 2001:db8:1200::/48\nhosts:\n  a: 2001:10\n")
    with pytest.raises(RolloutError) as caught:
        plan_file.load(str(path))
    assert str(caught.value) == f"{path}: hosts: a: '2001:10' is not an IPv6 address"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RolloutError) as caught:
        plan_file.load(str(path))
    assert str(caught.value) == f"{path}: it is not text in UTF-8"


def test_saving_keeps_permissions_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "ipv6_plan.yml"
    plan_file.save(str(path), "a\n")
    path.chmod(0o640)
    plan_file.save(str(path), "b\n")
    assert path.read_text() == "b\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["ipv6_plan.yml"]


COUNT = """
import sys
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file
for _ in range(50):
    with plan_file.locked(sys.argv[1]):
        number = int(plan_file.read_text(sys.argv[1]) or 0)
        plan_file.save(sys.argv[1], str(number + 1))
"""


def test_two_writers_at_once_lose_nothing(tmp_path):
    path = str(tmp_path / "ipv6_plan.yml")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [subprocess.Popen([sys.executable, "-c", COUNT, path], env=environment) for _writer in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert plan_file.read_text(path) == "150"


def test_a_folder_that_is_not_there():
    with pytest.raises(RolloutError) as caught, plan_file.locked("/nowhere/at/all/p.yml"):
        pass
    assert str(caught.value) == (
        "/nowhere/at/all/p.yml: its folder cannot be opened: No such file or directory; make the folder first"
    )
