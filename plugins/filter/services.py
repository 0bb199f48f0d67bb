# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the services of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: services
short_description: Bring a list of services into one shape
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Takes what C(ipv6_services) holds, known names and dictionaries, and returns one dictionary for each port and
    protocol.
  - Known names are C(ssh), C(smtp), C(submission), C(submissions), C(http), C(https), C(dns) (over TCP and UDP),
    C(imap), C(imaps) and C(pop3s).
positional: _input
options:
  _input:
    description:
      - The services.
      - A dictionary has C(name), C(port), C(protocol) (C(tcp) or C(udp)) and C(sources) (IPv6 prefixes that may use
        the service).
        For a known name, what is left out is what the name stands for.
    type: list
    elements: raw
    required: true
"""

EXAMPLES = r"""
- name: Show the services of a web server
  ansible.builtin.debug:
    msg: "{{ offered | ipv6.rollout.services }}"
  vars:
    offered:
      - http
      - https
      - {name: metrics, port: 9100, sources: ["2001:db8:feed::/64"]}
"""

RETURN = r"""
_value:
  description: >-
    One dictionary for each port and protocol. C(daemon) is C(postfix), C(apache), C(bind) or empty.
    An empty list of C(sources) means everybody.
  type: list
  elements: dict
  sample:
    - {name: http, port: 80, protocol: tcp, sources: [], daemon: apache}
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import services as core


def services(value):
    """Return the services in one shape."""
    try:
        return core.services(value)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.services: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"services": services}
