# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of hosts before they are reached, and the report file, run as Ansible runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
INVENTORY = """
all:
  vars:
    ipv6_subnet: web
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  hosts:
    www1: {ansible_host: 192.0.2.80, ipv6_names: ["{{ nope }}"], ipv6_interface: "{{ nor_this }}"}
    www2: {ansible_host: 192.0.2.81, ipv6_names: ["{{ inventory_hostname }}.example.com"]}
"""
PLAN = "prefix: 2001:db8:1200::/48\nsubnets: {web: '2001:db8:1200::/64'}\nhosts: {}\n"
SAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ipv6.rollout.host_spec:
      register: said
    - ansible.builtin.copy:
        content: "{{ said | to_json }}"
        dest: "{{ inventory_dir | dirname }}/{{ inventory_hostname }}.json"
        mode: "0644"
"""
REPORT = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ipv6.rollout.readiness_report:
        members: {www1: {address: "2001:db8::80", names: []}}
        checks: [{id: www1|ping|ipv6}]
        proofs: [{id: www1|ping|ipv6, ok: true, evidence: seen, address: "2001:db8::80"}]
        state: "{{ state | default('present') }}"
"""


@pytest.fixture
def site(tmp_path):
    """A site whose inventory is a directory."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text(INVENTORY)
    (tmp_path / "ansible.cfg").touch()
    return tmp_path


def ansible(site, playbook, *words):
    """Run a playbook, or the text of one; return its exit status and what it said, on one line."""
    if isinstance(playbook, str):
        (site / "play.yml").write_text(playbook)
        playbook = site / "play.yml"
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
    done = subprocess.run(
        [str(program), "-i", str(site / "inventory"), str(playbook), *words],
        capture_output=True,
        text=True,
        env=environment,
        cwd=site,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_template_that_can_not_be_read_is_told_and_not_raised(site):
    code, said = ansible(site, SAY)
    assert code == 0, said
    told = json.loads((site / "www1.json").read_text())
    assert told["spec"] == {}
    assert "ipv6_names of www1: 'nope' is undefined" in told["refused"]
    assert "ipv6_interface of www1: 'nor_this' is undefined" in told["refused"]
    told = json.loads((site / "www2.json").read_text())
    assert told["refused"] == "" and told["spec"]["names"] == ["www2.example.com"]


def test_a_host_that_is_not_in_the_plan_is_left_out_of_the_withdrawal(site):
    (site / "ipv6_plan.yml").write_text(PLAN)
    code, said = ansible(site, ROOT / "playbooks" / "withdraw.yml")
    assert code == 0, said
    assert "WARNING: www1 is left as it is: the plan has no address for it" in said


def test_a_withdrawal_without_a_plan_says_so(site):
    code, said = ansible(site, ROOT / "playbooks" / "withdraw.yml")
    assert code != 0
    assert f"{site}/ipv6_plan.yml: there is no plan in it yet" in said


def test_the_report_goes_beside_the_inventory_directory_and_away_again(site):
    path = site / "ipv6_report.json"
    path.write_text("not JSON")
    assert ansible(site, REPORT, "--check")[0] == 0
    assert path.read_text() == "not JSON"
    assert ansible(site, REPORT)[0] == 0
    assert list(json.loads(path.read_text())["hosts"]) == ["www1"]
    code, said = ansible(site, REPORT, "-e", "state=absent", "--check")
    assert code == 0 and path.exists() and "CHANGED" in said, said
    code, said = ansible(site, REPORT, "-e", "state=absent")
    assert code == 0 and not path.exists(), said
    code, said = ansible(site, REPORT, "-e", "state=absent")
    assert code == 0 and "CHANGED" not in said, said
