# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which address of a name a host connects to, and by which rule."""

from __future__ import annotations

DOCUMENTATION = r"""
name: destination_report
short_description: Say which address of a name a host connects to, and by which rule
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes sentences of what M(ipv6.rollout.destination_info) found. They tell the order of the addresses, the source
    address of each, the rule of RFC 6724 that decided its place, and which one a connection takes first.
  - The rules are followed here once more, as glibc has them. A difference to what getaddrinfo() returned on the host is
    named, with the reason as far as it is known.

positional: _input
options:
  _input:
    description: What the module returned as C(destination_info).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Ask a host what it would connect to
  ipv6.rollout.destination_info:
    name: www.example.com
  register: look

- name: Show it
  ansible.builtin.debug:
    msg: "{{ look.destination_info | ipv6.rollout.destination_report }}"
"""

RETURN = r"""
_value:
  description: The sentences.
  type: list
  elements: str
  sample:
    - "www.example.com, port 80, in the order of getaddrinfo() on this host:"
    - "1. 2001:db8:1::80 from 2001:db8:2::7, before 192.0.2.80 by rule 6: prefer higher precedence (::/0 has precedence
       40, ::ffff:0:0/96 has 10)"
    - "2. 192.0.2.80 from 198.51.100.7, behind 2001:db8:1::80 by rule 6: prefer higher precedence (::/0 has precedence
       40, ::ffff:0:0/96 has 10)"
    - "A connection takes 2001:db8:1::80 first, from 2001:db8:2::7."
    - "The rules and getaddrinfo() agree on this order."
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import destination_report as core


def destination_report(found):
    """Say which address of a name a host connects to, and by which rule."""
    try:
        return core.destination_report(found)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.destination_report: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"destination_report": destination_report}
