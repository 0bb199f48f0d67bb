# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the address plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan
short_description: Read the address plan
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the plan that M(ipv6.rollout.plan) keeps, or a part of it.
  - The file is checked as it is read. A plan that breaks a rule is refused with the entry named.
options:
  _terms:
    description:
      - JMESPath expressions, one result each. Without one, the whole plan is the result.
      - A name with other characters than letters, digits and C(_) is written in double quotes, as in
        C(subnets."ams/office").
    type: list
    elements: str
  path:
    description:
      - The plan file.
      - By default C(ipv6_plan.yml) beside the inventory file, or beside the inventory directory.
    type: raw
    vars:
      - name: ipv6_plan_file
"""

EXAMPLES = r"""
- name: Show the whole plan
  ansible.builtin.debug:
    msg: "{{ lookup('ipv6.rollout.plan') }}"

- name: Show the addresses of all hosts
  ansible.builtin.debug:
    msg: "{{ lookup('ipv6.rollout.plan', 'values(hosts)') }}"

- name: Show the prefix of one subnet
  ansible.builtin.debug:
    msg: "{{ lookup('ipv6.rollout.plan', 'subnets.\"ams/office\"') }}"
"""

RETURN = r"""
_raw:
  description: The plan, or what each expression finds in it (null where it finds nothing).
  type: list
  elements: raw
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file

try:
    import jmespath
except ImportError:
    jmespath = None


class LookupModule(LookupBase):
    """The lookup ipv6.rollout.plan."""

    def run(self, terms, variables=None, **kwargs):
        """Return the plan, or one result for each expression."""
        self.set_options(var_options=variables, direct=kwargs)
        # Options that come from variables arrive as they stand in the inventory, so a template in them is still one.
        given = self._templar.template(self.get_option("path"))
        try:
            path = plan_file.default_path(given, (variables or {}).get("ansible_inventory_sources"))
            plan = plan_file.load(path)
        except RolloutError as error:
            raise AnsibleLookupError(f"ipv6.rollout.plan: {error}") from error
        return [_search(str(term), plan) for term in terms] if terms else [plan]


def _search(expression, plan):
    """Return what a JMESPath expression finds in the plan."""
    if jmespath is None:
        raise AnsibleLookupError(
            "ipv6.rollout.plan: jmespath is missing on the controller; install it (pip install jmespath, "
            "or the Debian package python3-jmespath)"
        )
    try:
        return jmespath.search(expression, plan)
    except jmespath.exceptions.JMESPathError as error:
        message = f"ipv6.rollout.plan: {shown(expression)} is no JMESPath expression: {error}"
        raise AnsibleLookupError(message) from error
