# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which DNS records the names behind the v4 proxy need."""

from __future__ import annotations

DOCUMENTATION = r"""
name: v4_proxy_records
short_description: Say which DNS records the names behind the v4 proxy need
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes what the modules M(ipv6.rollout.dns_records) and M(ipv6.rollout.zone) take as C(records).
  - Each name gets A records of the proxy, and AAAA records of the host or of the proxy, all with one TTL.
positional: _input, addresses, aaaa
options:
  _input:
    description: The hosts, as P(ipv6.rollout.v4_proxy_hosts#filter) returns them.
    type: dict
    required: true
  addresses:
    description: Where clients find the proxy, with at least one IPv4 address.
    type: list
    elements: str
    required: true
  aaaa:
    description: Where the AAAA records lead, V(direct) to the host, or to the V(proxy).
    type: str
    choices: [direct, proxy]
    default: direct
  ttl:
    description: The TTL of all of them, in seconds.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Publish the names
  vars:
    hosts:
      www1: {address: "2001:db8:1200::80", names: [www.example.com], ports: [80, 443]}
    wanted: "{{ hosts | ipv6.rollout.v4_proxy_records(['192.0.2.10']) }}"
  ipv6.rollout.dns_records:
    server: 198.51.100.53
    records: "{{ wanted.records }}"

- name: Take away what led elsewhere before
  vars:
    hosts:
      www1: {address: "2001:db8:1200::80", names: [www.example.com], ports: [80, 443]}
    wanted: "{{ hosts | ipv6.rollout.v4_proxy_records(['192.0.2.10', '2001:db8:1200::10'], 'proxy') }}"
  ipv6.rollout.dns_records:
    state: absent
    server: 198.51.100.53
    records: "{{ wanted.stale }}"
"""

RETURN = r"""
_value:
  description:
    - C(records) are what is to be published.
    - C(stale) are the AAAA records that the other choice of O(aaaa) would have, to be removed after a change of mind.
  type: dict
  sample:
    records:
      - {name: www.example.com., type: A, data: 192.0.2.10, ttl: 3600}
      - {name: www.example.com., type: AAAA, data: "2001:db8:1200::80", ttl: 3600}
    stale: []
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import v4_proxy_hosts as core


def v4_proxy_records(hosts, addresses, aaaa="direct", ttl=3600):
    """Say which DNS records the names behind the v4 proxy need."""
    try:
        return core.proxy_records(hosts, addresses, aaaa, ttl)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.v4_proxy_records: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"v4_proxy_records": v4_proxy_records}
