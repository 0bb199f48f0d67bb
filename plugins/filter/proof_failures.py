# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a host did not prove."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proof_failures
short_description: Tell what a host did not prove
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Picks the proofs of one host that did not come out as expected.
positional: _input, host
options:
  _input:
    description: What the module M(ipv6.rollout.probe) returned as C(proofs).
    type: list
    elements: dict
    required: true
  host:
    description: The host's inventory name.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Stop where a service did not answer
  ansible.builtin.assert:
    that: proof.proofs | ipv6.rollout.proof_failures(inventory_hostname) | length == 0
"""

RETURN = r"""
_value:
  description: A line for each service and family that was not proved, with the evidence.
  type: list
  elements: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import fleet


def proof_failures(proofs, host):
    """Tell what a host did not prove."""
    try:
        return fleet.failures(proofs, str(host))
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.proof_failures: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"proof_failures": proof_failures}
