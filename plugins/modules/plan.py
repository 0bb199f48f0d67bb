#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the plan action, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Keep the address plan of a site
version_added: "0.1.0"
author:
  - ipv6.rollout contributors (@ipv6-rollout)
description:
  - Gives every subnet and every host its IPv6 prefix and address, and keeps them in one file that is meant to be
    committed.
  - Nothing that has a place ever moves. Adding, removing or reordering changes no other entry.
  - What leaves the inventory is kept under C(retired) with the date, and its place is not given out again until it
    is purged. A name that comes back gets its old place back.
  - Runs on the controller only. The file is read and written under a lock, and replaced in one piece.
  - A plan that was edited by hand and breaks a rule is refused with the entry named. It is never repaired in silence.
options:
  prefix:
    description:
      - The prefix that the provider gave, from a C(/16) to a C(/127), as text.
      - Needed for O(state=present).
    type: raw
  subnets:
    description:
      - The subnets, as a list of dictionaries, nested to any depth.
      - C(name) is required. C(length) is the prefix length (a leaf is a C(/64) unless it says otherwise, a site without
        one gets room for twice its subnets).
      - C(number) pins the subnet's number within its parent, as hexadecimal text. C(prefix) pins it as a whole.
        C(vlan) takes the number from a VLAN, see O(vlan_numbers); C(number) may then be V(vlan_hex) or V(vlan_decimal)
        for this subnet.
      - C(subnets) are its subnets, C(growth) is the order in which they are given out, and C(reserved) says what is
        not, as in O(reserved).
      - A text of several lines will do as well, with a path and C(key=value) words on each line.
    type: raw
    default: []
  hosts:
    description:
      - The hosts by inventory name. C(name/service) is a further address of a host.
      - C(subnet) is the path of a leaf. C(interface_id) is a literal such as C(::80), or a policy word
        (C(ipv4_decimal), C(ipv4_hex), C(service), C(stable), C(next)), by default C(stable). C(ipv4) is needed by three
        of them. C(service) is the number of the service for the policy of that name.
    type: raw
    default: {}
  path:
    description:
      - The plan file.
      - By default C(ipv6_plan.yml) beside the inventory file, or beside the inventory directory.
      - A relative path starts at the same place.
    type: raw
  growth:
    description:
      - The order in which the subnets of the top level are given out.
      - V(leftmost), V(centermost) and V(rightmost) are those of RFC 3531. V(hash) goes by name.
      - V(centermost_ascending) and V(centermost_alternating) are what other programs make of what the RFC leaves open.
    type: raw
    default: leftmost
  reserved:
    description:
      - What is not given out at the top level unless a subnet is pinned there, and what no subnet grows into.
      - A list of hexadecimal numbers (V(f0)), ranges (V(f0-ff)) and prefixes. Numbers count in C(/64), or in blocks of
        the length behind a slash (V(3/56)).
    type: raw
    default: []
  vlan_numbers:
    description:
      - How C(vlan) becomes a number. VLAN 100 is number C(64) with V(vlan_hex), and C(100), the digits as they read,
        with V(vlan_decimal).
    type: raw
    default: vlan_hex
  ula_prefix:
    description:
      - A unique local prefix (RFC 4193), in which every subnet and host has a twin with the same number and identifier.
      - The twins are C(ula) in the plan.
    type: raw
    default: ""
  seed:
    description: A secret that goes into C(stable) interface identifiers. It never moves who has a place.
    type: str
    default: ""
  forwards:
    description:
      - The hosts that want a port of the v4 proxy that leads to their ssh. They are C(forwards) in the plan.
      - A host keeps its port. That of a host that is not named any more is retired, as an address is.
    type: raw
    default: []
  forward_ports:
    description:
      - The range of these ports, such as V(22001-22999). The lowest that is free is given out next.
      - When empty, every host keeps what the plan has, and O(forwards) is not looked at.
    type: raw
    default: ""
  map:
    description:
      - Where to write the plan as a picture (SVG). A relative path starts beside the plan. V(.svg) alone is the name of
        the plan with that ending.
      - When empty, a map beside the plan, with the plan's name and C(.svg), is kept up to date where there is one.
      - A file that is there and is no map of a plan is refused, and never touched.
    type: raw
    default: ""
  show:
    description: Whether to show the plan as a table on the terminal.
    type: bool
    default: false
  purge:
    description:
      - Forget what had been retired before this run, so that its places can be given out again.
      - Do it only when the TTLs of the old DNS records have run out.
    type: bool
    default: false
  state:
    description:
      - Whether there is a plan. V(absent) removes the file, and with it the memory of every place, and the map.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tells what would change without changing it.
  diff_mode:
    support: full
    description: Shows the plan file before and after.
"""

EXAMPLES = r"""
- name: Plan a site
  ipv6.rollout.plan:
    prefix: "2001:db8:1200::/48"
    subnets:
      - name: web
      - name: mail
        number: "25"
      - name: ams
        length: 56
        growth: leftmost
        subnets:
          - name: office
          - name: guests
    hosts:
      www1: {subnet: web, interface_id: "::80"}
      mail1: {subnet: mail, interface_id: "::160"}
      office1: {subnet: ams/office, interface_id: stable}

- name: Plan by VLAN, with ULA twins and a map
  ipv6.rollout.plan:
    prefix: "2001:db8:1200::/48"
    ula_prefix: "fd12:3456:789a::/48"
    vlan_numbers: vlan_decimal
    reserved: ["f000-ffff"]
    subnets:
      - {name: web, vlan: 100}
      - {name: mail, vlan: 200}
    map: .svg

- name: Give two hosts a port of the v4 proxy each
  ipv6.rollout.plan:
    prefix: "{{ ipv6_prefix }}"
    subnets: "{{ ipv6_subnets }}"
    hosts: "{{ groups['all'] | ipv6.rollout.host_specs(hostvars) }}"
    forwards: [www1, mail1]
    forward_ports: 22001-22999

- name: Forget what was retired
  ipv6.rollout.plan:
    prefix: "{{ ipv6_prefix }}"
    subnets: "{{ ipv6_subnets }}"
    purge: true
"""

RETURN = r"""
path:
  description: The plan file.
  returned: success
  type: str
  sample: /srv/site/ipv6_plan.yml
map:
  description: The map, empty where there is none.
  returned: success
  type: str
  sample: /srv/site/ipv6_plan.svg
headroom:
  description: For every subnet, how many times it can double in place.
  returned: O(state=present)
  type: dict
  sample: {web: 13}
notes:
  description: What is worth knowing, such as lengths that are not on a nibble boundary.
  returned: O(state=present)
  type: list
  elements: str
reserved:
  description: What is reserved, as prefixes.
  returned: O(state=present)
  type: list
  elements: str
renumbered:
  description: Empty, or C(from) and C(to) where the plan moved to another prefix.
  returned: O(state=present)
  type: dict
plan:
  description: The plan. It is empty for O(state=absent).
  returned: success
  type: dict
  sample:
    prefix: 2001:db8:1200::/48
    subnets: {web: "2001:db8:1200::/64"}
    hosts: {www1: "2001:db8:1200::80"}
    retired: {subnets: {}, hosts: {}}
"""
