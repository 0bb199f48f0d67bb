# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan action and the plan lookup, run as Ansible runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[4]
INVENTORY = """
all:
  vars:
    ipv6_prefix: "2001:db8:1200::/48"
    ipv6_subnets: [{name: web}, {name: mail, number: "25"}]
  hosts:
    www1: {ansible_host: 192.0.2.80, ipv6_subnet: web, ipv6_interface_id: "::80"}
    mail1: {ansible_host: 192.0.2.160, ipv6_subnet: mail, ipv6_interface_id: ipv4_decimal}
    lab: {ansible_host: 198.51.100.9}
"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    (tmp_path / "ansible.cfg").touch()
    return tmp_path


def start(site, *words, playbook=ROOT / "playbooks" / "plan.yml"):
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
        "ANSIBLE_HOME": str(site / ".ansible"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        "ANSIBLE_CONFIG": str(site / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    return subprocess.Popen(
        [str(program), "-i", str(site / "hosts.yml"), str(playbook), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=site,
    )


def ansible(site, *words, **options):
    run = start(site, *words, **options)
    out, _nothing = run.communicate(timeout=120)
    return run.returncode, out


PLAN = """\
# The address plan: the only place where an IPv6 address is decided. Commit this file.
# Kept by ipv6.rollout.plan; nothing that has a place here ever moves.
prefix: 2001:db8:1200::/48
subnets:
  web: 2001:db8:1200::/64
  mail: 2001:db8:1200:25::/64
hosts:
  www1: 2001:db8:1200::80
  mail1: 2001:db8:1200:25:192:0:2:160
retired:
  subnets: {}
  hosts: {}
"""


def test_the_playbook_from_nothing_to_a_refusal(site):
    plan = site / "ipv6_plan.yml"
    code, out = ansible(site, "--check", "--diff")
    assert code == 0, out
    assert "+  www1: 2001:db8:1200::80" in out
    assert not plan.exists()
    code, out = ansible(site)
    assert code == 0, out
    assert plan.read_text() == PLAN
    first = plan.stat()
    code, out = ansible(site, "--limit", "mail1")
    assert code == 0, out
    assert "CHANGED" not in out
    assert plan.stat().st_ino == first.st_ino
    svg = ElementTree.fromstring((site / "ipv6_plan.svg").read_text())
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    map_before = (site / "ipv6_plan.svg").read_text()
    inventory = INVENTORY.replace("[{name: web}", "[{name: new}, {name: web}")
    (site / "hosts.yml").write_text(inventory)
    code, out = ansible(site, "--check", "--diff")
    assert code == 0, out
    assert [line for line in out.splitlines() if line.startswith(("+ ", "- "))] == ["+  new: 2001:db8:1200:8000::/64"]
    assert plan.read_text() == PLAN
    assert (site / "ipv6_plan.svg").read_text() == map_before
    plan.write_text(PLAN.replace("1200::80", "1200:0:fdff:ffff:ffff:fffe"))
    code, out = ansible(site)
    assert code != 0
    assert f"{plan}: hosts: www1: 2001:db8:1200:0:fdff:ffff:ffff:fffe is a reserved subnet anycast address" in out
    code, out = ansible(site, "-e", json.dumps({"plan_state": "absent"}))
    assert code == 0, out
    assert sorted(path.name for path in site.iterdir() if path.name.startswith("ipv6_")) == []


def test_the_table_and_another_provider(site):
    code, out = ansible(site)
    assert code == 0, out
    rows = [line.split() for line in out.splitlines()]
    assert any(row[:3] == ["mail", "2001:db8:1200:25::/64", "25"] for row in rows), out
    (site / "hosts.yml").write_text(INVENTORY.replace("2001:db8:1200::/48", "3fff:77::/48"))
    code, out = ansible(site, "--check", "--diff")
    assert code == 0, out
    assert "ipv6_prefix was 2001:db8:1200::/48 and is 3fff:77::/48" in out
    assert "+  mail1: 3fff:77:0:25:192:0:2:160" in out
    assert (site / "ipv6_plan.yml").read_text() == PLAN
    code, out = ansible(site)
    assert code == 0, out
    assert (site / "ipv6_plan.yml").read_text() == PLAN.replace("2001:db8:1200:25:", "3fff:77:0:25:").replace(
        "2001:db8:1200:", "3fff:77:"
    )


def test_a_file_that_is_no_map_is_never_touched(site):
    (site / "ipv6_plan.svg").write_text("<svg>by hand</svg>")
    before = (site / "hosts.yml").read_text()
    for name, message in (
        (".svg", "ipv6_plan.svg is there and is no map of a plan; choose another name"),
        ("hosts.yml", "hosts.yml is there and is no map of a plan; choose another name"),
        ("nowhere/x.svg", "its folder is not there; make the folder first"),
    ):
        code, out = ansible(site, "-e", json.dumps({"ipv6_plan_map": name}))
        assert code != 0
        assert message in out.replace("\n", " ")
        assert not (site / "ipv6_plan.yml").exists()
    code, out = ansible(site, "-e", json.dumps({"ipv6_plan_map": "map.svg"}))
    assert code == 0, out
    for state in ("present", "absent"):
        code, out = ansible(site, "-e", json.dumps({"ipv6_plan_map": "ipv6_plan.yml", "plan_state": state}))
        assert code != 0
        assert (site / "ipv6_plan.yml").read_text() == PLAN
    code, out = ansible(site, "-e", json.dumps({"ipv6_plan_map": "map.svg", "plan_state": "absent"}))
    assert code == 0, out
    assert not (site / "map.svg").exists()
    assert (site / "ipv6_plan.svg").read_text() == "<svg>by hand</svg>"
    assert (site / "hosts.yml").read_text() == before


def test_two_runs_at_once_lose_nothing(site):
    """Each run knows hosts of its own. Whoever writes last has seen what the other one wrote."""
    runs = []
    for count in range(3):
        hosts = {f"run{count}": {"subnet": "web", "interface_id": "next"}}
        runs.append(start(site, "-e", json.dumps({"plan_hosts": hosts})))
    for run in runs:
        out, _nothing = run.communicate(timeout=120)
        assert run.returncode == 0, out
    plan = (site / "ipv6_plan.yml").read_text()
    assert sorted(set(re.findall(r"run\d", plan))) == ["run0", "run1", "run2"]
    assert sorted(set(re.findall(r"1200::\d\b", plan))) == ["1200::1", "1200::2", "1200::3"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('ipv6_prefix: "2001:db8:1200::/48"', "ipv6_prefix: 1:20"), "ipv6_prefix: 80 is a number, not text"),
        (("2001:db8:1200::/48", "2001:db8:1200::1/48"), "has host bits set; the prefix is 2001:db8:1200::/48"),
        (('"::80"', "80"), "ipv6_interface_id of www1: 80 is a number, not text"),
        (("ipv6_subnet: web", "ipv6_subnet: wep"), "ipv6_subnet of www1: 'wep' is not in ipv6_subnets"),
    ],
)
def test_bad_input_is_one_clear_message_and_no_file(site, change, message):
    (site / "hosts.yml").write_text(INVENTORY.replace(*change))
    code, out = ansible(site)
    assert code != 0
    assert message in out.replace("\n", " ")
    assert not (site / "ipv6_plan.yml").exists()


LOOKUP = """
- hosts: www1
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ lookup('ipv6.rollout.plan', expression | default('@')) }}"
"""


def test_the_lookup(site):
    playbook = site / "lookup.yml"
    playbook.write_text(LOOKUP)

    def look(**variables):
        return ansible(site, "-e", json.dumps(variables), playbook=playbook)

    code, out = look()
    assert code != 0
    assert "there is no plan in it yet; run the playbook ipv6.rollout.plan first" in out.replace("\n", " ")
    (site / "ipv6_plan.yml").write_text(PLAN)
    for variables, found in (
        ({}, '"prefix": "2001:db8:1200::/48"'),
        ({"expression": "values(hosts)"}, '"2001:db8:1200:25:192:0:2:160"'),
        ({"expression": "subnets.web", "ipv6_plan_file": "ipv6_plan.yml"}, '"msg": "2001:db8:1200::/64"'),
    ):
        code, out = look(**variables)
        assert code == 0, out
        assert found in out
    code, out = look(expression="values(")
    assert code != 0
    assert "ipv6.rollout.plan: 'values(' is no JMESPath expression" in out.replace("\n", " ")
    code, out = look(ipv6_plan_file="/nowhere/plan.yml")
    assert code != 0
    assert "/nowhere/plan.yml: there is no plan in it yet" in out.replace("\n", " ")
