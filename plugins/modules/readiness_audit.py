#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: readiness_audit
short_description: Join what hosts, lab machine and name server say, judge it, and write the report
version_added: "0.1.0"
description:
  - The heart of the role C(readiness) with C(tasks_from=audit), which calls it as it is meant to be called.
  - It is called twice, delegated to the lab machine, with a look at each host in between. The first call, V(asked),
    lets the lab machine try what inventory and DNS promise. The second, V(judged), lets it try what was found to
    listen, judges all checks, and writes F(ipv6_audit.html), F(ipv6_audit.json) and F(ipv6_audit.xml) on the
    controller.
  - Nothing on the hosts is changed. What was not seen is unknown, and never counts as fine.
options:
  state:
    description: Which of the two calls it is.
    type: str
    choices: [asked, judged]
    required: true
  specs:
    description: The hosts, as the filter P(ipv6.rollout.host_specs#filter) returns them.
    type: dict
    required: true
  plan:
    description: The plan, as the lookup P(ipv6.rollout.plan#lookup) returns it.
    type: dict
    required: true
  lab:
    description: The inventory name of the lab machine. Without one, nothing is seen from outside.
    type: str
    default: ''
  outside_source:
    description: An IPv6 address of the lab machine that no rule lets in.
    type: str
    default: ''
  dns:
    description: What M(ipv6.rollout.zone_info) returned.
    type: dict
    default: {}
  asked:
    description: What the first call returned. Needed for O(state=judged).
    type: dict
    default: {}
  look:
    description: The name under which M(ipv6.rollout.host_info) was registered on each host.
    type: str
    default: ''
  accepted:
    description:
      - Failures that do not count.
      - Each has C(check) and C(because), and may have C(host), C(service), C(name), C(family).
    type: raw
    default: []
  before:
    description: The JSON file of an earlier audit to compare with. By default the one in O(folder), if there is one.
    type: raw
    default: ''
  folder:
    description: Where the files go, on the controller. By default beside the inventory file or directory.
    type: raw
    default: ''
  patience:
    description: Seconds for which a probe that fails is tried again.
    type: float
    default: 0.0
  strict:
    description: Whether the task fails where the verdict is not V(ready).
    type: bool
    default: false
  show:
    description: Whether the summary is printed.
    type: bool
    default: true
attributes:
  check_mode:
    description: Looks and judges, and writes no file.
    support: full
  diff_mode:
    description: A report is no change.
    support: none
  action:
    description: Runs on the controller, and on the lab machine by M(ipv6.rollout.probe).
    support: full
seealso:
  - module: ipv6.rollout.probe
  - module: ipv6.rollout.host_info
  - module: ipv6.rollout.zone_info
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: See from outside what the inventory promises
  ipv6.rollout.readiness_audit:
    state: asked
    specs: "{{ specs }}"
    plan: "{{ lookup('ipv6.rollout.plan') }}"
    lab: lab1
  register: asked
  delegate_to: lab1
  run_once: true

- name: Look at each host
  ipv6.rollout.host_info:
    rules: true
    audit: "{{ asked.wants[inventory_hostname] }}"
  register: seen

- name: Judge, and write the report
  ipv6.rollout.readiness_audit:
    state: judged
    specs: "{{ specs }}"
    plan: "{{ lookup('ipv6.rollout.plan') }}"
    lab: lab1
    asked: "{{ asked }}"
    look: seen
    folder: /srv/site/reports
  delegate_to: lab1
  run_once: true
"""

RETURN = r"""
proofs:
  description: What the lab machine saw, by the id of the probe.
  returned: where O(state=asked)
  type: dict
token:
  description: The text by which the hosts find the lab machine's requests in their logs.
  returned: where O(state=asked)
  type: str
wants:
  description: By host, what M(ipv6.rollout.host_info) is to be asked as its option C(audit).
  returned: where O(state=asked)
  type: dict
outside_why:
  description: Why nothing was seen from outside. Empty where something was.
  returned: where O(state=asked)
  type: str
run:
  description: What was done so far, and when.
  returned: where O(state=asked)
  type: dict
paths:
  description: The files, by C(html), C(json) and C(junit).
  returned: where O(state=judged)
  type: dict
verdict:
  description:
    - V(ready) where all is fine, V(not_ready) where something is wrong, V(not_proved) where something is unknown.
  returned: where O(state=judged)
  type: str
  sample: ready
counts:
  description: How many results there are of each status.
  returned: where O(state=judged)
  type: dict
  sample: {pass: 212, fail: 0, unknown: 0, not_applicable: 31}
internet_nl:
  description: The nine verdicts on IPv6 that Internet.nl gives, under C(web) and C(mail).
  returned: where O(state=judged)
  type: dict
failures:
  description: What is wrong, the worst first.
  returned: where O(state=judged)
  type: list
  elements: dict
"""
