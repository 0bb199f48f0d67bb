# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit without a lab machine and with hosts that were not looked at, run as Ansible runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SCHEMA = "ipv6.rollout/audit/1"
INVENTORY = """
all:
  hosts:
    www1:
      ipv6_subnet: web
      ipv6_dns: 5
      nat64_clients: ["{{ nope }}"]
      ipv6_gateway: "{{ nor_this }}"
      readiness_paths: {a: ["{{ 1 / 0 }}"]}
      ipv6_names: "{{ lookup('file', '/nowhere') }}"
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    specs:
      www1: {ipv4: 192.0.2.80, subnet: web, names: [], lab_names: [], services: [], mail_domains: [], interface: ""}
    plan: {prefix: "2001:db8:1200::/48", subnets: {web: "2001:db8:1200::/64"}, hosts: {www1: "2001:db8:1200::80"}}
    settings: {accepted: "{{ accepted | default([]) }}", before: "{{ before | default('') }}", folder: "{{ folder }}"}
  tasks:
    - name: Ask
      ipv6.rollout.readiness_audit:
      args: "{{ {'state': 'asked', 'specs': specs, 'plan': plan} | combine(settings) }}"
      register: asked
    - name: Judge
      ipv6.rollout.readiness_audit:
      args: "{{ {'state': 'judged', 'specs': specs, 'plan': plan, 'asked': asked, 'show': false} | combine(settings) }}"
"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninject_facts_as_vars = false\n")
    return tmp_path


def audit(site, **given):
    """Audit twice over, as the role does; return the exit status and what was said, on one line."""
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
        "ANSIBLE_HOME": str(site / ".ansible"),
        "ANSIBLE_CONFIG": str(site / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "COLUMNS": "1000",
        "LC_ALL": "C.UTF-8",
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    words = ["-i", "hosts.yml", "play.yml", "-e", json.dumps({"folder": str(site / "out"), **given})]
    done = subprocess.run(
        [str(program), *words], capture_output=True, text=True, env=environment, cwd=site, check=False
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_it_writes_the_three_files_and_compares_with_the_last_audit(site):
    code, said = audit(site)
    assert code == 0, said
    assert sorted(os.listdir(site / "out")) == ["ipv6_audit.html", "ipv6_audit.json", "ipv6_audit.xml"]
    first = json.loads((site / "out" / "ipv6_audit.json").read_text())
    assert first["before"] is None and first["site"]["verdict"] == "not_proved"
    assert audit(site)[0] == 0
    second = json.loads((site / "out" / "ipv6_audit.json").read_text())
    assert second["before"]["changes"] == second["before"]["ipv4_harmed"] == []
    assert second["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100000,
        '{"schema": "ipv6.rollout/audit/0"}',
        json.dumps({"schema": SCHEMA, "run": [1], "results": [{"a": 1}], "hosts": 5}),
        json.dumps({"schema": SCHEMA, "run": {"made": "x"}, "site": {"verdict": "ready"}, "matrix": [], "results": 5}),
    ],
)
def test_a_broken_report_of_earlier_does_not_stop_an_audit_unless_it_is_named(site, text):
    (site / "out").mkdir()
    path = site / "out" / "ipv6_audit.json"
    path.write_text(text)
    code, said = audit(site, before=str(path))
    assert code and "readiness_before: " in said and "Traceback" not in said
    assert "TASK [Judge]" not in said
    code, said = audit(site)
    assert code == 0, said
    assert "is no report of an audit" in said
    assert json.loads(path.read_text())["before"] is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"folder": {"a": 1}}, "readiness_folder: "),
        ({"before": ["x"]}, "readiness_before: "),
        ({"accepted": [{"check": "Q99", "because": "x"}]}, "readiness_accepted: "),
        ({"folder": "/dev/null/below"}, "/dev/null"),
    ],
)
def test_what_can_not_work_is_said_before_anything_is_asked(site, given, words):
    code, said = audit(site, **given)
    assert code == 2 and words in said and "Traceback" not in said
    assert "TASK [Judge]" not in said


def test_a_relative_folder_with_a_space_is_made(site):
    code, said = audit(site, folder="a b/c")
    assert code == 0, said
    assert (site / "a b" / "c" / "ipv6_audit.json").is_file()
