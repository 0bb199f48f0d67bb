# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which IPv6 address stands for each IPv4 address of a fleet."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_addresses
short_description: Tell which IPv6 address stands for each IPv4 address of a fleet
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes the mapping that P(ipv6.rollout.ip6tables_rules#filter) takes as
    O(ipv6.rollout.ip6tables_rules#filter:addresses).
  - A host without an IPv4 address is left out. Hosts that share an IPv4 address give it all their IPv6 addresses.
positional: _input, subnets
options:
  _input:
    description: By host name, what the P(ipv6.rollout.fleet_members#filter) filter returned.
    type: dict
    required: true
  subnets:
    description:
      - By IPv4 prefix, the IPv6 prefix that stands for it, or a list of them.
      - The plan does not know the IPv4 subnets.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the mapping of the fleet
  ansible.builtin.debug:
    msg: "{{ specs | ipv6.rollout.fleet_members(plan) | ipv6.rollout.plan_addresses(subnets) }}"
  vars:
    plan: "{{ lookup('ipv6.rollout.plan') }}"
    subnets:
      192.0.2.0/24: "{{ plan.subnets.servers }}"
"""

RETURN = r"""
_value:
  description: By IPv4 address or prefix, a list of IPv6 addresses or prefixes.
  type: dict
  sample: {"192.0.2.80": ["2001:db8:1200::80"]}
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import translate_addresses


def plan_addresses(members, subnets=None):
    """Tell which IPv6 address stands for each IPv4 address of a fleet."""
    try:
        return translate_addresses.plan_addresses(members, subnets)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.plan_addresses: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"plan_addresses": plan_addresses}
