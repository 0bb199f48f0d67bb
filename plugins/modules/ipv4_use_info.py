#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipv4_use_info
short_description: Tell which programs of a host use IPv4 by themselves
version_added: "0.1.0"
description:
  - Behind a NAT64 with DNS64 everything works that asks for names. Programs that know IPv4 addresses, or ask for A
    records only, do not. This finds them, in one read-only call.
  - It reads the settings of daemons, cron, systemd and the environment for IPv4 literals outside of comments, looks at
    the connections and sockets that there are now, and reads the log of unbound where
    O(ipv6.rollout.dns64#module:log_queries) is on.
  - It sees what is there at this moment. A program that connects once a night is found by its settings only.
options:
  prefix:
    description: The NAT64 prefix. With it each literal is shown as the address that stands for it.
    type: str
  paths:
    description: More files to read, as shell patterns. Comments there begin with C(#).
    type: list
    elements: str
    default: []
  since:
    description: How much of the resolver's log is read, as systemd writes spans of time.
    type: str
    default: 1d
author:
  - ipv6.rollout contributors (@ipv6-rollout)
attributes:
  check_mode:
    support: full
    description: Nothing is ever changed.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Who would lose something without IPv4
  ipv6.rollout.ipv4_use_info:
    prefix: "64:ff9b::/96"
    paths: ["/srv/app/*.ini"]
  register: use

- name: Show it
  ansible.builtin.debug:
    msg: "{{ use.ipv4_use.programs }}"
"""

RETURN = r"""
ipv4_use:
  description: What was found.
  returned: success
  type: dict
  contains:
    ipv6_only:
      description: Whether the host has no IPv4 address but the loopback's. Only then useless sockets are listed.
      type: bool
      sample: false
    programs:
      description:
        - By program (or file, for O(paths)), the uses. Each has C(kind) (C(address), C(network), C(connection) or
          C(datagram)), C(where) (C(file:line), or protocol and state), C(what), C(nat64) (what stands for it behind the
          NAT64, or empty), and C(advice).
      type: dict
      sample:
        postfix:
          - kind: address
            where: /etc/postfix/main.cf:12
            what: 192.0.2.25
            nat64: "2001:db8:64::c000:219"
            advice: write the name instead of the address
    lookups:
      description: Who has asked this host's unbound for A records of a name and never for AAAA records.
      type: list
      elements: dict
      sample:
        - client: "2001:db8:1200::80"
          name: updates.example.com.
          count: 7
          advice: a program there asks for A records only
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import ipv4_use, nat64_values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "prefix": {"type": "str"},
            "paths": {"type": "list", "elements": "str", "default": []},
            "since": {"type": "str", "default": "1d"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        prefix = nat64_values.nat64_prefix("prefix", given["prefix"]) if given["prefix"] else None
        found = ipv4_use.look(prefix, given["paths"], given["since"])
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"ipv4_use_info: {error}")
    module.exit_json(changed=False, ipv4_use=found)


if __name__ == "__main__":
    main()
