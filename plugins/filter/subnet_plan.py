# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give every subnet and host its place."""

from __future__ import annotations

DOCUMENTATION = r"""
name: subnet_plan
short_description: Give every subnet and host its IPv6 place
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the address plan of a prefix as flat text maps.
  - What has a place in the previous plan keeps it. What left is kept under C(retired), and is not given out again.
  - To keep the plan in a file, use M(ipv6.rollout.plan), which does the same.
positional: _input, subnets, previous, hosts
options:
  _input:
    description: The prefix, from a C(/16) to a C(/127).
    type: str
    required: true
  subnets:
    description:
      - The subnets, as a list of dictionaries, nested to any depth.
      - C(name) is required. C(length) is the prefix length (a leaf is a C(/64) unless it says otherwise, a site without
        one gets room for twice its subnets). C(number) pins the subnet's number within its parent, as hexadecimal text.
        C(growth) is the order in which its own subnets are given out. C(subnets) are its subnets.
    type: list
    elements: dict
    required: true
  previous:
    description: The plan so far.
    type: dict
    default: {}
  hosts:
    description:
      - The hosts by name, each with C(subnet), C(interface_id) and C(ipv4).
      - C(interface_id) is a literal such as C(::80), or one of C(ipv4_decimal), C(ipv4_hex), C(stable) and C(next).
        By default it is C(stable).
    type: dict
    default: {}
  growth:
    description:
      - The order in which the subnets of the top level are given out. A subnet sets the order of its own itself.
      - V(leftmost), V(centermost) and V(rightmost) are those of RFC 3531. V(hash) goes by name, and is for those who
        keep no plan.
    type: str
    choices: [leftmost, centermost, rightmost, hash]
    default: leftmost
  purge:
    description: Whether to forget what was retired before, so that its places can be given out again.
    type: bool
    default: false
  today:
    description: The date for what leaves now, such as V(2026-01-31). By default it is the date in UTC.
    type: str
  seed:
    description: A secret that goes into C(stable) interface identifiers.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Plan two subnets and a site
  ansible.builtin.debug:
    msg: "{{ '2001:db8:1200::/48' | ipv6.rollout.subnet_plan(subnets, hosts=hosts) }}"
  vars:
    subnets:
      - name: web
      - name: mail
        number: "25"
      - name: ams
        length: 56
        subnets: [{name: office}]
    hosts:
      www1: {subnet: web, interface_id: "::80"}
"""

RETURN = r"""
_value:
  description: The plan, in address order.
  type: dict
  sample:
    prefix: 2001:db8:1200::/48
    subnets:
      web: 2001:db8:1200::/64
      mail: 2001:db8:1200:25::/64
      ams: 2001:db8:1200:8000::/56
      ams/office: 2001:db8:1200:8000::/64
    hosts: {www1: "2001:db8:1200::80"}
    retired: {subnets: {}, hosts: {}}
"""

import datetime

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan


def subnet_plan(prefix, subnets, previous=None, hosts=None, growth="leftmost", purge=False, today=None, seed=""):  # pylint: disable=too-many-arguments
    """Return the plan for a prefix."""
    if today is None:
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    try:
        return plan.subnet_plan(
            prefix, subnets, previous, hosts, today=str(today), purge=bool(purge), growth=growth, seed=str(seed)
        )
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.subnet_plan: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"subnet_plan": subnet_plan}
