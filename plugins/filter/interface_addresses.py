# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a host's interfaces the addresses that the plan has for them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: interface_addresses
short_description: Give a host's interfaces the addresses that the plan has for them
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the interfaces as M(ipv6.rollout.interface) takes them.
  - An interface that names no addresses gets those that the plan has for the host in its subnet. The host's own one
    comes first; further ones (C(www1/shop)) are deprecated, so that they serve and are no source of new connections.
  - Addresses that are named stay as they are. One whose prefix length is not the one of its subnet in the plan is
    refused.
positional: _input, plan, host
options:
  _input:
    description:
      - The interfaces. C(subnet) of one is the path of its subnet in the plan; by default that of the host itself.
    type: list
    elements: dict
    required: true
  plan:
    description: The plan.
    type: dict
    required: true
  host:
    description: The name of the host in the plan.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the interfaces of a host get
  ansible.builtin.debug:
    msg: "{{ interfaces | ipv6.rollout.interface_addresses(lookup('ipv6.rollout.plan'), inventory_hostname) }}"
  vars:
    interfaces:
      - {name: eth0, gateway: "fe80::1"}
      - {name: eth1, subnet: ams/storage}
"""

RETURN = r"""
_value:
  description: The interfaces, each with C(addresses).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import planned


def interface_addresses(interfaces, plan, host):
    """Give a host's interfaces the addresses that the plan has for them."""
    try:
        return planned.interfaces(interfaces, plan, host)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.interface_addresses: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"interface_addresses": interface_addresses}
