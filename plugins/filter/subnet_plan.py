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
        one gets room for twice its subnets).
      - C(number) pins the subnet's number within its parent, as hexadecimal text. C(prefix) pins it as a whole.
        C(vlan) takes the number from a VLAN, see O(vlan_numbers); C(number) may then be V(vlan_hex) or V(vlan_decimal)
        for this subnet.
      - C(subnets) are its subnets, C(growth) is the order in which they are given out, and C(reserved) says what is
        not, as in O(reserved).
      - A text of several lines will do as well, with a path and C(key=value) words on each line. It crosses Ansible's
        templating at once, where a list costs time for each entry.
    type: raw
    required: true
  previous:
    description: The plan so far, as a dictionary or as the text of a plan file.
    type: raw
    default: {}
  hosts:
    description:
      - The hosts by name, each with C(subnet), C(interface_id) and C(ipv4).
      - C(interface_id) is a literal such as C(::80), or one of C(ipv4_decimal), C(ipv4_hex), C(service), C(stable) and
        C(next). By default it is C(stable).
      - C(service) is the number of the service for the policy of that name.
    type: dict
    default: {}
  growth:
    description:
      - The order in which the subnets of the top level are given out. A subnet sets the order of its own itself.
      - V(leftmost), V(centermost) and V(rightmost) are those of RFC 3531. V(hash) goes by name, and is for those who
        keep no plan.
      - V(centermost_ascending) and V(centermost_alternating) are what other programs make of what the RFC leaves open.
    type: str
    choices: [leftmost, centermost, rightmost, centermost_ascending, centermost_alternating, hash]
    default: leftmost
  reserved:
    description:
      - What is not given out at the top level unless a subnet is pinned there, and what no subnet grows into.
      - A list of hexadecimal numbers (V(f0)), ranges (V(f0-ff)) and prefixes. Numbers count in C(/64), or in blocks of
        the length behind a slash (V(3/56)).
    type: list
    elements: str
    default: []
  vlan_numbers:
    description:
      - How C(vlan) becomes a number. VLAN 100 is number C(64) with V(vlan_hex), and C(100), the digits as they read,
        with V(vlan_decimal).
    type: str
    choices: [vlan_hex, vlan_decimal]
    default: vlan_hex
  ula_prefix:
    description:
      - A unique local prefix (RFC 4193), in which every subnet and host has a twin with the same number and identifier.
      - The twins are C(ula) in the plan.
    type: str
  output:
    description: What to return. V(data) is a dictionary, V(text) the text of a plan file.
    type: str
    choices: [data, text]
    default: data
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

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan, plan_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_read import is_date


def subnet_plan(  # pylint: disable=too-many-arguments
    prefix,
    subnets,
    previous=None,
    hosts=None,
    growth="leftmost",
    purge=False,
    today=None,
    seed="",
    reserved=None,
    vlan_numbers="vlan_hex",
    ula_prefix=None,
    output="data",
):
    """Return the plan for a prefix."""
    if today is None:
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    try:
        if not is_date(str(today)):
            raise RolloutError(f"today: {shown(today)} is not a date such as '2026-01-31'")
        if not isinstance(purge, bool):
            raise RolloutError(
                f"purge: {shown(purge)} is neither true nor false; write it without quotes, or add '| bool'"
            )
        if output not in ("data", "text"):
            raise RolloutError(f"output: {shown(output)} is not known; write data or text")
        found = plan.subnet_plan(
            prefix,
            subnets,
            plan_file.parse(previous, "previous") if isinstance(previous, str) else previous,
            hosts,
            today=str(today),
            purge=purge,
            growth=growth,
            reserved=reserved,
            vlan_numbers=vlan_numbers,
            ula_prefix=ula_prefix,
            seed="" if seed is None else str(seed),
        )
        return found if output == "data" else plan_file.render(found)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.subnet_plan: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"subnet_plan": subnet_plan}
