# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell who reaches the sockets of a host over each family, and whether that is what the inventory says."""

from __future__ import annotations

DOCUMENTATION = r"""
name: listener_findings
short_description: Tell who reaches the sockets of a host, and whether that is what the inventory says
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Joins what M(ipv6.rollout.host_info) told of the listening sockets with the rules of both families and with the
    services that are declared. For each socket it tells whom the rules of each family let in, and what is wrong.
  - Nothing is sent and nothing is changed. The rules are followed as P(ipv6.rollout.firewall_parity#filter) does.
  - What is not known is a finding of its own, and never counts as fine.
positional: _input, declared
options:
  _input:
    description: What the module returned as C(host_info), called with C(rules).
    type: dict
    required: true
  declared:
    description:
      - The services that are meant to be there. They are known words such as V(http), services as
        P(ipv6.rollout.services#filter) returns them, or dictionaries with C(name), C(port), C(protocol) and C(sources).
      - A dictionary may also have C(families), by default both, and C(addresses), the only ones that it may bind. By
        default any address of the host will do.
      - Where two entries have the same protocol and port, the later one counts.
    type: list
    elements: raw
    default: []
  addresses:
    description: The host's addresses that clients use, as C(ipv4) and C(ipv6). A declared service must serve them.
    type: dict
    default: {}
  trusted:
    description:
      - Addresses and prefixes of both families that are let in everywhere, such as those of the lab machine. They must
        not be all of a family.
    type: list
    elements: str
    default: []
notes:
  - A UDP socket that is not connected looks the same whether a server or a client has it. Where its port is one that
    the kernel gives to clients, or its process is a name server, it is marked as C(client) and told as unknown.
seealso:
  - plugin: ipv6.rollout.firewall_parity
    plugin_type: filter
  - module: ipv6.rollout.host_info
"""

EXAMPLES = r"""
- name: Look at the host, with its rules
  ipv6.rollout.host_info:
    rules: true
  register: look

- name: Show what listens, and what is wrong with it
  ansible.builtin.debug:
    msg: "{{ report.lines }}"
  vars:
    report: "{{ look.host_info | ipv6.rollout.listener_findings(ipv6_services, trusted=ipv6_lab_sources) }}"

- name: Nothing may be open to the world that nobody declared
  ansible.builtin.assert:
    that: report.findings | selectattr('level', 'eq', 'alarm') | length == 0
    fail_msg: "{{ report.findings | map(attribute='message') | join('\n') }}"
  vars:
    report: "{{ look.host_info | ipv6.rollout.listener_findings(['http', {'name': 'api', 'port': 8443}]) }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    findings:
      description: What is wrong, the worst first.
      type: list
      elements: dict
      contains:
        level:
          description:
            - V(alarm) where somebody may get in who should not, V(fault) where clients that are meant are not served,
              V(unknown), V(risk) where it may not work after the next start, and V(note).
          type: str
        code:
          description:
            - What it is. V(exposed), V(too_open), V(other_family), V(wildcard), V(other_address), V(ipv4_only),
              V(ipv6_only),
              V(loopback_only), V(silent), V(closed), V(wrong_address), V(rules), V(sockets), V(protocol), V(process),
              V(family), V(undecided), V(client), V(boot_race), V(absent), V(dhcp), V(mapped),
              V(elsewhere) or V(undeclared).
          type: str
        protocol:
          description: C(tcp) or C(udp). It is empty where the finding is about the host.
          type: str
        port:
          description: The port, or 0.
          type: int
        address:
          description: The address of the socket.
          type: str
        process:
          description: The name of the process.
          type: str
        message:
          description: The finding in words.
          type: str
          sample: "tcp [::]:3306 (mariadbd): everyone gets in over IPv6, and nobody declared it"
        evidence:
          description: The socket, and the rule that decides for each family.
          type: list
          elements: str
        remedy:
          description: The way out. For a known program the setting, the file, the value, and how it becomes live.
          type: str
    sockets:
      description:
        - The sockets as C(host_info) tells them, with C(name), C(declared), C(local) (only the host itself reaches
          it), C(absent) (the host doesn't have its address), C(client), and under C(ipv4) and C(ipv6) whether it
          C(serves) the family, C(who) gets in, and that as C(text).
      type: list
      elements: dict
    summary:
      description: How many C(sockets) there are, and how many findings of each level.
      type: dict
    lines:
      description: The report for the terminal.
      type: list
      elements: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import listeners


def listener_findings(look, declared=None, addresses=None, trusted=None):
    """Tell who reaches the sockets of a host over each family, and whether that is what the inventory says."""
    try:
        return listeners.listener_findings(look, declared, addresses, trusted)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.listener_findings: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"listener_findings": listener_findings}
