# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what is wrong with the records of forward and reverse zones."""

from __future__ import annotations

DOCUMENTATION = r"""
name: zone_findings
short_description: Tell what is wrong with the records of forward and reverse zones
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Compares records with each other, and returns what is wrong with them. Records without a defect give an empty list.
  - One defect is one finding. Where an MX record names an alias, say, nothing else is said of its addresses.
  - What a delegation gives to a zone that the records do not have is never judged.
positional: _input, zones
options:
  _input:
    description:
      - Records with C(name), C(type) and C(data), and with C(ttl) and C(zone) where they are known, as the filter
        P(ipv6.rollout.ptr_records#filter) returns them.
      - Names are absolute, in the data too, with or without the final dot. Data is as in a zone file.
      - A record without C(zone) is in the closest zone that another record or O(zones) names. Glue records and the
        NS records of a delegation are told from the records of the zone below by their C(zone).
      - Or a dictionary with the text of a zone file for each name of a zone.
    type: raw
    required: true
  zones:
    description:
      - The zones that the records hold completely. Names outside of them are never judged, nor is what is not there.
      - Without it they are the zones of a dictionary of zone files, and a list of records is taken for all that there
        is.
    type: list
    elements: str
  several_names:
    description: Addresses that may have several PTR records.
    type: list
    elements: str
    default: []
  not_public:
    description:
      - More prefixes of both families that public records must not have addresses of.
      - Documentation prefixes count as public.
    type: list
    elements: str
    default: []
notes:
  - These are the checks.
  - 'V(outside-zone): A record is not in the zone that it is given to (error; RFC 1035, section 5.2).'
  - 'V(below-delegation): A record is hidden by a delegation (error; RFC 1034, section 4.2.1).'
  - 'V(below-dname): A record is hidden by a DNAME record (error; RFC 6672, section 2.4).'
  - 'V(two-ttls): An RRset has two TTLs (error; RFC 2181, section 5.2).'
  - 'V(ttl-too-large): A TTL is above 2147483647 (error; RFC 2181, section 8).'
  - 'V(ttl-mismatch): A and AAAA of a name have different TTLs (warning; RFC 4472, section 4.4.1).'
  - 'V(glue-ttl-mismatch): A and AAAA glue records have different TTLs (warning; RFC 4472, section 4.4.2).'
  - 'V(duplicate-record): A record is there more than once (warning; RFC 2181, section 5).'
  - 'V(two-soas): A zone has two SOA records (error; RFC 1035, section 5.2).'
  - 'V(soa-retry): The retry time of a zone is not less than its refresh time (warning; RFC 1912, section 2.2).'
  - 'V(soa-expire): A zone expires before its servers had time to try again (warning; RFC 1912, section 2.2).'
  - 'V(soa-negative-ttl): That a name does not exist is remembered for more than a day (warning; RFC 2308, section
    5).'
  - 'V(no-ns): A zone has a SOA record and no NS record (error; RFC 1034, section 4.2.1).'
  - 'V(no-glue): A delegation to a host inside of what is delegated has no glue record (error; RFC 9471, section
    3.1).'
  - 'V(glue-differs): Glue records differ from the records of the host itself (error; RFC 1034, section 4.2.2).'
  - 'V(delegation-differs): A delegation names other servers than the zone itself (error; RFC 1034, section 4.2.2).'
  - 'V(ds-without-ns): A DS record stands where nothing is delegated (warning; RFC 4035, section 2.4).'
  - 'V(aaaa-without-ptr): An AAAA record''s address has no PTR record (error; RFC 1912, section 2.1).'
  - 'V(a-without-ptr): An A record''s address has no PTR record (warning; RFC 1912, section 2.1).'
  - 'V(ptr-to-nothing): A PTR record''s name has no address (error; RFC 1912, section 2.1).'
  - 'V(ptr-not-confirmed): A PTR record''s name has other addresses only (error; RFC 1912, section 2.1).'
  - 'V(ptr-to-alias): A PTR record''s name is an alias (error; RFC 2181, section 10.2).'
  - 'V(several-ptr): An address has several PTR records and is not in several_names (warning; RFC 1912, section 2.1).'
  - 'V(ptr-target-no-host-name): A PTR record''s name is none that a host may have (error; RFC 1123, section 2.1).'
  - 'V(ptr-target-in-arpa): A PTR record''s name ends in .arpa (error; RFC 1912, section 2.1).'
  - 'V(nibbles-too-many): A PTR record''s owner has more than 32 digits (error; RFC 3596, section 2.5).'
  - 'V(nibbles-too-few): A PTR record''s owner has less than 32 digits (error; RFC 3596, section 2.5).'
  - 'V(label-no-nibble): A PTR record''s owner has a label that is no single hexadecimal digit (error; RFC 3596,
    section 2.5).'
  - 'V(octet-wrong): A PTR record''s owner has a number above 255 or with a leading zero (error; RFC 1035, section
    3.5).'
  - 'V(octets-too-many): A PTR record''s owner has more than four numbers (error; RFC 1035, section 3.5).'
  - 'V(octets-too-few): A PTR record''s owner has less than four numbers (error; RFC 1035, section 3.5).'
  - 'V(label-no-octet): A PTR record''s owner has a label that is no number, and no CNAME record leads there (error;
    RFC 2317, section 5.2).'
  - 'V(octet-outside-range): A PTR record''s owner is outside of the addresses of its classless zone (error; RFC 2317,
    section 4).'
  - 'V(classless-without-cname): No CNAME record leads to a name in a classless zone (error; RFC 2317, section 4).'
  - 'V(address-in-reverse-zone): A reverse name has an A or AAAA record (error; RFC 1035, section 3.5).'
  - 'V(wildcard-hidden): A wildcard PTR record is hidden from names beside explicit ones (warning; RFC 4592, section
    2.2.2).'
  - 'V(owner-no-host-name): An address belongs to a name that no host may have (error; RFC 1123, section 2.1).'
  - 'V(ipv6-name-with-a): A name that begins with ipv6. has an A record (warning; RFC 4472, section 4.3).'
  - 'V(ipv4-name-with-aaaa): A name that begins with ipv4. has an AAAA record (warning; RFC 4472, section 4.3).'
  - 'V(cname-and-other-data): An alias has other records too (error; RFC 1034, section 3.6.2).'
  - 'V(two-cnames): A name is an alias of two names (error; RFC 2181, section 10.1).'
  - 'V(cname-at-apex): A zone''s own name is an alias (error; RFC 1912, section 2.4).'
  - 'V(cname-loop): An alias leads back to itself (error; RFC 1034, section 3.6.2).'
  - 'V(cname-to-nothing): An alias leads to a name that does not exist (error; RFC 1912, section 2.4).'
  - 'V(mx-without-address): An MX record names a host without an address (error; RFC 5321, section 5.1).'
  - 'V(mx-to-alias): An MX record names an alias (error; RFC 2181, section 10.3).'
  - 'V(mx-to-address): An MX record has an address in place of a name (error; RFC 5321, section 2.3.5).'
  - 'V(mx-without-aaaa): An MX record names a host without an AAAA record (warning; RFC 3974, section 2).'
  - 'V(mx-without-a): No MX host of a domain has an A record (error; RFC 3974, section 2).'
  - 'V(null-mx-beside-mx): A domain that says that it takes no mail has MX records (error; RFC 7505, section 3).'
  - 'V(ns-without-address): An NS record names a host without an address (error; RFC 1912, section 2.8).'
  - 'V(ns-to-alias): An NS record names an alias (error; RFC 2181, section 10.3).'
  - 'V(ns-to-address): An NS record has an address in place of a name (error; RFC 1035, section 3.3.11).'
  - 'V(ns-without-aaaa): An NS record names a host without an AAAA record (warning; RFC 3901, section 4).'
  - 'V(ns-without-a): No name server of a zone has an A record (warning; RFC 3901, section 4).'
  - 'V(one-ns): A zone has one name server only (warning; RFC 1034, section 4.1).'
  - 'V(srv-without-address): An SRV record names a host without an address (error; RFC 2782).'
  - 'V(srv-to-alias): An SRV record names an alias (error; RFC 2782).'
  - 'V(srv-to-address): An SRV record has an address in place of a name (error; RFC 2782).'
  - 'V(spf-syntax): An SPF record is an error for every receiver (error; RFC 7208, section 4.6).'
  - 'V(spf-several): A domain has several SPF records (error; RFC 7208, section 3.2).'
  - 'V(spf-type-99): An SPF record has the type SPF (warning; RFC 7208, section 3.1).'
  - 'V(spf-lookups): An SPF record needs more than 10 DNS lookups (error; RFC 7208, section 4.6.4).'
  - 'V(spf-void-lookups): An SPF record asks for more than 2 names without an answer (error; RFC 7208, section
    4.6.4).'
  - 'V(spf-ptr): An SPF record has a ptr term (warning; RFC 7208, section 5.5).'
  - 'V(spf-plus-all): An SPF record lets everybody send (error; RFC 7208, section 5.1).'
  - 'V(spf-after-all): An SPF record has terms behind all (warning; RFC 7208, section 5.1).'
  - 'V(spf-redirect-beside-all): An SPF record has redirect beside all (warning; RFC 7208, section 6.1).'
  - 'V(spf-mapped): An SPF record has an ip6 term for an IPv4-mapped address (error; RFC 7208, section 5).'
  - 'V(spf-mx-names): An mx term of an SPF record has more than 10 names (error; RFC 7208, section 4.6.4).'
  - 'V(spf-no-end): An SPF record ends without all or redirect (warning; RFC 7208, section 4.7).'
  - 'V(spf-include-without-record): An SPF record includes a domain without one (error; RFC 7208, section 5.2).'
  - 'V(spf-loop): An SPF record includes itself (error; RFC 7208, section 4.6.4).'
  - 'V(spf-without-ip6): A host may send by IPv4 and not by IPv6 (error; RFC 7208, section 5.6).'
  - 'V(address-declared-not-public): An address is in not_public (error; O(not_public)).'
  - 'V(ipv4-reserved): An address is a reserved address (error; RFC 1112, section 4).'
  - 'V(ipv4-multicast): An address is a multicast address (error; RFC 5771, section 3).'
  - 'V(ipv4-benchmark): An address is an address for benchmarks (error; RFC 2544, appendix C.2.2).'
  - 'V(ipv4-6to4-relay): An address is the address of 6to4 relays, which was given up (error; RFC 7526, section 4).'
  - 'V(ipv4-protocol): An address is an address for protocols (error; RFC 6890, section 2.2.2).'
  - 'V(ipv4-link-local): An address is a link-local address (error; RFC 3927, section 2.11).'
  - 'V(ipv4-loopback): An address is a loopback address (error; RFC 1122, section 3.2.1.3).'
  - 'V(ipv4-shared): An address is an address shared behind carrier-grade NAT (error; RFC 6598, section 4).'
  - 'V(ipv4-private): An address is a private address (error; RFC 1918, section 5).'
  - 'V(ipv4-this-network): An address is an address of ''this network'' (error; RFC 1122, section 3.2.1.3).'
  - 'V(address-unassigned): An address is outside of 2000::/3 and so nobody''s (error; RFC 4291, section 2.4).'
  - 'V(address-multicast): An address is a multicast address (error; RFC 4291, section 2.7).'
  - 'V(address-site-local): An address is a site-local address, which was given up (error; RFC 3879, section 4).'
  - 'V(address-link-local): An address is a link-local address (error; RFC 4472, section 2.1).'
  - 'V(address-unique-local): An address is a unique local address (ULA) (error; RFC 4193, section 4.4).'
  - 'V(address-srv6): An address is a segment identifier of SRv6 (error; RFC 9602, section 5).'
  - 'V(address-6bone): An address is an address of the 6bone, which was given back (error; RFC 3701, section 2).'
  - 'V(address-6to4): An address is a 6to4 address (error; RFC 7526, section 4).'
  - 'V(address-orchid): An address is an ORCHID, which no router forwards (error; RFC 4843, section 2).'
  - 'V(address-benchmark): An address is an address for benchmarks (error; RFC 5180, section 8).'
  - 'V(address-teredo): An address is a Teredo address (error; RFC 4380, section 2.6).'
  - 'V(address-discard): An address is an address of the discard prefix (error; RFC 6666, section 4).'
  - 'V(address-nat64-local): An address is a NAT64 address for local use (error; RFC 8215, section 5).'
  - 'V(address-nat64): An address is a NAT64 address, which only has a meaning locally (error; RFC 6052, section
    3.1).'
  - 'V(address-mapped): An address is an IPv4-mapped address (error; RFC 4291, section 2.5.5.2).'
  - 'V(address-compatible): An address is an IPv4-compatible address, which was given up (error; RFC 4291, section
    2.5.5.1).'
  - 'V(address-loopback): An address is the loopback address (error; RFC 4291, section 2.5.3).'
  - 'V(address-unspecified): An address is the unspecified address (error; RFC 4291, section 2.5.2).'
seealso:
  - plugin: ipv6.rollout.ptr_records
    plugin_type: filter
  - plugin: ipv6.rollout.spf_with_ip6
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse records with errors in them
  ansible.builtin.assert:
    that: findings | selectattr('severity', 'eq', 'error') | length == 0
    fail_msg: "{{ findings | map(attribute='message') | join(' ') }}"
  vars:
    findings: "{{ records | ipv6.rollout.zone_findings }}"
    records:
      - {name: www.example.com, type: A, data: 192.0.2.80, ttl: 300}
      - {name: www.example.com, type: AAAA, data: "2001:db8:1200::80", ttl: 100}
"""

RETURN = r"""
_value:
  description: The findings, errors first, then by zone and name.
  type: list
  elements: dict
  contains:
    check:
      description: Which check it is.
      type: str
    severity:
      description: How bad it is, V(error) or V(warning).
      type: str
    zone:
      description: The zone, or null where none is known.
      type: str
    name:
      description: The name of the record.
      type: str
    type:
      description: The type of the record.
      type: str
    data:
      description: The data of the record, or null where it is about a missing record or about several.
      type: str
    message:
      description: What is wrong.
      type: str
    fix:
      description: What to do.
      type: str
  sample:
    - check: aaaa-without-ptr
      severity: error
      zone: null
      name: www.example.com.
      type: AAAA
      data: 2001:db8:1200::80
      message: 2001:db8:1200::80 of www.example.com. has no PTR record.
      fix: Add the PTR record, as the filter ptr_records makes it.
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import findings


def zone_findings(records, zones=None, several_names=(), not_public=()):
    """Tell what is wrong with the records of forward and reverse zones."""
    try:
        return findings.findings(records, zones, several_names, not_public)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.zone_findings: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"zone_findings": zone_findings}
