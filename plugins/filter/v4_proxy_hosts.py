# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say who is behind the v4 proxy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: v4_proxy_hosts
short_description: Say who is behind the v4 proxy
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes what the module M(ipv6.rollout.v4_proxy) takes as C(hosts) from the variables of the hosts and the plan.
  - C(v4_proxy_names) are the names that lead to a host, by default its C(ipv6_names).
  - C(v4_proxy_ports) are the ports. Each is a number, one of C(http), C(https), C(submissions), C(submission),
    C(imaps) and C(pop3s), or a dictionary as the module takes it. By default they are those of C(ipv6_services) that
    are in this list.
  - C(v4_proxy_protocol) says whether the host is told the client's address by the PROXY protocol, C(none), C(v1) or
    C(v2), for all ports, or as a dictionary by port.
  - C(v4_proxy_address) is the address that the proxy connects to, where it is not the host's own. It is a name in the
    plan, such as C(www1/proxied), or an address that the plan gives the host.
positional: _input, hostvars, plan
options:
  _input:
    description: The inventory names of the hosts behind the proxy.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts by name, as C(hostvars) has them.
    type: dict
    required: true
  plan:
    description: The plan. It has the addresses, and the forwards.
    type: dict
    required: true
  aaaa:
    description:
      - Where the AAAA records of the names lead.
      - With V(direct), a port whose clients come directly and through the proxy with the PROXY protocol is refused.
    type: str
    choices: [direct, proxy]
    default: direct
"""

EXAMPLES = r"""
- name: Put all hosts of a group behind the proxy
  ipv6.rollout.v4_proxy:
    addresses: [192.0.2.10]
    hosts: "{{ groups['ipv6_only'] | ipv6.rollout.v4_proxy_hosts(hostvars, lookup('ipv6.rollout.plan')) }}"
"""

RETURN = r"""
_value:
  description: By inventory name, C(address), C(names), C(ports), and C(backend) and C(forward) where there is one.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import v4_proxy_hosts as core


def v4_proxy_hosts(members, hostvars, plan, aaaa="direct"):
    """Say who is behind the v4 proxy."""
    try:
        return core.proxy_hosts(members, hostvars, plan, aaaa)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.v4_proxy_hosts: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"v4_proxy_hosts": v4_proxy_hosts}
