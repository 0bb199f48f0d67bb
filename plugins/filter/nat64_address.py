# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the IPv6 address that stands for an IPv4 address."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nat64_address
short_description: Make the IPv6 address that stands for an IPv4 address
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Follows RFC 6052, with prefixes of all six lengths (32, 40, 48, 56, 64 and 96).

positional: _input, prefix
options:
  _input:
    description: An IPv4 address.
    type: str
    required: true
  prefix:
    description: The NAT64 prefix. By default it is the well-known one.
    type: str
    default: 64:ff9b::/96
"""

EXAMPLES = r"""
- name: Translate an address
  ansible.builtin.debug:
    msg: "{{ '192.0.2.33' | ipv6.rollout.nat64_address('64:ff9b::/96') }}"
"""

RETURN = r"""
_value:
  description: The address.
  type: str
  sample: 64:ff9b::c000:221
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import nat64


def nat64_address(address, prefix=nat64.WELL_KNOWN):
    """Make the IPv6 address that stands for an IPv4 address."""
    try:
        return nat64.nat64_address(address, prefix)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.nat64_address: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"nat64_address": nat64_address}
