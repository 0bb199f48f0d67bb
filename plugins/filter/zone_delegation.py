# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the delegation of zones."""

from __future__ import annotations

DOCUMENTATION = r"""
name: zone_delegation
short_description: Write the delegation of zones
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the NS records that the parent of zones needs, and the glue records, to send to whoever runs it.
  - A name server inside a delegated zone needs glue. Its addresses of both families have one TTL.
  - For an IPv4 prefix from C(/25) to C(/31) it returns the CNAME records of the parent zone as well (RFC 2317).

positional: _input
options:
  _input:
    description: A prefix, which stands for all its zones, or the name of a zone; or a list of them.
    type: raw
    required: true
  ns:
    description: The name servers of the zones.
    type: list
    elements: str
    required: true
  glue:
    description: The addresses of name servers by name. They are used for servers inside a delegated zone.
    type: dict
  parent:
    description: The zone that the records are for. A zone that is not inside it is an error.
    type: str
  ttl:
    description: The TTL of the records.
    type: int
    default: 86400
  format:
    description: V(zone) for the records alone, V(text) for a letter with them.
    type: str
    choices: [zone, text]
    default: zone
"""

EXAMPLES = r"""
- name: Show what the provider has to enter
  ansible.builtin.debug:
    msg: "{{ '2001:db8:1200::/47' | ipv6.rollout.zone_delegation(ns=['ns1.example.com'], format='text') }}"
"""

RETURN = r"""
_value:
  description: The records, one a line, with absolute names; or the letter.
  type: str
  sample: "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa. 86400 IN NS ns1.example.com.\n"
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import delegation


def zone_delegation(value, ns, glue=None, parent=None, ttl=86400, format="zone"):
    """Write the delegation of zones."""
    try:
        return delegation.zone_delegation(value, ns, glue, parent, ttl, format)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.zone_delegation: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"zone_delegation": zone_delegation}
