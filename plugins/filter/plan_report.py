# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say how full a plan is and what can still grow."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_report
short_description: Say how full a plan is and what can still grow
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns, for each subnet of a plan, its number in its parent and its headroom, which is how many times it can double
    in place.
  - A subnet doubles in place when it keeps its first address and its length gets shorter by one. It can do so down to
    its parent's length, as long as no other subnet, no retired one and no reserved block is in the way.
  - Returns as well what is free, and notes on what costs more than it needs to, and on what has the least room left.
positional: _input, reserved
options:
  _input:
    description:
      - The plan, as P(ipv6.rollout.plan#lookup) and P(ipv6.rollout.subnet_plan#filter) give it.
    type: dict
    required: true
  reserved:
    description: Prefixes that are never given out automatically. They lie inside the plan's prefix.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse a plan in which a site cannot double any more
  ansible.builtin.assert:
    that: (plan | ipv6.rollout.plan_report).subnets['ams'].headroom > 0
  vars:
    plan: "{{ lookup('ipv6.rollout.plan') }}"

- name: Show what to look after
  ansible.builtin.debug:
    msg: "{{ (plan | ipv6.rollout.plan_report(reserved=['2001:db8:1200:f000::/52'])).notes }}"
"""

RETURN = r"""
_value:
  description:
    - C(subnets) has an entry for each path, in address order. C(number) is hexadecimal, and counts blocks of the
      subnet's own length. C(headroom) counts doublings, and C(grows_to) is the length after all of them.
      C(hosts) and C(subnets) count what is inside, at any depth. C(ula) is the twin in the ULA prefix, where the plan
      has one.
    - C(free) says what the whole prefix has left. C(share) is from 0 to 1, C(largest) is the widest free block or null,
      and C(subnets_64) is the number of free C(/64).
    - C(notes) is a list of sentences.
  type: dict
  sample:
    subnets:
      web: {prefix: 2001:db8:1200::/64, number: "0", headroom: 15, grows_to: 49, hosts: 1, subnets: 0}
      mail: {prefix: 2001:db8:1200:8000::/64, number: "8000", headroom: 15, grows_to: 49, hosts: 0, subnets: 0}
    free: {share: 0.999969482421875, largest: 2001:db8:1200:4000::/50, subnets_64: 65534}
    notes: []
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_report as core


def plan_report(plan, reserved=None):
    """Say how full a plan is and what can still grow."""
    try:
        return core.plan_report(plan, reserved)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.plan_report: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"plan_report": plan_report}
