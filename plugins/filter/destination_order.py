# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put addresses into the order in which a host tries them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: destination_order
short_description: Put addresses into the order in which a host tries them
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Picks the source address for each destination (RFC 6724, section 5) and orders the destinations (section 6), IPv4
    and IPv6 together. For each it tells the rule that decided its place.
  - Rules 5 and 5.5 of section 5 (outgoing interface, next hop) are left out, since a list of addresses tells nothing
    about these. For what a real host does, with its routes, see M(ipv6.rollout.destination_info).

positional: _input, sources, policy, implementation
options:
  _input:
    description:
      - Addresses of one name, of both families, in the order in which the name service gave them.
      - A link-local address may have a zone id, such as V(fe80::1%eth0). It is then reached from sources of the same
        zone, and from sources that have none.
      - An IPv4-mapped address is taken for the IPv4 address in it. glibc compares it as an IPv6 address.
      - A prefix length is read and not used.
    type: list
    elements: str
    required: true
  sources:
    description:
      - The addresses of the host. Each is an address, or a dictionary with C(address) and any of the flags
        C(deprecated), C(temporary), C(public), C(home), C(care_of) (or C(care-of)) and C(tunnel), true or false.
      - C(tunnel) stands for packets that are encapsulated, such as those of 6in4 (rule 7).
      - A prefix length, such as in V(2001:db8:1::2/64), says how much of an address counts for the longest matching
        prefix. Without one that is 64 bits of IPv6 and 32 of IPv4.
      - Loopback addresses are sources for loopback destinations alone.
    type: list
    elements: raw
    required: true
  policy:
    description:
      - The policy table, V(rfc6724), V(prefer_ipv6), V(prefer_ipv4) or V(glibc), or a list of rows with C(prefix),
        C(precedence) and C(label). IPv4 prefixes such as V(192.0.2.0/24) are read as IPv4-mapped ones.
      - By default the table that the implementation has where nobody configured any.
    type: raw
  implementation:
    description:
      - V(glibc) for what getaddrinfo() does on Linux, where it differs from the RFC. It has its own default table.
        Rule 9 counts for IPv4 on the subnet of the source alone, and for IPv6 beyond the prefix length. On a host
        without any IPv6 address flags and prefix lengths count for nothing. A link-local destination without a zone id
        is unusable.
      - The kernel then picks the sources. Its labels are taken for those of O(policy), as the role
        C(address_selection) sets both, and without one for its default ones. It prefers public addresses to temporary
        ones.
      - An IPv4 source is a guess, since that goes by routes. It is the first address whose subnet holds the
        destination, else the first one.
    type: str
    choices: [rfc6724, glibc]
    default: rfc6724
"""

EXAMPLES = r"""
- name: Show which address of a web server comes first
  ansible.builtin.debug:
    msg: "{{ ['192.0.2.80', '2001:db8:1::80'] | ipv6.rollout.destination_order(['198.51.100.7', '2001:db8:2::7']) }}"

- name: Show what changes with a policy, when the IPv6 address is deprecated
  ansible.builtin.debug:
    msg: "{{ addresses | ipv6.rollout.destination_order(sources, policy='prefer_ipv4') }}"
  vars:
    addresses: ["192.0.2.80", "2001:db8:1::80"]
    sources: ["198.51.100.7", {address: "2001:db8:2::7/64", deprecated: true}]
"""

RETURN = r"""
_value:
  description: The destinations, the one that is tried first at the top.
  type: list
  elements: dict
  contains:
    destination:
      description: The address.
      type: str
    source:
      description: The source address of packets to it; null where there is none.
      type: str
    rule:
      description:
        - The rule of RFC 6724, section 6, that decided the place. For the first destination the one that put it before
          the second, for every other the one that put it behind its predecessor.
      type: str
  sample:
    - destination: 2001:db8:1::80
      source: 2001:db8:2::7
      rule: "rule 6: prefer higher precedence"
    - destination: 192.0.2.80
      source: 198.51.100.7
      rule: "rule 6: prefer higher precedence"
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import destination_order as core


def destination_order(destinations, sources, policy=None, implementation="rfc6724"):
    """Put addresses into the order in which a host tries them."""
    try:
        return core.destination_order(destinations, sources, policy, implementation)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.destination_order: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"destination_order": destination_order}
