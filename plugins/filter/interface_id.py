# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the interface identifier of an address."""

from __future__ import annotations

DOCUMENTATION = r"""
name: interface_id
short_description: Return the interface identifier of an address
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns what an address has behind the prefix of its subnet.

positional: _input, length
options:
  _input:
    description: An IPv6 address.
    type: str
    required: true
  length:
    description: The prefix length of its subnet.
    type: int
    default: 64
"""

EXAMPLES = r"""
- name: Show the identifier, which is ::80
  ansible.builtin.debug:
    msg: "{{ '2001:db8:1200::80' | ipv6.rollout.interface_id(64) }}"
"""

RETURN = r"""
_value:
  description: The identifier, as the text of an address whose prefix is zero.
  type: str
  sample: "::80"
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import identifiers


def interface_id(address, length=64):
    """Return the interface identifier of an address."""
    try:
        return identifiers.identifier_of(address, length)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.interface_id: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"interface_id": interface_id}
