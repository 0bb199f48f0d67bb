#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: zone_info
short_description: Read live DNS zones, and say what is wrong in them
version_added: "0.1.0"
author:
  - ipv6.rollout contributors (@ipv6-rollout)
description:
  - Reads zones from one authoritative server, judges them, and compares the serials on further servers.
  - A zone is read whole (AXFR) where the server gives it away. Where it does not, the records of the hosts are asked
    for one by one, without recursion, and then what they point to. These are the addresses and mail servers of names,
    the PTR records of addresses, the name servers, and the SPF records.
  - What the server does not answer for is told in RV(unknown) and never judged.
  - Runs on the controller, over TCP, and never changes anything.
requirements:
  - dnspython on the controller
options:
  server:
    description: The IPv4 or IPv6 address of an authoritative name server of the zones, best of the primary one.
    type: str
    required: true
  port:
    description: Its TCP port, and that of O(servers).
    type: int
    default: 53
  key_name:
    description: The name of the TSIG key that may transfer the zones. Without a key the questions are not signed.
    type: str
  key_algorithm:
    description: The algorithm of the key. HMAC-MD5 is refused.
    type: str
    choices: [hmac-sha256, hmac-sha384, hmac-sha512, hmac-sha224, hmac-sha1]
    default: hmac-sha256
  key_secret:
    description: The secret of the key, in Base64. No output shows it.
    type: str
  timeout:
    description: How many seconds to wait for a server, each time.
    type: float
    default: 10.0
  zones:
    description:
      - The zones to read. A prefix stands for all of its reverse zones. Dictionaries as M(ipv6.rollout.zone) takes them
        are zones too.
      - Without any, they are those of the names and addresses of O(hosts). One with more than 100000 records is then
        not read whole.
    type: list
    elements: raw
    default: []
  hosts:
    description:
      - Hosts whose records to look for, by inventory name, as P(ipv6.rollout.dns_host_records#filter) takes them. Each
        has an C(address), and the lists C(names), C(lab_names) and C(mail_domains), which may be missing.
    type: dict
    default: {}
  servers:
    description:
      - The addresses of further servers of the zones, such as the secondaries. They are asked for the serial of each
        zone, without the key, as everybody asks them.
    type: list
    elements: str
    default: []
  not_public:
    description: Prefixes of which no address may be published, besides those that are never public.
    type: list
    elements: str
    default: []
  several_names:
    description: Addresses that may have several PTR records.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Reads as without it.
    support: full
  diff_mode:
    description: There is nothing to show, since nothing changes.
    support: none
"""

EXAMPLES = r"""
- name: Read a forward zone and the reverse zones, and compare the secondary
  ipv6.rollout.zone_info:
    server: 198.51.100.53
    key_name: rollout
    key_secret: "{{ vault_dns_key }}"
    zones: [example.com, "2001:db8:1200::/48"]
    servers: ["2001:db8:53::53"]
  register: live

- name: Stop where something is wrong
  ansible.builtin.assert:
    that: live.findings | selectattr('severity', 'eq', 'error') | length == 0
    fail_msg: "{{ live.findings | map(attribute='message') | join('\n') }}"

- name: Look for the records of hosts only
  ipv6.rollout.zone_info:
    server: 198.51.100.53
    hosts:
      www1: {address: "2001:db8:1200::80", names: [www.example.com], mail_domains: [example.com]}
"""

RETURN = r"""
records:
  description: The records that were read. Names in them are absolute.
  returned: success
  type: list
  elements: dict
  contains:
    zone:
      description: The zone that the record is in.
      type: str
    name:
      description: The name.
      type: str
    type:
      description: The type.
      type: str
    ttl:
      description: The TTL in seconds.
      type: int
    data:
      description: The data, as in a zone file.
      type: str
  sample:
    - {zone: example.com., name: www.example.com., type: AAAA, ttl: 600, data: "2001:db8:1200::80"}
zones:
  description:
    - The zones that something was read from, by name. Each has its C(serial), the number of C(records) that were read,
      and C(by), which is V(transfer) for a whole zone and V(query) otherwise.
  returned: success
  type: dict
  sample:
    example.com.: {serial: 2026010100, by: transfer, records: 12}
unknown:
  description: What the server did not say, and why. It is not judged.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name that was asked for.
      type: str
    type:
      description: The type that was asked for.
      type: str
    reason:
      description: Why there is no answer.
      type: str
  sample: []
findings:
  description:
    - What is wrong, as the filter P(ipv6.rollout.zone_findings#filter) tells it.
    - Beside its checks there are C(secondary-differs) where one of O(servers) has another serial or lacks the zone,
      C(server-silent) where one does not answer, and C(not-judged) for a record that no check can read.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
    severity:
      description: V(error) or V(warning).
      type: str
    zone:
      description: The zone, or null.
      type: str
    name:
      description: The name of the record; for C(server-silent), the server.
      type: str
    type:
      description: The type of the record.
      type: str
    data:
      description: The data of the record, or null.
      type: str
    message:
      description: What is wrong.
      type: str
    fix:
      description: What to do.
      type: str
  sample:
    - check: secondary-differs
      severity: error
      zone: example.com.
      name: example.com.
      type: SOA
      data: "2026010100"
      message: name server 192.0.2.54:53 has the serial 2026010100 of example.com., and 2026010101 is the primary one
      fix: Wait for its refresh, or send it a NOTIFY; where that does not help, its log says why it gets no transfer.
lines:
  description: The zones, the findings and what is unknown, a line each, to be shown.
  returned: success
  type: list
  elements: str
  sample:
    - example.com. serial 2026010101, whole, 12 records
    - Nothing is wrong in what was read.
"""
