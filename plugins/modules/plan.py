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
        one gets room for twice its subnets). C(number) pins the subnet's number within its parent, as hexadecimal text.
        C(growth) is the order in which its own subnets are given out. C(subnets) are its subnets.
    type: raw
    default: []
  hosts:
    description:
      - The hosts by inventory name. C(name/service) is a further address of a host.
      - C(subnet) is the path of a leaf. C(interface_id) is a literal such as C(::80), or a policy word
        (C(ipv4_decimal), C(ipv4_hex), C(stable), C(next)), by default C(stable). C(ipv4) is needed by two of them.
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
    type: raw
    default: leftmost
  purge:
    description:
      - Forget what had been retired before this run, so that its places can be given out again.
      - Do it only when the TTLs of the old DNS records have run out.
    type: bool
    default: false
  state:
    description: Whether there is a plan. V(absent) removes the file, and with it the memory of every place.
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
