# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join what the inventory says of the hosts with the plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_members
short_description: Join what the inventory says of the hosts with the plan
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns each host's specification with the address that the plan gives it.
positional: _input, plan
options:
  _input:
    description: By host name, what the P(ipv6.rollout.host_spec#filter) filter returned.
    type: dict
    required: true
  plan:
    description: The plan.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the address of each host
  ansible.builtin.debug:
    msg: "{{ specs | ipv6.rollout.fleet_members(lookup('ipv6.rollout.plan')) }}"
"""

RETURN = r"""
_value:
  description: By host name the specification, with C(address) and C(prefix_length) added.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import fleet


def fleet_members(specs, plan):
    """Join what the inventory says of the hosts with the plan."""
    try:
        return fleet.members(specs, plan)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.fleet_members: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"fleet_members": fleet_members}
