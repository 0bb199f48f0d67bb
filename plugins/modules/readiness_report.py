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
  - In the file, hosts that are not part of this run keep what was last known of them, as long as the file is of the
    same prefix, and O(plan), where it is given, still has them.
  - It runs on the controller. It fails where a line was not proved, after it has shown the table.
options:
  members:
    description:
      - The hosts, as the P(ipv6.rollout.fleet_members#filter) filter returns them.
      - Needed where O(state=present).
    type: dict
  checks:
    description:
      - The checks that were made, as the P(ipv6.rollout.probe_checks#filter) filter returns them.
      - Needed where O(state=present).
    type: list
    elements: dict
  proofs:
    description:
      - What came out, as the module M(ipv6.rollout.probe) returns it.
      - Needed where O(state=present).
    type: list
    elements: dict
  path:
    description:
      - Where to write the JSON file, on the controller.
      - By default C(ipv6_report.json) beside the inventory file, or beside the inventory directory.
    type: raw
    default: ''
  plan:
    description: The plan.
    type: dict
    default: {}
  state:
    description: V(absent) removes the file.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: The table is shown, the file is neither written nor removed.
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
    plan: "{{ lookup('ipv6.rollout.plan') }}"
"""

RETURN = r"""
path:
  description: Where the JSON file is.
  returned: always
  type: str
  sample: /srv/site/ipv6_report.json
report:
  description:
    - This run's report as data.
    - The file has C(schema), C(made) and C(prefix) as well, and C(made) for each host.
  returned: where O(state=present)
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
