# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks: how bad a finding is, what it means, what to do, and where that is written."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_addresses import DECLARED, RANGES


class Check(t.NamedTuple):
    """One row of the table."""

    severity: str
    means: str
    fix: str
    source: str


def _e(means: str, fix: str, source: str) -> Check:
    return Check("error", means, fix, source)


def _w(means: str, fix: str, source: str) -> Check:
    return Check("warning", means, fix, source)


_APART = "Give the record to the zone below, or take it out."
_OWNER = "Write the owner as the filter reverse_name gives it."
_TARGET = "Give the target an A and an AAAA record, or name another host."
_NO_ALIAS = "Name the host itself that the alias leads to."
_NO_LITERAL = "Name the host that has the address."
_TERM = "Take the term out, or write what it means with ip4 and ip6 terms."

CHECKS: dict[str, Check] = {
    # Zones
    "outside-zone": _e(
        "A record is not in the zone that it is given to", "Put it into its own zone.", "RFC 1035, section 5.2"
    ),
    "below-delegation": _e("A record is hidden by a delegation", _APART, "RFC 1034, section 4.2.1"),
    "below-dname": _e(
        "A record is hidden by a DNAME record", "Move it to where the DNAME leads.", "RFC 6672, section 2.4"
    ),
    "two-ttls": _e("An RRset has two TTLs", "Give all its records the same TTL.", "RFC 2181, section 5.2"),
    "ttl-too-large": _e("A TTL is above 2147483647", "Take a TTL of at most some days.", "RFC 2181, section 8"),
    "ttl-mismatch": _w(
        "A and AAAA of a name have different TTLs", "Give both the same TTL.", "RFC 4472, section 4.4.1"
    ),
    "glue-ttl-mismatch": _w(
        "A and AAAA glue records have different TTLs", "Give both the same TTL.", "RFC 4472, section 4.4.2"
    ),
    "duplicate-record": _w("A record is there more than once", "Take the copies out.", "RFC 2181, section 5"),
    "two-soas": _e("A zone has two SOA records", "Keep one of them.", "RFC 1035, section 5.2"),
    "soa-retry": _w(
        "The retry time of a zone is not less than its refresh time",
        "Take a fraction of the refresh time for retry.",
        "RFC 1912, section 2.2",
    ),
    "soa-expire": _w(
        "A zone expires before its servers had time to try again",
        "Let it expire after two to four weeks.",
        "RFC 1912, section 2.2",
    ),
    "soa-negative-ttl": _w(
        "That a name does not exist is remembered for more than a day",
        "Take one to three hours for the last number of the SOA record.",
        "RFC 2308, section 5",
    ),
    "no-ns": _e(
        "A zone has a SOA record and no NS record", "Add the NS records of its servers.", "RFC 1034, section 4.2.1"
    ),
    "no-glue": _e(
        "A delegation to a host inside of what is delegated has no glue record",
        "Add the A and AAAA records of the host beside the delegation.",
        "RFC 9471, section 3.1",
    ),
    "glue-differs": _e(
        "Glue records differ from the records of the host itself",
        "Copy the addresses from the zone of the host.",
        "RFC 1034, section 4.2.2",
    ),
    "delegation-differs": _e(
        "A delegation names other servers than the zone itself",
        "Give both the same NS records.",
        "RFC 1034, section 4.2.2",
    ),
    "ds-without-ns": _w(
        "A DS record stands where nothing is delegated",
        "Take it out, or add the NS records of the delegation.",
        "RFC 4035, section 2.4",
    ),
    # Reverse names
    "aaaa-without-ptr": _e(
        "An AAAA record's address has no PTR record",
        "Add the PTR record, as the filter ptr_records makes it.",
        "RFC 1912, section 2.1",
    ),
    "a-without-ptr": _w(
        "An A record's address has no PTR record",
        "Add the PTR record, as the filter ptr_records makes it.",
        "RFC 1912, section 2.1",
    ),
    "ptr-to-nothing": _e(
        "A PTR record's name has no address",
        "Take the PTR record out, or give the name its address.",
        "RFC 1912, section 2.1",
    ),
    "ptr-not-confirmed": _e(
        "A PTR record's name has other addresses only",
        "Let the PTR record name a host with this address, or add the address to the name.",
        "RFC 1912, section 2.1",
    ),
    "ptr-to-alias": _e("A PTR record's name is an alias", _NO_ALIAS, "RFC 2181, section 10.2"),
    "several-ptr": _w(
        "An address has several PTR records and is not in several_names",
        "Keep the one name that the host uses, or declare the address in several_names.",
        "RFC 1912, section 2.1",
    ),
    "ptr-target-no-host-name": _e(
        "A PTR record's name is none that a host may have",
        "Name the host with letters, digits and hyphens.",
        "RFC 1123, section 2.1",
    ),
    "ptr-target-in-arpa": _e(
        "A PTR record's name ends in .arpa", "Add the final dot to the name in the zone file.", "RFC 1912, section 2.1"
    ),
    "nibbles-too-many": _e("A PTR record's owner has more than 32 digits", _OWNER, "RFC 3596, section 2.5"),
    "nibbles-too-few": _e("A PTR record's owner has less than 32 digits", _OWNER, "RFC 3596, section 2.5"),
    "label-no-nibble": _e(
        "A PTR record's owner has a label that is no single hexadecimal digit", _OWNER, "RFC 3596, section 2.5"
    ),
    "octet-wrong": _e(
        "A PTR record's owner has a number above 255 or with a leading zero", _OWNER, "RFC 1035, section 3.5"
    ),
    "octets-too-many": _e("A PTR record's owner has more than four numbers", _OWNER, "RFC 1035, section 3.5"),
    "octets-too-few": _e("A PTR record's owner has less than four numbers", _OWNER, "RFC 1035, section 3.5"),
    "label-no-octet": _e(
        "A PTR record's owner has a label that is no number, and no CNAME record leads there",
        _OWNER,
        "RFC 2317, section 5.2",
    ),
    "octet-outside-range": _e(
        "A PTR record's owner is outside of the addresses of its classless zone",
        "Move it to the zone that has the address.",
        "RFC 2317, section 4",
    ),
    "classless-without-cname": _e(
        "No CNAME record leads to a name in a classless zone",
        "Add the CNAME record to the zone above.",
        "RFC 2317, section 4",
    ),
    "address-in-reverse-zone": _e(
        "A reverse name has an A or AAAA record",
        "Put the record into the forward zone, and a PTR record here.",
        "RFC 1035, section 3.5",
    ),
    "wildcard-hidden": _w(
        "A wildcard PTR record is hidden from names beside explicit ones",
        "Add a wildcard at each of the levels, or write the PTR records out.",
        "RFC 4592, section 2.2.2",
    ),
    # Forward names
    "owner-no-host-name": _e(
        "An address belongs to a name that no host may have",
        "Name the host with letters, digits and hyphens.",
        "RFC 1123, section 2.1",
    ),
    "ipv6-name-with-a": _w(
        "A name that begins with ipv6. has an A record", "Take the A record out.", "RFC 4472, section 4.3"
    ),
    "ipv4-name-with-aaaa": _w(
        "A name that begins with ipv4. has an AAAA record", "Take the AAAA record out.", "RFC 4472, section 4.3"
    ),
    "cname-and-other-data": _e(
        "An alias has other records too", "Keep either the CNAME record or the others.", "RFC 1034, section 3.6.2"
    ),
    "two-cnames": _e("A name is an alias of two names", "Keep one CNAME record.", "RFC 2181, section 10.1"),
    "cname-at-apex": _e(
        "A zone's own name is an alias", "Write the A and AAAA records there.", "RFC 1912, section 2.4"
    ),
    "cname-loop": _e("An alias leads back to itself", "Let one of the aliases name a host.", "RFC 1034, section 3.6.2"),
    "cname-to-nothing": _e(
        "An alias leads to a name that does not exist", "Take the alias out, or add the name.", "RFC 1912, section 2.4"
    ),
    "mx-without-address": _e("An MX record names a host without an address", _TARGET, "RFC 5321, section 5.1"),
    "mx-to-alias": _e("An MX record names an alias", _NO_ALIAS, "RFC 2181, section 10.3"),
    "mx-to-address": _e("An MX record has an address in place of a name", _NO_LITERAL, "RFC 5321, section 2.3.5"),
    "mx-without-aaaa": _w(
        "An MX record names a host without an AAAA record",
        "Give the host an AAAA record as soon as it answers over IPv6.",
        "RFC 3974, section 2",
    ),
    "mx-without-a": _e(
        "No MX host of a domain has an A record",
        "Give one of them an A record, or add one that has.",
        "RFC 3974, section 2",
    ),
    "null-mx-beside-mx": _e(
        "A domain that says that it takes no mail has MX records",
        "Keep either the null MX or the others.",
        "RFC 7505, section 3",
    ),
    "ns-without-address": _e("An NS record names a host without an address", _TARGET, "RFC 1912, section 2.8"),
    "ns-to-alias": _e("An NS record names an alias", _NO_ALIAS, "RFC 2181, section 10.3"),
    "ns-to-address": _e("An NS record has an address in place of a name", _NO_LITERAL, "RFC 1035, section 3.3.11"),
    "ns-without-aaaa": _w(
        "An NS record names a host without an AAAA record",
        "Give the server IPv6, then an AAAA record.",
        "RFC 3901, section 4",
    ),
    "ns-without-a": _w(
        "No name server of a zone has an A record",
        "Keep one server at least that answers over IPv4.",
        "RFC 3901, section 4",
    ),
    "one-ns": _w("A zone has one name server only", "Add a second one, in another network.", "RFC 1034, section 4.1"),
    "srv-without-address": _e("An SRV record names a host without an address", _TARGET, "RFC 2782"),
    "srv-to-alias": _e("An SRV record names an alias", _NO_ALIAS, "RFC 2782"),
    "srv-to-address": _e("An SRV record has an address in place of a name", _NO_LITERAL, "RFC 2782"),
    # SPF
    "spf-syntax": _e(
        "An SPF record is an error for every receiver", "Write the term as RFC 7208 has it.", "RFC 7208, section 4.6"
    ),
    "spf-several": _e("A domain has several SPF records", "Make one of them.", "RFC 7208, section 3.2"),
    "spf-type-99": _w("An SPF record has the type SPF", "Keep the TXT record only.", "RFC 7208, section 3.1"),
    "spf-lookups": _e(
        "An SPF record needs more than 10 DNS lookups",
        "Replace some terms by ip4 and ip6 terms.",
        "RFC 7208, section 4.6.4",
    ),
    "spf-void-lookups": _e(
        "An SPF record asks for more than 2 names without an answer",
        "Take the terms out that name nothing.",
        "RFC 7208, section 4.6.4",
    ),
    "spf-ptr": _w("An SPF record has a ptr term", _TERM, "RFC 7208, section 5.5"),
    "spf-plus-all": _e("An SPF record lets everybody send", "Write -all or ~all.", "RFC 7208, section 5.1"),
    "spf-after-all": _w("An SPF record has terms behind all", "Put them before all.", "RFC 7208, section 5.1"),
    "spf-redirect-beside-all": _w(
        "An SPF record has redirect beside all", "Take either of them out.", "RFC 7208, section 6.1"
    ),
    "spf-mapped": _e(
        "An SPF record has an ip6 term for an IPv4-mapped address", "Write it as ip4.", "RFC 7208, section 5"
    ),
    "spf-mx-names": _e(
        "An mx term of an SPF record has more than 10 names",
        "Replace it by ip4 and ip6 terms.",
        "RFC 7208, section 4.6.4",
    ),
    "spf-no-end": _w("An SPF record ends without all or redirect", "Add -all or ~all.", "RFC 7208, section 4.7"),
    "spf-include-without-record": _e(
        "An SPF record includes a domain without one",
        "Take the term out, or give the domain an SPF record.",
        "RFC 7208, section 5.2",
    ),
    "spf-loop": _e("An SPF record includes itself", "Take one of the include terms out.", "RFC 7208, section 4.6.4"),
    "spf-without-ip6": _e(
        "A host may send by IPv4 and not by IPv6",
        "Add its IPv6 addresses, as the filter spf_with_ip6 does.",
        "RFC 7208, section 5.6",
    ),
    DECLARED: _e("An address is in not_public", "Take the record out of public DNS.", "The option not_public"),
}
CHECKS.update(
    {
        item.check: _e(
            f"An address is {item.what}",
            "Take the record out of public DNS, or write the address that others reach.",
            item.source,
        )
        for item in reversed(RANGES)
        if item.check
    }
)
