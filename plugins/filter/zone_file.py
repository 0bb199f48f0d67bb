# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write records as a zone file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: zone_file
short_description: Write records as a zone file
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the text of a master file (RFC 1035) with the records in canonical order, so that the same records are
    always the same text.
  - In a reverse zone of IPv6 the names are written below an C($ORIGIN) line for each C(/64), where that is shorter.
  - Errors are two TTLs in one RRset, a CNAME beside other records, and records below a delegation or a DNAME record,
    since no server would answer with them.
  - In a reverse zone address records are errors, and names that stand for no address, such as one of 33 digits.

positional: _input
options:
  _input:
    description:
      - Dictionaries with C(name), C(type), C(data) and C(ttl), as P(ipv6.rollout.ptr_records#filter) returns them.
      - A name that does not end in the origin is relative to it. C(@) is the origin. Names in the data are absolute.
      - A record whose C(zone) is another zone is left out.
      - Or one text, for zones of any size. Each line is a full name, blanks and an address; empty lines and comments
        behind C(#) are left out. In a reverse zone each line is a PTR record, in any other an A or AAAA record.
    type: raw
    required: true
  origin:
    description: The name of the zone.
    type: str
    required: true
  soa:
    description:
      - The C(mname), C(rname) (a name, or an address of mail) and C(serial) of the SOA record.
      - C(refresh), C(retry), C(expire) and C(minimum) are optional.
    type: dict
    required: true
  ns:
    description: The name servers of the zone.
    type: list
    elements: str
    required: true
  ttl:
    description: The TTL of the zone, and of records that say none.
    type: int
    default: 3600
  several_names:
    description: Whether several lines of a text may name one address of a reverse zone. By default this is an error.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write a reverse zone
  ansible.builtin.copy:
    content: "{{ records | ipv6.rollout.zone_file(origin=zone, soa=soa, ns=['ns1.example.com']) }}"
    dest: /var/lib/bind/reverse.zone
    mode: "0644"
  vars:
    zone: 0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.
    soa: {mname: ns1.example.com, rname: hostmaster@example.com, serial: 2026010100}
    records: "{{ hosts | ipv6.rollout.ptr_records(zones=[zone]) }}"
    hosts:
      - {name: www.example.com, address: "2001:db8:1200::80", ttl: 300}

- name: Write a reverse zone of any size from a file with a name and an address on each line
  ansible.builtin.copy:
    content: "{{ lookup('ansible.builtin.file', 'hosts.txt')
      | ipv6.rollout.zone_file(origin=zone, soa=soa, ns=['ns1.example.com']) }}"
    dest: /var/lib/bind/reverse.zone
    mode: "0644"
  vars:
    zone: 0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.
    soa: {mname: ns1.example.com, rname: hostmaster@example.com, serial: 2026010100}
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import zone


def zone_file(records, origin, soa, ns, ttl=3600, several_names=False):
    """Write records as a zone file."""
    try:
        return zone.zone_file(records, origin, soa, ns, ttl, several_names)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.zone_file: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"zone_file": zone_file}
