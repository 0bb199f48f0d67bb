#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: interface
short_description: Set IPv6 addresses, routes and router advertisement sysctls of interfaces
version_added: "0.1.0"
description:
  - Puts IPv6 addresses and routes on interfaces at once, without a link flap, and writes the same for the next boot
    through the program that configures the interface.
  - New addresses are used only once duplicate address detection (DAD) has passed. Where another host has the address,
    the module fails, names it, and leaves nothing behind.
  - A router is asked for (neighbour solicitation) before a route over it replaces another one.
  - IPv4 is never touched, nor is any address that this module has not added; except that what the kernel learnt from
    router advertisements is removed where O(accept_ra) is false and an address and a default route are set.
  - The address that the ssh connection in use came to is never removed, nor the last route to where it comes from.
  - What was there before is kept under C(/var/lib/ipv6-rollout), so that O(state=absent) gives it back.
options:
  state:
    description:
      - V(present) sets addresses, routes and sysctls.
      - V(absent) takes back what this module added, on O(name) or those of O(interfaces); without them on every
        interface.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The interface.
      - By default the one that carries O(management_address), or else the one of the IPv4 default route.
    type: str
  management_address:
    description:
      - The address over which the host is managed, as in C(ansible_host). A host name is ignored.
      - An IPv6 address given here is not removed.
    type: str
  addresses:
    description:
      - The IPv6 addresses of the interface, each with its prefix length. Text, or a dictionary with V(address) and
        V(deprecated).
      - A deprecated address (C(preferred_lft 0)) serves, but is no source of new connections. Whether it is deprecated
        is changed by its lifetime, without removing it.
      - An address that this module added and that is not named any more is removed, after the new ones work.
    type: list
    elements: raw
    default: []
  gateway:
    description:
      - The router for the IPv6 default route. A link-local address is allowed.
      - Without it, or where it is empty, the default route of others is left alone; one that this module has set goes,
        and the one that it replaced comes back. There has to be one afterwards, see O(allow).
    type: raw
  routes: &routes
    description: Further routes. One that this module added and that is not named any more is removed.
    type: list
    elements: dict
    suboptions:
      to:
        description: The prefix.
        type: raw
        required: true
      via:
        description: The router. A link-local address is allowed.
        type: raw
        required: true
      metric:
        description: The metric; 0 leaves it to the kernel, which takes 1024.
        type: int
        default: 0
  interfaces:
    description:
      - Several interfaces at once, instead of O(name), O(addresses), O(gateway) and O(routes). All of them are changed,
        or none. At most one has a gateway, those counted that an earlier run has set and that are not named now.
      - What is not named here is taken from the options O(backend), O(accept_ra) and O(privacy).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The interface.
        type: str
        required: true
      addresses:
        description: As O(addresses).
        type: list
        elements: raw
        default: []
      gateway:
        description: As O(gateway).
        type: raw
      routes: *routes
      backend:
        description: As O(backend).
        type: str
        choices: [auto, ifupdown, networkd, netplan, networkmanager]
      accept_ra:
        description: As O(accept_ra).
        type: bool
      privacy:
        description: As O(privacy).
        type: bool
  backend:
    description:
      - What configures the interface at boot.
      - V(auto) finds it out, and fails where nothing is found or where several programs configure the interface.
      - C(systemd-networkd) is not reloaded and a profile of C(NetworkManager) is not applied again, because either
        would interrupt IPv4 or IPv6. All is live by C(ip); they read what was written at the next boot or reload, and
        arrive at the same addresses and routes.
      - With V(netplan) and its C(NetworkManager) renderer no address can be deprecated.
    type: str
    choices: [auto, ifupdown, networkd, netplan, networkmanager]
    default: auto
  accept_ra:
    description:
      - Whether router advertisements are accepted. A host with a planned address needs none.
      - On a host that forwards packets the sysctl becomes 2, because with 1 the kernel would drop its default route.
      - Without O(gateway) the default route has to come this way; where no router answers, the module fails.
    type: bool
    default: false
  privacy:
    description: Whether the host uses temporary addresses (RFC 8981) for outgoing connections. Needs O(accept_ra).
    type: bool
    default: false
  mend:
    description:
      - What is overruled where others have switched it off, live and by a file in C(/etc/sysctl.d) whose name sorts
        after theirs. What is not named here is refused, with the file and the line that does it.
      - V(disable_ipv6) switches IPv6 on for the interface, V(accept_ra) lets the kernel read router advertisements.
      - A kernel that was started with C(ipv6.disable=1) can't be mended by a sysctl, and is always refused.
    type: list
    elements: str
    choices: [disable_ipv6, accept_ra]
    default: []
  allow:
    description:
      - What is let pass although it mostly is a mistake.
      - V(no_default_route), the host would have no IPv6 default route.
      - V(unreachable_gateway), a router does not answer neighbour solicitations.
      - V(other_prefix_length), a router announces another prefix length for the link.
    type: list
    elements: str
    choices: [no_default_route, unreachable_gateway, other_prefix_length]
    default: []
  dad_timeout:
    description: How many seconds to wait for duplicate address detection.
    type: int
    default: 10
author:
  - ipv6.rollout contributors (@ipv6-rollout)
attributes:
  check_mode:
    support: full
    description: >-
      Tells exactly what a real run would change, and asks for routers as a real run would; but not whether another host
      has the address.
  diff_mode:
    support: full
    description: Shows addresses, routes, sysctls and files before and after.
"""

EXAMPLES = r"""
- name: Give the host its planned address
  ipv6.rollout.interface:
    management_address: "{{ ansible_host }}"
    addresses: ["2001:db8:1200::80/64"]
    gateway: "fe80::1"

- name: Two addresses, one of them for a service only, and a route to the storage network
  ipv6.rollout.interface:
    name: eth0
    addresses:
      - "2001:db8:1200::80/64"
      - {address: "2001:db8:1200::81/64", deprecated: true}
    gateway: "fe80::1"
    routes:
      - {to: "2001:db8:1200:5000::/52", via: "fe80::5"}

- name: Two interfaces, on a host that a hardening role has been at
  ipv6.rollout.interface:
    interfaces:
      - {name: eth0, addresses: ["2001:db8:1200::80/64"], gateway: "fe80::1"}
      - {name: eth1, addresses: ["2001:db8:1200:5000::80/64"]}
    mend: [disable_ipv6]

- name: Take it back
  ipv6.rollout.interface:
    state: absent
"""

RETURN = r"""
name:
  description: The interface; the names with commas where there are several.
  returned: success
  type: str
  sample: eth0
backend:
  description: What configures the interface at boot; with commas where there are several.
  returned: when O(state=present)
  type: str
  sample: ifupdown
addresses:
  description: The global IPv6 addresses of the interfaces after the run.
  returned: success
  type: list
  elements: str
  sample: ["2001:db8:1200::80/64"]
files:
  description: The files that were changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/network/interfaces.d/60-ipv6-rollout-eth0]
mended:
  description: What is overruled, and where others have switched it off.
  returned: when O(state=present)
  type: list
  elements: str
  sample: ["net.ipv6.conf.eth0.disable_ipv6: it is 1 now; /etc/sysctl.d/10-hard.conf line 2 switches it on"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_run as core
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_refuse import refuse_beside

BACKENDS = ["auto", "ifupdown", "networkd", "netplan", "networkmanager"]


def main() -> None:
    routes = {
        "type": "list",
        "elements": "dict",
        "options": {
            "to": {"type": "raw", "required": True},
            "via": {"type": "raw", "required": True},
            "metric": {"type": "int", "default": 0},
        },
    }
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "name": {"type": "str"},
            "management_address": {"type": "str"},
            "addresses": {"type": "list", "elements": "raw", "default": []},
            "gateway": {"type": "raw"},
            "routes": routes,
            "interfaces": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "addresses": {"type": "list", "elements": "raw", "default": []},
                    "gateway": {"type": "raw"},
                    "routes": routes,
                    "backend": {"type": "str", "choices": BACKENDS},
                    "accept_ra": {"type": "bool"},
                    "privacy": {"type": "bool"},
                },
            },
            "backend": {"type": "str", "choices": BACKENDS, "default": "auto"},
            "accept_ra": {"type": "bool", "default": False},
            "privacy": {"type": "bool", "default": False},
            "mend": {"type": "list", "elements": "str", "choices": ["disable_ipv6", "accept_ra"], "default": []},
            "allow": {
                "type": "list",
                "elements": "str",
                "choices": ["no_default_route", "unreachable_gateway", "other_prefix_length"],
                "default": [],
            },
            "dad_timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    run = core.present if module.params["state"] == "present" else core.absent
    try:
        refuse_beside(module.params)
        result = run(module.params, files.Ledger(core.LEDGER), module.check_mode)
    except (RolloutError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    for remark in result.pop("warnings", []):
        module.warn(remark)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
