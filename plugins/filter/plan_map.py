# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a plan as an SVG picture."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_map
short_description: Draw a plan as an SVG picture
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns one self-contained SVG with what is used, free, reserved and retired. It has no scripts, loads nothing, and
    follows the reader's light or dark colour scheme.
  - A prefix is a rectangle. Its two halves are the two halves of the rectangle, and so on, so that every subnet is a
    rectangle whose area says how large it is. A subnet's solid part is what it has, and the light part of the same
    colour is what it can grow into without moving.
  - Each subnet with others inside gets a smaller map of its own below. Every map has a list beside it.
  - The picture stays below 3 MB. It says what had to be left out for that.
  - The same plan gives the same bytes.
positional: _input, reserved
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
"""

EXAMPLES = r"""
- name: Draw the plan
  ansible.builtin.copy:
    content: "{{ lookup('ipv6.rollout.plan') | ipv6.rollout.plan_map(reserved=['2001:db8:1200:f000::/52']) }}"
    dest: ipv6_plan.svg
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The SVG document.
  type: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_map as core


def plan_map(plan, reserved=None):
    """Draw a plan as an SVG picture."""
    try:
        return core.plan_map(plan, reserved)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.plan_map: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"plan_map": plan_map}
