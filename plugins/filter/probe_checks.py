# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which connections prove the hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: probe_checks
short_description: Say which connections prove the hosts
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes the list of checks for the module M(ipv6.rollout.probe).
  - V(inside) goes by lab name, from the lab machine, before anything is open. V(outside) goes by published name, as a
    client does in the end.
positional: _input, view
options:
  _input:
    description: The hosts, as the P(ipv6.rollout.fleet_members#filter) filter returns them.
    type: dict
    required: true
  view:
    description: Whose view it is.
    type: str
    required: true
    choices: [inside, outside]
  hosts:
    description: The hosts to prove; all of them where it is left out.
    type: list
    elements: str
  source:
    description: With V(outside), an IPv6 address of the lab machine that no rule lets in.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Prove what was rolled out
  ipv6.rollout.probe:
    checks: "{{ members | ipv6.rollout.probe_checks('inside') }}"
  delegate_to: lab1
"""

RETURN = r"""
_value:
  description: Checks, with ids of the form C(host|service|family).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import fleet


def probe_checks(members, view, hosts=None, source=""):
    """Say which connections prove the hosts."""
    try:
        chosen = [str(host) for host in (members if hosts is None else hosts)]
        if view == "inside":
            return fleet.inside_checks(members, chosen)
        if view == "outside":
            return fleet.outside_checks(members, chosen, str(source))
        raise RolloutError(f"view: {view!r} is neither 'inside' nor 'outside'")
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.probe_checks: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"probe_checks": probe_checks}
