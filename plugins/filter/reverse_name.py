# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the reverse name of an address."""

from __future__ import annotations

DOCUMENTATION = r"""
name: reverse_name
short_description: Return the reverse name of an address
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the owner name of the PTR record of an IPv6 or IPv4 address.

positional: _input
options:
  _input:
    description: An address.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the owner name of a PTR record
  ansible.builtin.debug:
    msg: "{{ '2001:db8:1200::80' | ipv6.rollout.reverse_name }}"
"""

RETURN = r"""
_value:
  description: The name, with the final dot.
  type: str
  sample: 0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import reverse


def reverse_name(address):
    """Return the reverse name of an address."""
    try:
        return reverse.reverse_name(address)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.reverse_name: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"reverse_name": reverse_name}
