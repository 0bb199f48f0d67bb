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
  - Two TTLs in one RRset, and a CNAME beside other records, are errors.

positional: _input
options:
  _input:
    description:
      - Dictionaries with C(name), C(type), C(data) and C(ttl), as P(ipv6.rollout.ptr_records#filter) returns them.
      - A name that does not end in the origin is relative to it. C(@) is the origin. Names in the data are absolute.
      - A record whose C(zone) is another zone is left out.
    type: list
    elements: dict
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
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import zone


def zone_file(records, origin, soa, ns, ttl=3600):
    """Write records as a zone file."""
    try:
        return zone.zone_file(records, origin, soa, ns, ttl)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.zone_file: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"zone_file": zone_file}
