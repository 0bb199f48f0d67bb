# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a plan as a table for the terminal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_table
short_description: Show a plan as a table for the terminal
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the lines of a table, with the subnets as an indented tree in address order, what each can grow to without
    moving, what is retired or reserved, the totals, and notes.
  - It is plain text without colours, so it can be printed, piped and mailed.
positional: _input, reserved, limit, hosts
options:
  _input:
    description:
      - The plan, as P(ipv6.rollout.plan#lookup) and P(ipv6.rollout.subnet_plan#filter) give it.
    type: dict
    required: true
  reserved:
    description: Prefixes that are never given out automatically. They lie inside the plan's prefix.
    type: list
    elements: str
    default: []
  limit:
    description:
      - How many rows are shown. Where a plan has more, the deepest levels are left out first, and a line says how many
        rows are missing. Totals and notes count all.
    type: int
    default: 200
  hosts:
    description:
      - Whether each host gets a row with its address. By default they do where the plan has 50 or fewer.
    type: bool
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ lookup('ipv6.rollout.plan') | ipv6.rollout.plan_table }}"

- name: Keep the whole table as a file
  ansible.builtin.copy:
    content: |
      {{ lookup('ipv6.rollout.plan') | ipv6.rollout.plan_table(limit=100000, hosts=true) | join('\n') }}
    dest: plan.txt
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The lines, without line ends.
  type: list
  elements: str
  sample:
    - "2001:db8:1200::/48: 2 subnets, 1 host; less than 0.01 % of the space is given out, the largest free block is
      2001:db8:1200:4000::/50"
    - ""
    - "SUBNET    PREFIX                   NUMBER  CAN GROW TO    HOSTS"
    - "web       2001:db8:1200::/64            0  /49 (x32,768)      1"
    - "  - www1  2001:db8:1200::80"
    - "mail      2001:db8:1200:8000::/64    8000  /49 (x32,768)"
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_table as core


def plan_table(plan, reserved=None, limit=core.LIMIT, hosts=None):
    """Show a plan as a table for the terminal."""
    try:
        return core.plan_table(plan, reserved, limit, hosts)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.plan_table: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"plan_table": plan_table}
