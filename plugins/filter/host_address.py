# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the address of a host in a subnet."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_address
short_description: Make the address of a host in a subnet
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Takes a literal interface identifier, or finds one by a policy.
  - Addresses that must not be given to a host (RFC 4291, RFC 2526, RFC 5453) are refused. V(stable) and V(next) pass
    them by.

positional: _input, interface_id
options:
  _input:
    description: The subnet, such as V(2001:db8:1200::/64).
    type: str
    required: true
  interface_id:
    description:
      - A literal such as V(::80).
      - Four groups without the leading C(::) are the right half of the address, so V(25::160) is V(::25:0:0:160).
    type: str
  policy:
    description:
      - How to find an identifier.
      - V(ipv4_decimal) makes C(::192:0:2:80) of 192.0.2.80, V(ipv4_hex) makes C(::c000:250).
      - V(service) makes C(25::160) of O(service=25) and 192.0.2.160, the digits as they read.
      - V(stable) is a hash of the prefix and O(name), after RFC 7217.
      - V(next) is the lowest one that is free.
    type: str
    choices: [ipv4_decimal, ipv4_hex, service, stable, next]
  ipv4:
    description: The IPv4 address of the host.
    type: str
  service:
    description: The number of the service, one to four decimal digits, for O(policy=service).
    type: raw
  name:
    description: The name of the host.
    type: str
  used:
    description: Addresses that are taken.
    type: list
    elements: str
    default: []
  seed:
    description: A secret that goes into V(stable) identifiers.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show four addresses of one host
  ansible.builtin.debug:
    msg:
      - "{{ '2001:db8:1200::/64' | ipv6.rollout.host_address('::80') }}"
      - "{{ '2001:db8:1200::/64' | ipv6.rollout.host_address(policy='ipv4_decimal', ipv4='192.0.2.80') }}"
      - "{{ '2001:db8:1200::/64' | ipv6.rollout.host_address(policy='service', service=25, ipv4='192.0.2.160') }}"
      - "{{ '2001:db8:1200::/64' | ipv6.rollout.host_address(policy='stable', name='www1') }}"
"""

RETURN = r"""
_value:
  description: The address, in the text form of RFC 5952.
  type: str
  sample: 2001:db8:1200::80
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import identifiers


def host_address(subnet, interface_id=None, policy=None, ipv4=None, name=None, used=None, seed="", service=None):
    """Make the address of a host in a subnet."""
    try:
        return identifiers.address_in(subnet, interface_id, policy, ipv4, name, used, str(seed), service)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.host_address: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"host_address": host_address}
