# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the PTR records of addresses."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ptr_records
short_description: Make the PTR records of addresses
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns a PTR record for each name and address.
  - An address that is in none of the zones is an error, since its record would be nowhere.

positional: _input, zones
options:
  _input:
    description: Dictionaries with C(name), C(address) and C(ttl).
    type: list
    elements: dict
    required: true
  zones:
    description:
      - The reverse zones that there are, by name, or prefixes that stand for their zones. The longest match is taken.
      - By default it is the zone of the C(/64) of each address, or of the C(/24) for IPv4.
      - A classless zone (RFC 2317) such as C(128/26.2.0.192.in-addr.arpa.) gets its names inside that zone.
    type: list
    elements: str
  ttl:
    description: The TTL of records that say none.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Show a PTR record
  ansible.builtin.debug:
    msg: "{{ [host] | ipv6.rollout.ptr_records(zones=['2001:db8:1200::/48']) }}"
  vars:
    host: {name: www.example.com, address: "2001:db8:1200::80", ttl: 300}
"""

RETURN = r"""
_value:
  description: The records, in the order of the input and each once.
  type: list
  elements: dict
  sample:
    - zone: 0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.
      name: 0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.
      ttl: 300
      type: PTR
      data: www.example.com.
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import reverse


def ptr_records(records, zones=None, ttl=reverse.DEFAULT_TTL):
    """Make the PTR records of addresses."""
    try:
        return reverse.ptr_records(records, zones, ttl)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.ptr_records: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"ptr_records": ptr_records}
