# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a host before anything is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_findings
short_description: Judge a host before anything is changed
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Tells what stands in the way of a rollout on one host, from what the host says of itself.
  - A finding with the level V(refuse) stops the rollout, one with V(warn) is only told.
positional: _input, spec, now
options:
  _input:
    description: What the module M(ipv6.rollout.host_info) returned.
    type: dict
    required: true
  spec:
    description: What the P(ipv6.rollout.host_spec#filter) filter returned; an empty dictionary for the lab machine.
    type: dict
    required: true
  now:
    description: The controller's clock in seconds since 1970.
    type: float
    required: true
  accept:
    description: Codes of refusals that become warnings.
    type: list
    elements: str
    default: []
  lab_sources:
    description: For the lab machine, the prefixes that the rules let in.
    type: list
    elements: raw
    default: []
  outside_source:
    description: For the lab machine, its address that no rule lets in; empty where there is none.
    type: raw
    default: ''
"""

EXAMPLES = r"""
- name: Refuse what can't work
  ansible.builtin.assert:
    that: findings | selectattr('level', 'eq', 'refuse') | length == 0
  vars:
    findings: "{{ look.host_info | ipv6.rollout.preflight_findings(spec, now().timestamp()) }}"
"""

RETURN = r"""
_value:
  description: The findings, each with C(code), C(level) and C(message).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import preflight


def preflight_findings(look, spec, now, accept=(), lab_sources=(), outside_source=""):
    """Judge a host before anything is changed."""
    try:
        if spec:
            return preflight.findings(spec, look, float(now), accept)
        return preflight.lab_findings(look, float(now), accept, lab_sources, outside_source)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.preflight_findings: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"preflight_findings": preflight_findings}
