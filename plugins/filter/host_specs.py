# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the variables of all hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_specs
short_description: Check what the inventory says of all hosts that take part
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns what P(ipv6.rollout.host_spec#filter) returns, for each of the named hosts that has C(ipv6_subnet).
  - The others, such as the lab machine, are left out.
positional: _input, hostvars
options:
  _input:
    description: The inventory names, such as C(groups['all']).
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts by name, as C(hostvars) has them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Plan for every host that takes part
  ipv6.rollout.plan:
    prefix: "{{ ipv6_prefix }}"
    subnets: "{{ ipv6_subnets }}"
    hosts: "{{ groups['all'] | ipv6.rollout.host_specs(hostvars) }}"
"""

RETURN = r"""
_value:
  description: By inventory name, the host's specification.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import services


def host_specs(names, hostvars):
    """Return the specifications of the hosts that take part."""
    try:
        return services.host_specs(names, hostvars)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.host_specs: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"host_specs": host_specs}
