#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: destination_info
short_description: Tell which addresses of a name a host connects to, and what decides their order
version_added: "0.1.0"
description:
  - One read-only call. It asks getaddrinfo() of the host for a name, and looks for the source address of each
    destination as the C library does, with connect() on a UDP socket. That sends no packet.
  - It also returns what the order comes from, which are the addresses of the host with their flags, F(/etc/gai.conf) as
    glibc reads it, and the labels of the kernel.
  - The filter P(ipv6.rollout.destination_report#filter) makes sentences of it.
options:
  name:
    description: The name that connections go to. An address is possible too, but leaves nothing to decide.
    type: str
    required: true
  port:
    description: The port that they go to.
    type: int
    default: 80
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: There is nothing to compare, since nothing is changed.
    support: none
  platform:
    description: Linux with glibc and iproute2.
    support: full
    platforms: linux
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Ask a host what it would connect to
  ipv6.rollout.destination_info:
    name: www.example.com
    port: 443
  register: look

- name: Show it
  ansible.builtin.debug:
    msg: "{{ look.destination_info | ipv6.rollout.destination_report }}"
"""

RETURN = r"""
destination_info:
  description: What was found.
  returned: success
  type: dict
  contains:
    name:
      description: The name that was asked for.
      type: str
      sample: www.example.com
    port:
      description: The port.
      type: int
      sample: 443
    literal:
      description: Whether the name is an address.
      type: bool
      sample: false
    order:
      description:
        - The addresses in the order of getaddrinfo(), each with its C(source), which is null where there is none.
          C(why) then has the words of the kernel.
      type: list
      elements: dict
      sample: [{address: 2001:db8:1::80, source: 2001:db8:2::7, why: ""}]
    problem:
      description: Why there is no address. Empty where there is one.
      type: str
      sample: ""
    sources:
      description:
        - The addresses of the host with C(length), C(interface), C(peer), and the flags C(deprecated), C(temporary),
          C(home), C(tentative) and C(tunnel). Optimistic addresses are among the deprecated ones, as in glibc.
      type: list
      elements: dict
    gai_conf:
      description:
        - The policy table that glibc has (C(rows)), the C(scopes) of IPv4 where the file has any, which tables the file
          has C(replaced), whether programs notice when it changes (C(reload)), and C(remarks) on lines that do nothing.
      type: dict
    labels:
      description: The labels of the kernel (C(ip addrlabel)), by which it picks source addresses.
      type: list
      elements: dict
      sample: [{prefix: "::/0", label: 1}]
    interface_labels:
      description: Labels that hold on one interface alone.
      type: list
      elements: str
      sample: []
    libc:
      description: The C library, empty where it is not glibc.
      type: str
      sample: glibc 2.41
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import destination_info
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"name": {"type": "str", "required": True}, "port": {"type": "int", "default": 80}},
        supports_check_mode=True,
    )
    try:
        found = destination_info.look(module.params["name"], module.params["port"])
    except RolloutError as error:
        module.fail_json(msg=f"destination_info: {error}")
    module.exit_json(changed=False, destination_info=found)


if __name__ == "__main__":
    main()
