# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which connections prove the v4 proxy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: v4_proxy_checks
short_description: Say which connections prove the v4 proxy
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes what the module M(ipv6.rollout.name_probe) takes, one connection for each name, port and address.
positional: _input, addresses
options:
  _input:
    description: The hosts, as P(ipv6.rollout.v4_proxy_hosts#filter) returns them.
    type: dict
    required: true
  addresses:
    description: The list of the addresses of the proxy, or V(direct) for the address of each host itself.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Prove every name before it is published
  ipv6.rollout.name_probe:
    checks: "{{ hosts | ipv6.rollout.v4_proxy_checks(['192.0.2.10']) }}"
  vars:
    hosts:
      www1: {address: "2001:db8:1200::80", names: [www.example.com], ports: [80, 443]}
  delegate_to: lab1
"""

RETURN = r"""
_value:
  description: The connections.
  type: list
  elements: dict
  sample: [{name: www.example.com, address: 192.0.2.10, port: 80, mode: http}]
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import ipv6_only as core


def v4_proxy_checks(hosts, addresses):
    """Return the connections that prove the v4 proxy."""
    try:
        return core.proxy_checks(hosts, addresses)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.v4_proxy_checks: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"v4_proxy_checks": v4_proxy_checks}
