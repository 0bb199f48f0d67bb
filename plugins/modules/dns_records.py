#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_records
short_description: Keep DNS records by dynamic update, one transaction for each zone
version_added: "0.1.0"
author:
  - ipv6.rollout contributors (@ipv6-rollout)
description:
  - Compares the wanted records with what the name server holds, and sends one signed update (RFC 2136, RFC 8945) for
    each zone in which something differs. Where nothing differs, nothing is sent, and the serial of the zone stays.
  - Each update has a prerequisite for every RRset that it touches. Where somebody else has changed one in between, the
    server refuses the whole update, nothing later is sent, and the message shows both.
  - Zones are found by asking the server (SOA), never guessed. Reverse zones are updated before forward zones, since
    an address needs its PTR record before it is used. With O(state=absent) it is the other way round.
  - After an update the RRsets are read again. What the server left out without a word is an error.
  - Runs on the controller, over TCP, and makes no connection to a managed host.
notes:
  - A zone that takes updates is not for editing as a file at the same time; the server keeps a journal of its own.
  - An RRset has one TTL (RFC 2181). A wanted TTL therefore holds for records of others in the same RRset too.
  - Where one zone was updated and the next one fails, the task fails with C(changed) true, and RV(zones) shows what
    was done. A second run does what is left.
requirements:
  - dnspython on the controller
options:
  server:
    description: The IPv4 or IPv6 address of the primary name server of the zones.
    type: str
    required: true
  port:
    description: Its TCP port.
    type: int
    default: 53
  key_name:
    description: The name of the TSIG key. Without a key the updates are not signed.
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
    description: How many seconds to wait for the server, each time.
    type: float
    default: 10.0
  compare:
    description:
      - How the RRsets are read for the comparison.
      - V(query) asks for each of them.
      - V(transfer) transfers the zones that they are in (AXFR). A zone that the server does not give away is an error.
      - V(auto) transfers a zone of which 200 RRsets or more are asked for, where the server allows it and the zone is
        not much larger than that. It asks for everything else.
    type: str
    choices: [auto, query, transfer]
    default: auto
  records:
    description:
      - The records. A name or a type may occur as often as it likes. Records of the same name and type make one RRset.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the record. It is always absolute, with or without the final dot.
        type: str
        required: true
      type:
        description: The type, such as V(AAAA) or V(PTR).
        type: str
        required: true
      data:
        description:
          - The data as in a zone file; names in it are absolute.
          - For V(TXT), text that does not begin with a quotation mark is taken as it is, and cut into strings.
        type: str
        required: true
      ttl:
        description:
          - The TTL in seconds.
          - Without it an AAAA RRset takes the TTL of the A RRset of the same name. Any other takes the TTL that the
            RRset has, or O(default_ttl) where there is none.
        type: int
      fallback:
        description:
          - Only for V(PTR). The name to point to for as long as the name in O(records[].data) does not have the
            address, so that the PTR record is always forward-confirmed.
          - Records of the same task count as if they were there. With O(state=absent) the record is removed whichever
            of the two it points to.
        type: str
  spf:
    description:
      - Changes to SPF policies. Only the one SPF string of each name is changed; other TXT records stay as they are.
      - A name without an SPF record gets none. There is a warning instead, since this module makes no policies.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The mail domain.
        type: str
        required: true
      ip6:
        description: The IPv6 prefixes or addresses that the policy is to list. With O(state=absent) they are taken out.
        type: list
        elements: str
        required: true
  state:
    description:
      - V(present) adds what is missing.
      - V(absent) removes exactly the given data. Other data of the same RRset stays.
    type: str
    choices: [present, absent]
    default: present
  exclusive:
    description:
      - With O(state=present), each RRset that O(records) names is to hold the given data and nothing else.
      - Meant for PTR records, where a second name is hardly ever wanted.
    type: bool
    default: false
  default_ttl:
    description: The TTL of an RRset that is new and has no TTL from elsewhere.
    type: int
    default: 3600
attributes:
  check_mode:
    description: Compares, and sends no update.
    support: full
  diff_mode:
    description: Shows the changed RRsets zone by zone.
    support: full
"""

EXAMPLES = r"""
- name: Give www its IPv6 address, with the TTL of its A record
  ipv6.rollout.dns_records:
    server: 198.51.100.53
    key_name: rollout
    key_secret: "{{ vault_dns_key }}"
    records:
      - {name: www.example.com, type: AAAA, data: "2001:db8:1200::80"}

- name: Point the PTR record to www as soon as www has the address, and to the lab name until then
  ipv6.rollout.dns_records:
    server: 198.51.100.53
    key_name: rollout
    key_secret: "{{ vault_dns_key }}"
    exclusive: true
    records:
      - name: "{{ '2001:db8:1200::80' | ipv6.rollout.reverse_name }}"
        type: PTR
        data: www.example.com
        fallback: ipv6.www.example.com

- name: Let the SPF policy know where mail comes from now
  ipv6.rollout.dns_records:
    server: 198.51.100.53
    key_name: rollout
    key_secret: "{{ vault_dns_key }}"
    spf:
      - {name: example.com, ip6: ["2001:db8:1200::25"]}
"""

RETURN = r"""
zones:
  description: The zones that were changed, in the order of the updates. In check mode, those that would be changed.
  returned: always, unless nothing could be compared
  type: list
  elements: dict
  contains:
    zone:
      description: The zone.
      type: str
    added:
      description: New records, as lines of a zone file.
      type: list
      elements: str
    removed:
      description: Records that are gone, as lines of a zone file.
      type: list
      elements: str
  sample:
    - zone: example.com.
      added: ["www.example.com. 600 IN AAAA 2001:db8:1200::80"]
      removed: []
records:
  description: Every record of the RRsets that the task is about, as the server holds them in the end.
  returned: always, unless nothing could be compared
  type: list
  elements: dict
  contains:
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
      description: The data.
      type: str
  sample:
    - {name: www.example.com., type: AAAA, ttl: 600, data: "2001:db8:1200::80"}
"""
