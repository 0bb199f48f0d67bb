# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which hosts an audit has judged."""

from __future__ import annotations

DOCUMENTATION = r"""
name: audited_hosts
short_description: Tell which hosts an audit has judged
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - The playbook C(rollout.yml) makes an audit before the first change of a host, and knows by this which hosts have had
    one.
options:
  _input:
    description: The text of F(ipv6_audit.json). An empty text, or one that is no audit, tells of no host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the hosts of which there is no audit yet
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts | difference(lookup('ansible.builtin.file', path) | ipv6.rollout.audited_hosts) }}"
  vars:
    path: /srv/audits/ipv6_audit.json
"""

RETURN = r"""
_value:
  description: The inventory names, sorted.
  type: list
  elements: str
  sample: [ns1, www1]
"""

from ansible_collections.ipv6.rollout.plugins.plugin_utils import audit_compare, readiness_document


def audited_hosts(text):
    """Return the hosts that an audit has judged."""
    return audit_compare.audited(text, readiness_document.SCHEMA)


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"audited_hosts": audited_hosts}
