#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nat64
short_description: IPv4 for hosts that have IPv6 only
version_added: "0.1.0"
description:
  - Makes a host a NAT64 with TAYGA (or Jool), now and for the next boot. That is the translator, its device with the
    routes into it, forwarding of both families, IPv4 masquerading, and rules.
  - The rules stand in a table of nft that is this module's own. Only the prefixes in O(clients) may use the translator,
    and neither this host's own IPv4 networks nor any special-purpose address (RFC 6890) is reached through it, but for
    those in O(allowed). What a table of nft drops no other rule lets in, so no order of rules matters.
  - Where C(iptables) is installed, chains of their own in both filter tables let the translated packets pass a FORWARD
    chain that drops. M(ipv6.rollout.ip6tables) keeps such chains.
  - TAYGA is started in an empty network namespace with the new configuration before anything is touched, and nft checks
    the rules. Where the translator then does not start, everything goes back.
options:
  state:
    description:
      - V(present) sets the translator up.
      - V(absent) takes it back. Device and rules go, unit, files and sysctls are what they were.
    type: str
    choices: [present, absent]
    default: present
  translator:
    description:
      - V(tayga) needs only the kernel's C(tun).
      - V(jool) needs its own kernel module. Where the kernel has none, this is said before anything is touched.
    type: str
    choices: [tayga, jool]
    default: tayga
  prefix:
    description:
      - The NAT64 prefix, a /96, or a /64, /56, /48, /40 or /32 (RFC 6052).
      - Behind the well-known one TAYGA reaches no special-purpose IPv4 address at all.
    type: str
    default: "64:ff9b::/96"
  pool:
    description:
      - The IPv4 network out of which TAYGA gives each client an address. The first one is its own.
      - For Jool the address or network that packets leave with, which has to be on this host.
    type: str
  ipv6_address:
    description:
      - The address from which TAYGA sends its own ICMPv6 errors, a free one outside of O(prefix) that is routed to this
        host.
      - Needed with the well-known prefix and a private pool. Otherwise TAYGA takes one inside of the prefix.
    type: str
  clients:
    description: The IPv6 prefixes whose hosts may use the translator. Needed for O(state=present).
    type: list
    elements: str
    default: []
  refused:
    description: More IPv4 networks that nobody reaches, such as networks of the site that this host is not part of.
    type: list
    elements: str
    default: []
  allowed:
    description: IPv4 networks that are reached although they are the host's own, special or in O(refused).
    type: list
    elements: str
    default: []
  device:
    description: The name of TAYGA's device.
    type: str
    default: nat64
  masquerade:
    description: Whether the pool leaves with this host's own IPv4 address. V(false) is for a pool that is routed here.
    type: bool
    default: true
  pref64_interfaces:
    description:
      - The interfaces whose router advertisements tell the prefix (RFC 8781), by C(radvd) 2.20 or later. An older one
        would not start with it, and is refused.
      - A block in C(/etc/radvd.conf) gets one line. An interface without a block gets one that tells nothing else.
    type: list
    elements: str
    default: []
  pref64_lifetime:
    description:
      - For how many seconds hosts keep what was told. RFC 8781 wants three times the interval of advertisements.
    type: int
    default: 1800
author:
  - ipv6.rollout contributors (@ipv6-rollout)
attributes:
  check_mode:
    support: full
    description: Tells exactly what a real run would change, also where packages are not installed yet.
  diff_mode:
    support: full
    description: Shows files, sysctls and units.
"""

EXAMPLES = r"""
- name: A translator behind a prefix of its own
  ipv6.rollout.nat64:
    prefix: "2001:db8:1200:64::/96"
    pool: 192.168.64.0/24
    clients: ["2001:db8:1200::/48"]

- name: One with the well-known prefix, told in router advertisements
  ipv6.rollout.nat64:
    pool: 192.168.64.0/24
    ipv6_address: "2001:db8:1200::64"
    clients: ["2001:db8:1200::/48"]
    pref64_interfaces: [eth1]

- name: Let the clients reach one host of the own network
  ipv6.rollout.nat64:
    prefix: "2001:db8:1200:64::/96"
    pool: 192.168.64.0/24
    clients: ["2001:db8:1200::/48"]
    allowed: [192.0.2.80]

- name: Take it back
  ipv6.rollout.nat64:
    state: absent
"""

RETURN = r"""
unit:
  description: The unit that runs the translator.
  returned: success
  type: str
  sample: tayga.service
prefix:
  description: The NAT64 prefix.
  returned: when O(state=present)
  type: str
  sample: "64:ff9b::/96"
refused:
  description: The IPv4 networks that nobody reaches through it, before O(allowed).
  returned: when O(state=present)
  type: list
  elements: str
  sample: [10.0.0.0/8, 192.0.2.0/24]
restarted:
  description: Whether the translator is started anew. Other changes only load rules.
  returned: when O(state=present)
  type: bool
  sample: false
files:
  description: The files that were changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/ipv6-rollout/nat64.nft]
needs_packages:
  description: The packages that have to be installed first. Nothing was changed.
  returned: when the host lacks some
  type: list
  elements: str
  sample: [tayga]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_apply, nat64_values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    many = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "translator": {"type": "str", "choices": ["tayga", "jool"], "default": "tayga"},
            "prefix": {"type": "str", "default": "64:ff9b::/96"},
            "pool": {"type": "str"},
            "ipv6_address": {"type": "str"},
            "clients": many,
            "refused": many,
            "allowed": many,
            "device": {"type": "str", "default": "nat64"},
            "masquerade": {"type": "bool", "default": True},
            "pref64_interfaces": many,
            "pref64_lifetime": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    given = module.params
    present = given["state"] == "present"
    try:
        if present:
            outcome = nat64_apply.present(nat64_values.wanted(given), not module.check_mode)
        else:
            outcome = nat64_apply.absent(not module.check_mode)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"nat64: {error}")
    for text in outcome.warnings:
        module.warn(text)
    result = outcome.result()
    if present:
        result.update(prefix=outcome.prefix, refused=outcome.refused, restarted=outcome.restarted)
    if outcome.needs_packages:
        result["needs_packages"] = outcome.needs_packages
    module.exit_json(**result)


if __name__ == "__main__":
    main()
