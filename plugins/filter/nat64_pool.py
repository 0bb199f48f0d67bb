# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Size the IPv4 pool of a NAT64 from the number of hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nat64_pool
short_description: Size the IPv4 pool of a NAT64 from the number of hosts
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the part of an IPv4 network that a TAYGA for so many hosts needs.
  - TAYGA gives each IPv6 address an IPv4 address of its own, so two are counted for each host. The result is a power of
    two, so it seldom changes when hosts come and go.

positional: _input, hosts
options:
  _input:
    description: An IPv4 network that is free.
    type: str
    required: true
  hosts:
    description: The number of hosts.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show the pool for the hosts of the plan
  ansible.builtin.debug:
    msg: "{{ '192.168.64.0/20' | ipv6.rollout.nat64_pool(lookup('ipv6.rollout.plan', 'hosts') | length) }}"
"""

RETURN = r"""
_value:
  description: The pool, a network of at least 8 addresses at the beginning of the one given.
  type: str
  sample: 192.168.64.0/26
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import nat64_pool as core


def nat64_pool(pool, hosts):
    """Size the IPv4 pool of a NAT64 from the number of hosts."""
    try:
        return core.nat64_pool(pool, hosts)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.nat64_pool: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"nat64_pool": nat64_pool}
