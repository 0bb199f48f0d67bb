#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_spec
short_description: Check what the inventory says of this host
version_added: "0.1.0"
description:
  - Does what the P(ipv6.rollout.host_spec#filter) filter does, for the host that the task runs for.
  - It runs on the controller and does not fail. What is wrong comes back as text, so that a play can tell the faults of
    all hosts in one message.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: There is nothing to compare, since nothing is changed.
    support: none
  action:
    description: Runs on the controller.
    support: full
author:
  - ipv6.rollout contributors (@ipv6-rollout)
seealso:
  - plugin: ipv6.rollout.host_spec
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Read what the inventory says of the host
  ipv6.rollout.host_spec:
  register: said

- name: Stop where it can't be right
  ansible.builtin.assert:
    that: said.refused | length == 0
    fail_msg: "{{ said.refused }}"
"""

RETURN = r"""
spec:
  description: The host's specification, empty where something is wrong.
  returned: success
  type: dict
  sample: {subnet: web, interface_id: "::80", names: [www.example.com], daemons: [apache]}
refused:
  description: What is wrong, with the variable, the value and the way out; empty where all is well.
  returned: success
  type: str
  sample: ""
"""
