#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns64
short_description: A name server that makes AAAA records for names that have only A records
version_added: "0.1.0"
description:
  - Makes unbound (or BIND) a DNS64 (RFC 6147) for the hosts behind a NAT64. A name that has an A record and no AAAA
    record gets one, the IPv4 address inside the NAT64 prefix. Names that have AAAA records keep them.
  - unbound gets one drop-in. BIND gets files of its own, and one line in C(named.conf.options) and one in
    C(named.conf.local).
  - The new configuration is checked in a copy of the whole one (C(unbound-checkconf), C(named-checkconf -z)) before
    anything is touched. A configuration that was broken before is named, and nothing is changed.
  - After a restart the sockets are looked at. Where they are not those that are wanted, the old files come back.
options:
  state:
    description:
      - V(absent) gives the name server's files back as they were.
      - Where somebody has edited one of BIND's own files since, only the line that takes in ours goes out of it.
    type: str
    choices: [present, absent]
    default: present
  server:
    description: The name server.
    type: str
    choices: [unbound, bind]
    default: unbound
  prefix:
    description: The NAT64 prefix, the same as in M(ipv6.rollout.nat64).
    type: str
    default: "64:ff9b::/96"
  clients:
    description: The IPv6 prefixes whose hosts may ask. Needed for O(state=present).
    type: list
    elements: str
    default: []
  listen:
    description:
      - The addresses of this host on which clients ask. Needed for O(state=present).
      - unbound listens there, and on the loopback as before. Another program on port 53 of one of them is named.
      - BIND listens where its own configuration says, and the module only sees that these are among them.
    type: list
    elements: str
    default: []
  forward:
    description: Zones that are asked of named servers.
    type: list
    elements: dict
    default: []
    suboptions:
      zone:
        description: The zone, or V(.) for everything.
        type: str
        required: true
      servers:
        description: The addresses of the servers.
        type: list
        elements: str
        required: true
      type:
        description: V(forward) asks resolvers, V(stub) asks the authoritative servers of the zone.
        type: str
        choices: [forward, stub]
        default: forward
      insecure:
        description: Whether the zone is not validated, as one that exists only inside has to be.
        type: bool
        default: false
  ignore_aaaa:
    description:
      - Names whose AAAA records count as none, so that they are reached through the NAT64.
      - unbound only.
    type: list
    elements: str
    default: []
  excluded:
    description:
      - Prefixes whose addresses count as no AAAA record. IPv4-mapped ones always are.
      - BIND only.
    type: list
    elements: str
    default: []
  ipv4only:
    description:
      - Who answers for C(ipv4only.arpa), by which hosts find the prefix (RFC 7050).
      - V(local) answers here, as RFC 8880 has it, also without a way to the root.
      - V(resolve) asks the Internet.
    type: str
    choices: [local, resolve]
    default: local
  log_queries:
    description:
      - Whether unbound logs every query, so that M(ipv6.rollout.ipv4_use_info) can tell who asks for A records only.
      - This is who asks for what. Switch it off again when the answer is there.
    type: bool
    default: false
author:
  - ipv6.rollout contributors (@ipv6-rollout)
attributes:
  check_mode:
    support: full
    description: Tells what a real run would change, also where the package is not installed yet.
  diff_mode:
    support: full
    description: Shows files and the unit.
"""

EXAMPLES = r"""
- name: unbound for the hosts of the plan
  ipv6.rollout.dns64:
    clients: ["2001:db8:1200::/48"]
    listen: ["2001:db8:1200::53"]

- name: One that asks the site's own resolver, and its name server for internal names
  ipv6.rollout.dns64:
    prefix: "2001:db8:1200:64::/96"
    clients: ["2001:db8:1200::/48"]
    listen: ["2001:db8:1200::53"]
    forward:
      - {zone: ., servers: [192.0.2.53]}
      - {zone: internal.example, servers: [192.0.2.54], type: stub, insecure: true}

- name: Take it back
  ipv6.rollout.dns64:
    state: absent
"""

RETURN = r"""
unit:
  description: The unit of the name server.
  returned: success
  type: str
  sample: unbound.service
prefix:
  description: The NAT64 prefix.
  returned: when O(state=present)
  type: str
  sample: "64:ff9b::/96"
listening:
  description: Where clients ask.
  returned: when O(state=present)
  type: list
  elements: str
  sample: ["[2001:db8:1200::53]:53"]
restarted:
  description: Whether the server is started anew, as new sockets need.
  returned: when O(state=present)
  type: bool
  sample: false
reloaded:
  description: Whether the server reads its files again. It forgets its cache then.
  returned: when O(state=present)
  type: bool
  sample: true
files:
  description: The files that were changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/unbound/unbound.conf.d/zz-ipv6-rollout-dns64.conf]
needs_packages:
  description: The package that has to be installed first. Nothing was changed.
  returned: when the host lacks it
  type: list
  elements: str
  sample: [unbound]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import dns64_apply, dns64_values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

FORWARD = {
    "zone": {"type": "str", "required": True},
    "servers": {"type": "list", "elements": "str", "required": True},
    "type": {"type": "str", "choices": ["forward", "stub"], "default": "forward"},
    "insecure": {"type": "bool", "default": False},
}


def main():
    """Entry point."""
    many = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "server": {"type": "str", "choices": ["unbound", "bind"], "default": "unbound"},
            "prefix": {"type": "str", "default": "64:ff9b::/96"},
            "clients": many,
            "listen": many,
            "forward": {"type": "list", "elements": "dict", "default": [], "options": FORWARD},
            "ignore_aaaa": many,
            "excluded": many,
            "ipv4only": {"type": "str", "choices": ["local", "resolve"], "default": "local"},
            "log_queries": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    present = given["state"] == "present"
    try:
        if present:
            outcome = dns64_apply.present(dns64_values.wanted(given), not module.check_mode)
        else:
            outcome = dns64_apply.absent(not module.check_mode)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"dns64: {error}")
    for text in outcome.warnings:
        module.warn(text)
    result = outcome.result()
    if present:
        result.update(prefix=outcome.prefix, listening=outcome.listening)
        result.update(restarted=outcome.restarted, reloaded=outcome.reloaded)
    if outcome.needs_packages:
        result["needs_packages"] = outcome.needs_packages
    module.exit_json(**result)


if __name__ == "__main__":
    main()
