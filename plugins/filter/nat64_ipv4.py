# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the IPv4 address that an IPv6 address stands for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nat64_ipv4
short_description: Return the IPv4 address that an IPv6 address stands for
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Follows RFC 6052, with prefixes of all six lengths (32, 40, 48, 56, 64 and 96).

positional: _input, prefix
options:
  _input:
    description: An IPv6 address inside the prefix.
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
    msg: "{{ '64:ff9b::c000:221' | ipv6.rollout.nat64_ipv4('64:ff9b::/96') }}"
"""

RETURN = r"""
_value:
  description: The address.
  type: str
  sample: 192.0.2.33
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import nat64


def nat64_ipv4(address, prefix=nat64.WELL_KNOWN):
    """Return the IPv4 address that an IPv6 address stands for."""
    try:
        return nat64.nat64_ipv4(address, prefix)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.nat64_ipv4: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"nat64_ipv4": nat64_ipv4}
