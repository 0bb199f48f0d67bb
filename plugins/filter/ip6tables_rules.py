# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn an IPv4 rule set into an IPv6 one."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ip6tables_rules
short_description: Turn an IPv4 rule set into an IPv6 one
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Translates what C(iptables-save) or C(iptables -S) printed, or plain C(-A) lines, rule by rule.
  - It never guesses. A rule that it can't translate is not in the result, but in the report, with the reason and the
    way out. Each rule is in one of the two.
  - Addresses are looked up in O(addresses) exactly as a rule has them. Without an entry are known C(0.0.0.0/0),
    C(127.0.0.0/8) and the multicast groups that both families have. C(169.254.0.0/16) is not, since every IPv6
    neighbour speaks from C(fe80::/10).
  - The table C(nat) is not translated, since IPv6 hosts have addresses of their own.
  - Lists of C(-m recent) get C(-v6) behind their names, since the kernel keeps one list a name for both families.
positional: _input, addresses, sets, icmpv6
options:
  _input:
    description: The IPv4 rule set.
    type: str
    required: true
  addresses:
    description:
      - By IPv4 address or prefix, the IPv6 address or prefix that stands for it, or a list of them.
      - C(::/0) stands for C(0.0.0.0/0) only.
      - P(ipv6.rollout.plan_addresses#filter) makes it of the plan.
    type: dict
    default: {}
  sets:
    description: By name of an ipset, the name of a set of C(family inet6) that stands for it.
    type: dict
    default: {}
  icmpv6:
    description:
      - Whether the ICMPv6 that IPv4 rules can't speak of is let through, in front of all rules of a chain that could
        drop it. It is neighbour discovery, MLD and the errors, after RFC 4890; without them there is no IPv6.
      - DHCPv6 of a client is let through as well. An IPv4 client reads its packets before any rule, so that IPv4 rules
        don't speak of it, while rules that drop what they don't know would cut a DHCPv6 client off.
      - Pings are left to the rules.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Read the IPv4 rules of the host
  ansible.builtin.command: iptables-save
  register: ipv4
  changed_when: false

- name: Translate them
  ansible.builtin.set_fact:
    ipv6: "{{ ipv4.stdout | ipv6.rollout.ip6tables_rules(addresses={'192.0.2.25': '2001:db8:1200:25::25'}) }}"

- name: Stop where a rule needs a decision
  ansible.builtin.assert:
    that: ipv6.untranslated | length == 0
    fail_msg: "{{ ipv6.untranslated }}"
"""

RETURN = r"""
_value:
  description: The IPv6 rule set, and what is not in it.
  type: dict
  contains:
    rules:
      description: The translated tables, as C(ip6tables-restore) takes them.
      type: str
    untranslated:
      description: The rules that were not translated, in the order of the input.
      type: list
      elements: dict
      contains:
        rule:
          description: The rule as the input has it, without counters.
          type: str
        reason:
          description: Why it was not translated, what to do instead, and what IPv6 is like without it.
          type: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import translate


def ip6tables_rules(text, addresses=None, sets=None, icmpv6=True):
    """Turn an IPv4 rule set into an IPv6 one."""
    try:
        return translate.ip6tables_rules(text, addresses, sets, icmpv6)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.ip6tables_rules: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"ip6tables_rules": ip6tables_rules}
