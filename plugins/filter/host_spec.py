# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the variables of one host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_spec
short_description: Check what the inventory says of one host
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Takes the variables of one host and returns what the rollout needs of them, checked and in one shape.
  - An error names the host, the variable and the value.
positional: _input, name
options:
  _input:
    description:
      - The variables of the host, such as C(hostvars['www1']).
      - C(ipv6_subnet) is required. C(ipv6_interface_id), C(ipv6_service), C(ipv6_names), C(ipv6_services) and
        C(ipv6_mail_domains) are optional.
      - The IPv4 address is C(ipv6_ipv4) where that is set. Otherwise it is C(ansible_host) or the inventory name where
        that is one.
    type: dict
    required: true
  name:
    description: The inventory name. By default it is C(inventory_hostname) among the variables.
    type: str
"""

EXAMPLES = r"""
- name: Show what the inventory says of this host
  ansible.builtin.debug:
    msg: "{{ hostvars[inventory_hostname] | ipv6.rollout.host_spec }}"
"""

RETURN = r"""
_value:
  description: The host's specification.
  type: dict
  sample:
    subnet: web
    interface_id: "::80"
    ipv4: 192.0.2.80
    interface: ""
    names: [www.example.com]
    lab_names: [ipv6.www.example.com]
    services: [{name: http, port: 80, protocol: tcp, sources: [], daemon: apache}]
    daemons: [apache]
    mail_domains: []
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import services


def host_spec(variables, name=None):
    """Return the specification of one host."""
    try:
        return services.host_spec(variables, name)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.host_spec: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"host_spec": host_spec}
