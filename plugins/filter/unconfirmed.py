# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: unconfirmed
short_description: Compare names and PTR records of large zones in both directions
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the A and AAAA records without a PTR record to their name, and the PTR records whose name does not have
    their address.
  - It is the one check of P(ipv6.rollout.zone_findings#filter) that zones of a million records need most, in seconds.

positional: _input
options:
  _input:
    description:
      - The texts of zone files, by the names of their zones, forward and reverse ones. C($INCLUDE) is refused.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Stop where a mail server would not trust an address
  ansible.builtin.assert:
    that: pairs.pointers == []
  vars:
    pairs: "{{ zones | ipv6.rollout.unconfirmed }}"
    zones:
      example.com: "{{ lookup('ansible.builtin.file', 'db.example.com') }}"
      0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa: "{{ lookup('ansible.builtin.file', 'db.reverse') }}"
"""

RETURN = r"""
_value:
  description: What does not agree.
  type: dict
  contains:
    names:
      description: Pairs of a name and an address of it that no PTR record leads back from.
      type: list
      elements: list
    pointers:
      description: Pairs of an address and the name of its PTR record, which does not have the address.
      type: list
      elements: list
  sample:
    names: [["www.example.com.", "2001:db8:1200::80"]]
    pointers: []
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import two_way


def unconfirmed(zones):
    """Compare names and PTR records of large zones in both directions."""
    try:
        return two_way.unconfirmed(zones)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.unconfirmed: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"unconfirmed": unconfirmed}
