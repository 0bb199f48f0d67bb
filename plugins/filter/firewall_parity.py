# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell who gets in over IPv4, who over IPv6, and where that differs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: firewall_parity
short_description: Tell who gets in over IPv4, who over IPv6, and where that differs
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Reads the rules of both families, and returns for each protocol and port who may open a connection to the host.
  - The rules are followed as the kernel follows them, through the tables raw, mangle, nat, filter and security, through
    user chains, and down to the policies. Nothing is sent and nothing is changed.
  - What the rules alone don't decide is never called equal. Rules with a rate limit, an address set or a mark, say,
    are named in the notes.
positional: _input, addresses, trusted
options:
  _input:
    description:
      - A dictionary with the output of C(iptables-save) as C(ipv4), and that of C(ip6tables-save) as C(ipv6).
      - Where both back ends hold rules, nft and legacy, each family may be a list of both outputs. Packets must get
        through both. Rules of a back end that is not given are not seen.
      - A text that is cut off before a C(COMMIT), or that has a table twice, is refused.
    type: dict
    required: true
  addresses:
    description:
      - The IPv6 address of each IPv4 source that has one. Both may be prefixes, and a source may have a list of them.
      - Without it, restricted sources of both families can't be compared with each other.
    type: dict
    default: {}
  trusted:
    description: Addresses and prefixes of both families that are left out, such as those of the lab machine.
    type: list
    elements: str
    default: []
  interface:
    description:
      - The interface that packets come in by. A dictionary with C(ipv4) and C(ipv6) names one for each family.
      - Where it is empty or left out they come in by any but the loopback interface, and rules for one interface are
        undecided.
    type: raw
  destinations:
    description:
      - The host's own address, as C(ipv4) and C(ipv6). Without it, rules for one of its addresses are undecided.
    type: dict
  ports:
    description: The ports and port ranges to look at. By default all are.
    type: list
    elements: str
notes:
  - The packets are the first ones of connections from other hosts, with a source address of their own. What the host
    forwards is not looked at.
  - All 65,535 ports are looked at as ranges, so a report takes about as long as reading the rules.
seealso:
  - plugin: ipv6.rollout.zone_findings
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show who gets in
  ansible.builtin.debug:
    msg: "{{ (rules | ipv6.rollout.firewall_parity(trusted=ipv6_lab_sources)).lines }}"
  vars:
    rules:
      ipv4: "{{ lookup('ansible.builtin.file', 'www1.rules.v4') }}"
      ipv6: "{{ lookup('ansible.builtin.file', 'www1.rules.v6') }}"

- name: Nothing may be open over one family only
  ansible.builtin.assert:
    that: report.differences == []
    fail_msg: "{{ report.differences | join('\n') }}"
  vars:
    report: "{{ saved | ipv6.rollout.firewall_parity({'192.0.2.10': '2001:db8:1200::10'}, interface='eth0') }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    entries:
      description: One for each range of ports at which somebody is let in, or may be. Where nobody is, there is none.
      type: list
      elements: dict
      contains:
        protocol:
          description:
            - C(tcp), C(udp), C(icmp) for the echo request, each protocol that a rule names, and C(other) for the rest.
          type: str
        ports:
          description: A port or a range; empty for a protocol without ports.
          type: str
          sample: 8000-8099
        ipv4:
          description: Who is let in over IPv4.
          type: dict
          contains:
            who:
              description:
                - V(everyone), V(nobody), V(some) for the sources, V(all_but) for everyone except the sources, or
                  V(depends) where nobody is let in for sure, and somebody may be.
              type: str
            sources:
              description: Prefixes and ranges of addresses, for V(some) and V(all_but).
              type: list
              elements: str
            depends:
              description: For whom it depends on something that the rules don't say.
              type: list
              elements: str
            text:
              description: The same in words.
              type: str
              sample: everyone but 192.0.2.7
        ipv6:
          description: Who is let in over IPv6, in the same form.
          type: dict
        verdict:
          description: V(same), V(differs), or V(unknown) where that can't be told.
          type: str
        differs:
          description: False only for V(same).
          type: bool
        message:
          description: The entry in one sentence.
          type: str
          sample: "tcp 3306: everyone over IPv6, nobody over IPv4"
    differences:
      description:
        - The messages of the entries that differ, or that are not known to be the same.
        - In front of them, the tables that C(iptables-save) could not print. Then all entries are V(unknown).
      type: list
      elements: str
    policies:
      description: The policies of INPUT, FORWARD and OUTPUT, by family.
      type: dict
    empty:
      description: The families that have no rules at all.
      type: list
      elements: str
    notes:
      description: Rules that could not be decided, policies that differ, and rules that the text does not have.
      type: list
      elements: str
    summary:
      description: How many C(entries) there are, and how many are C(same), C(differs) and C(unknown).
      type: dict
    lines:
      description: The report as a table for the terminal.
      type: list
      elements: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import parity


def firewall_parity(rules, addresses=None, trusted=None, interface=None, destinations=None, ports=None):
    """Tell who gets in over IPv4, who over IPv6, and where that differs."""
    try:
        return parity.firewall_parity(rules, addresses, trusted, interface, destinations, ports)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.firewall_parity: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"firewall_parity": firewall_parity}
