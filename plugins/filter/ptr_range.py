# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give every address of a range a PTR record."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ptr_range
short_description: Give every address of a range a PTR record
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - For hosts that make their addresses themselves (SLAAC) or get them by DHCPv6, nobody writes PTR records by hand.
    This filter returns what a name server needs to have one for each address of a range.
  - V(bind) and V(knot) give the AAAA record of each name as well, so that each PTR record is forward-confirmed.
  - A wildcard cannot be forward-confirmed, since its one name would need an AAAA record for every address (RFC 8501,
    section 2.2). Mail servers and others that look at both directions treat such hosts as if they had no name.
  - In a name, the address has all its eight groups of four digits, with hyphens between them.

positional: _input
options:
  _input:
    description: A prefix, or the first and the last address of a range with a hyphen between them.
    type: str
    required: true
  template:
    description:
      - The name of an address. Its first label ends in C({address}), and what follows is the forward zone.
      - For O(server=wildcard) it is one name without C({address}).
    type: str
    required: true
  server:
    description:
      - V(bind) writes C($GENERATE) lines for both zones. BIND holds each record in memory, so a range has at most
        1,048,576 addresses.
      - V(knot) writes the configuration of C(mod-synthrecord) for both zones. A record in a zone wins over it. Where
        the zone is in the configuration already, add the C(module) line there.
      - V(wildcard) writes wildcard PTR records, for a prefix of any length.
    type: str
    choices: [bind, knot, wildcard]
    default: bind
  zone:
    description:
      - The reverse zone that holds the range. By default these are the zones of the prefix.
      - It is needed for O(server=knot) where the range is no prefix.
    type: str
  ttl:
    description: The TTL of the records.
    type: int
    default: 3600
  explicit:
    description:
      - For O(server=wildcard), the addresses that have PTR records of their own.
      - A wildcard does not answer below a name that exists, and one PTR record makes all names above it exist
        (RFC 4592, section 2.2.2). Without more wildcards, C(2001:db8::1) would take the answer from a sixteenth
        of its prefix. So there is one wildcard for each level on the path of each of these addresses.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the lines for a DHCPv6 range
  ansible.builtin.debug:
    msg: "{{ '2001:db8:1200:1::1000-2001:db8:1200:1::1fff'
      | ipv6.rollout.ptr_range(template='host-{address}.dyn.example.com') }}"

- name: Show wildcards for a SLAAC network with one server in it
  ansible.builtin.debug:
    msg: "{{ '2001:db8:1200:2::/64'
      | ipv6.rollout.ptr_range(template='dyn.example.com', server='wildcard', explicit=['2001:db8:1200:2::80']) }}"
"""

RETURN = r"""
_value:
  description: Text for the reverse zone and for the forward zone; all names are absolute.
  type: dict
  contains:
    reverse:
      description: Lines for the file of the reverse zone, or configuration for Knot.
      type: str
      sample: "$GENERATE 4096-8191 ${0,7,n}.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN
        PTR host-2001-0db8-1200-0001-0000-0000-0000-${0,4,x}.dyn.example.com.\n"
    forward:
      description: The same for the forward zone; empty for O(server=wildcard).
      type: str
      sample: "$GENERATE 4096-8191 host-2001-0db8-1200-0001-0000-0000-0000-${0,4,x}.dyn.example.com. 3600 IN AAAA
        2001:0db8:1200:0001:0000:0000:0000:${0,4,x}\n"
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import synthesis


def ptr_range(value, template, server="bind", zone=None, ttl=3600, explicit=()):
    """Give every address of a range a PTR record."""
    try:
        return synthesis.ptr_range(value, template, server, zone, ttl, explicit)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.ptr_range: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"ptr_range": ptr_range}
