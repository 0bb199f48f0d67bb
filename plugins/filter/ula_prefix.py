# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose a unique local prefix."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ula_prefix
short_description: Choose a unique local prefix
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes a unique local V(/48) by the sample algorithm of RFC 4193, section 3.2.2. Its 40 random bits are the lowest
    ones of SHA-1 over a time (64 bits, as NTP has it) and an EUI-64.
  - The EUI-64 is that of the MAC address, with the universal bit inverted (RFC 4291, appendix A).
  - The same MAC address and the same time give the same prefix. A plan can so be made again with the same bytes.
notes:
  - A prefix is chosen once. Take the MAC address of a machine of yours and the time now, run the filter, and write the
    result into the inventory as C(ipv6_ula_prefix). Nothing has to be computed again after that.
  - A value that nobody thought up is what keeps two sites apart when they are joined later. Do not pick a pretty one.
requirements:
  - netaddr (on the controller)
seealso:
  - plugin: ipv6.rollout.subnet_plan
    plugin_type: filter

positional: _input, time
options:
  _input:
    description:
      - The MAC address of one of the site's machines, such as V(02:00:5e:00:53:01).
      - Put it in quotes. Without them YAML reads some MAC addresses as numbers.
    type: str
    required: true
  time:
    description:
      - When the prefix was chosen, in UTC, such as V(2026-01-31T12:00:00Z). A fraction of a second may follow the
        seconds, up to nine digits.
      - Put it in quotes. Without them YAML makes a date of it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Choose a prefix, to be written into the inventory
  ansible.builtin.debug:
    msg: "ipv6_ula_prefix: {{ '02:00:5e:00:53:01' | ipv6.rollout.ula_prefix(time='2026-01-31T12:00:00Z') }}"

- name: Choose one with the time now
  ansible.builtin.debug:
    msg: "{{ '02:00:5e:00:53:01' | ipv6.rollout.ula_prefix(time=now(utc=true, fmt='%Y-%m-%dT%H:%M:%S.%fZ')) }}"
"""

RETURN = r"""
_value:
  description: The prefix, in the text form of RFC 5952.
  type: str
  sample: fd05:f830:2249::/48
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import ula


def ula_prefix(mac, time=None):
    """Choose a unique local prefix."""
    try:
        return ula.ula_prefix(mac, time)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.ula_prefix: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"ula_prefix": ula_prefix}
