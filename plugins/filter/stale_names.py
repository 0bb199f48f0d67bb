# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find names that are announced and no longer served."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stale_names
short_description: Find names that are announced and no longer served
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Compares the last report with what is wanted now, and returns the names that a host has lost.
  - A host without services has nothing to publish a name for, so all of its names count.
positional: _input, members
options:
  _input:
    description: The text of the last JSON report. An empty text, or one that can't be read, tells nothing.
    type: str
    required: true
  members:
    description: The hosts, as the P(ipv6.rollout.fleet_members#filter) filter returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Take back names that nobody serves any more
  ansible.builtin.include_role:
    name: ipv6.rollout.dns
  vars:
    dns_hosts: "{{ lookup('ansible.builtin.file', 'ipv6_report.json') | ipv6.rollout.stale_names(members) }}"
    dns_publish: true
    dns_state: absent
"""

RETURN = r"""
_value:
  description: By host name C(address), C(names) and C(lab_names).
  type: dict
  sample: {www1: {address: "2001:db8:1200::80", names: [old.example.com], lab_names: [ipv6.old.example.com]}}
"""

from ansible_collections.ipv6.rollout.plugins.plugin_utils import publication


def stale_names(report, members):
    """Return the names that hosts have lost."""
    return publication.stale_names(str(report or ""), members)


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"stale_names": stale_names}
