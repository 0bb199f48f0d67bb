# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sum up what stands in the way of a rollout."""

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_verdict
short_description: Sum up what stands in the way of a rollout
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Joins the refusals of the site and of all hosts into one text, so that the user reads one message.
positional: _input, site
options:
  _input:
    description:
      - By host name a dictionary with C(refused), C(unreachable), C(failed), C(findings), the host's C(spec), and
        C(settings), the values of C(ipv6_lab_sources), C(ipv6_management_sources), C(ipv6_gateway),
        C(ipv6_guard_timeout) and C(ipv6_guard_prove) without C(ipv6_).
    type: dict
    required: true
  site:
    description: What belongs to no single host, C(lab), C(dns) and C(fleet).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Stop before anything is changed
  ansible.builtin.assert:
    that: verdict | length == 0
    fail_msg: "{{ verdict }}"
  vars:
    verdict: "{{ told | ipv6.rollout.preflight_verdict(site) }}"
"""

RETURN = r"""
_value:
  description: A line for each refusal; an empty text where nothing stands in the way.
  type: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import preflight


def preflight_verdict(hosts, site):
    """Sum up what stands in the way of a rollout."""
    try:
        return preflight.verdict(preflight.site_findings(site["lab"], site["dns"], site["fleet"], hosts), hosts)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.preflight_verdict: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"preflight_verdict": preflight_verdict}
