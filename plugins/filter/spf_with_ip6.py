# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put IPv6 prefixes into an SPF record."""

from __future__ import annotations

DOCUMENTATION = r"""
name: spf_with_ip6
short_description: Put IPv6 prefixes into an SPF record
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the text of an SPF record (RFC 7208) that lists the prefixes. What an C(ip6) term covers already is left
    alone, and so is the rest of the text.
  - New terms stand before C(all), or before C(redirect), since nothing behind it counts.
  - A record that receivers reject (more than ten DNS lookups, a malformed term) is an error.

positional: _input, prefixes
options:
  _input:
    description: The text of the record, without quotes.
    type: str
    required: true
  prefixes:
    description: IPv6 prefixes. An address without a length stands for itself.
    type: list
    elements: str
    required: true
  state:
    description: Whether the record lists the prefixes. V(absent) takes out exactly the terms that V(present) writes.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Show the record with the mail server's address
  ansible.builtin.debug:
    msg: "{{ 'v=spf1 ip4:192.0.2.160 -all' | ipv6.rollout.spf_with_ip6(['2001:db8:1200:25::160']) }}"
"""

RETURN = r"""
_value:
  description: The text of the record.
  type: str
  sample: v=spf1 ip4:192.0.2.160 ip6:2001:db8:1200:25::160 -all
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import spf


def spf_with_ip6(record, prefixes, state="present"):
    """Put IPv6 prefixes into an SPF record."""
    try:
        return spf.spf_with_ip6(record, prefixes, state)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.spf_with_ip6: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"spf_with_ip6": spf_with_ip6}
