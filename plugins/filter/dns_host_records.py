# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which DNS records hosts need."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_host_records
short_description: Say which DNS records hosts need
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes what the module M(ipv6.rollout.dns_records) takes from a dictionary of hosts.
  - The first of the names of a host is the one that its PTR record points to.
positional: _input, kind
options:
  _input:
    description:
      - The hosts, by inventory name. Each has an C(address), and the lists C(names), C(lab_names) and C(mail_domains),
        which may be missing. Other keys are ignored.
    type: dict
    required: true
  kind:
    description:
      - V(lab) gives what must be there before an address is used. That is an AAAA record for every lab name, and the
        addresses that the SPF records of the mail domains are to list.
      - V(published) gives an AAAA record for every published name, without a TTL, so that it takes that of the
        A records.
      - V(reverse) gives one PTR record for each address. It points to the first published name, and to the first lab
        name as long as the published one does not have the address.
    type: str
    required: true
    choices: [lab, published, reverse]
  lab_ttl:
    description: The TTL of the records of lab names, in seconds.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Publish the hosts
  vars:
    hosts:
      www1: {address: "2001:db8:1200::80", names: [www.example.com], lab_names: [ipv6.www.example.com]}
  ipv6.rollout.dns_records:
    server: 198.51.100.53
    records: "{{ (hosts | ipv6.rollout.dns_host_records('published')).records }}"

- name: Show the PTR records
  ansible.builtin.debug:
    msg: "{{ hosts | ipv6.rollout.dns_host_records('reverse') }}"
  vars:
    hosts:
      www1: {address: "2001:db8:1200::80", names: [www.example.com], lab_names: [ipv6.www.example.com]}
"""

RETURN = r"""
_value:
  description: The arguments C(records) and C(spf) of M(ipv6.rollout.dns_records).
  type: dict
  sample:
    records:
      - name: 0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.
        type: PTR
        data: www.example.com.
        fallback: ipv6.www.example.com.
    spf: []
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_hosts


def dns_host_records(hosts, kind, lab_ttl=dns_hosts.LAB_TTL):
    """Say which DNS records hosts need."""
    try:
        return dns_hosts.host_records(hosts, kind, lab_ttl)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.dns_host_records: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"dns_host_records": dns_host_records}
