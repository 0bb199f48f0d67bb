#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: readiness_report
short_description: Show what was proved, host by service by family
version_added: "0.1.0"
description:
  - Prints a table with a line for each host, service and family, and writes the same as JSON.
  - It runs on the controller. It fails where a line was not proved, after it has shown the table.
options:
  members:
    description: The hosts, as the P(ipv6.rollout.fleet_members#filter) filter returns them.
    type: dict
    required: true
  checks:
    description: The checks that were made, as the P(ipv6.rollout.probe_checks#filter) filter returns them.
    type: list
    elements: dict
    required: true
  proofs:
    description: What came out, as the module M(ipv6.rollout.probe) returns it.
    type: list
    elements: dict
    required: true
  path:
    description: Where to write the JSON file, on the controller.
    type: str
    required: true
  plan:
    description: The plan.
    type: dict
    default: {}
attributes:
  check_mode:
    description: The table is shown, the file is not written.
    support: full
  diff_mode:
    description: A report is no change.
    support: none
  action:
    description: Runs on the controller.
    support: full
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Show what was proved
  ipv6.rollout.readiness_report:
    members: "{{ members }}"
    checks: "{{ checks }}"
    proofs: "{{ probe_result.proofs }}"
    path: "{{ playbook_dir }}/ipv6_report.json"
"""

RETURN = r"""
path:
  description: Where the JSON file is.
  returned: always
  type: str
  sample: /srv/site/ipv6_report.json
report:
  description: The report as data.
  returned: always
  type: dict
  contains:
    hosts:
      description: By host name C(address), C(ipv4), C(names), and whether all of it is C(proved).
      type: dict
    lines:
      description: Each with C(host), C(service), C(family), C(name), C(address), C(port), C(proved), C(evidence).
      type: list
      elements: dict
    proved:
      description: How many lines were proved.
      type: int
      sample: 12
    unproved:
      description: How many lines were not.
      type: int
      sample: 0
"""
