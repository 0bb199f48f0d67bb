# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a name server means by an error code (RFC 1035, RFC 2136, RFC 8945), and what to look at."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_wire

try:
    import dns.exception
    import dns.rcode
    import dns.rdata
    import dns.tsig
except ImportError:
    pass  # dns_names.need_library says so

# A prerequisite of an update did not hold.
MISMATCH = frozenset({"NXRRSET", "YXRRSET", "NXDOMAIN", "YXDOMAIN"})

_UPDATE = {
    "FORMERR": "did not understand the update",
    "SERVFAIL": "failed; its log says why. Often the zone is frozen or not loaded, or its journal cannot be written",
    "NOTIMP": "does not know dynamic updates",
    "REFUSED": "refuses the update: the key, or this machine's address, may not change these names; look at the zone's "
    "update-policy or allow-update",
    "NOTAUTH": "does not take updates for this zone: it is not its primary server, or the key has no right there",
    "NOTZONE": "says that a name is not in this zone",
}
_TRANSFER = {
    "FORMERR": "did not understand the request for a transfer",
    "SERVFAIL": "failed; its log says why. Often the zone has not loaded or has expired",
    "NOTIMP": "does not know transfers",
    "REFUSED": "refuses the transfer: neither the key nor this machine's address may have it; look at allow-transfer",
    "NOTAUTH": "is not authoritative for the zone, or the key has no right there",
    "NXDOMAIN": "says that there is no such zone",
}
_QUESTION = {
    "FORMERR": "did not understand the question",
    "SERVFAIL": "failed; its log says why. Often the zone has not loaded or has expired",
    "NOTIMP": "does not answer such questions",
    "REFUSED": "refuses to answer for it: no zone of it, or no access",
    "NOTAUTH": "is not authoritative for it, or the key has no right there",
}
_ANY = {
    "YXDOMAIN": "says that a name exists that should not",
    "YXRRSET": "says that an RRset exists that should not",
    "NXRRSET": "says that an RRset does not exist that should",
    "NXDOMAIN": "says that a name does not exist that should",
    "NOTZONE": "says that a name is not in the zone",
    "BADVERS": "does not know the version of EDNS, although none was used; something between changes the messages",
    "BADCOOKIE": "wants a DNS cookie (RFC 7873), although TCP needs none; look at its answers to unknown clients",
    "DSOTYPENI": "took it for a stateful operation (RFC 8490), which it does not know; is that a DNS server?",
}
_DOING = {"update": _UPDATE, "transfer": _TRANSFER, "question": _QUESTION}


def name(rcode: int) -> str:
    """Return the name of an error code."""
    return dns.rcode.to_text(dns.rcode.Rcode(rcode))


def explain(rcode: str, doing: str) -> str:
    """Say what an error code means as an answer to an ``update``, a ``transfer`` or a ``question``."""
    words = _DOING[doing].get(rcode) or _ANY.get(rcode) or "answers with a code that no RFC gives a meaning here"
    return f"{words} ({rcode})"


def signature(error: Exception, key: str, answer: dns_wire.Answer | None) -> str:
    """Say what is wrong with a signature: the server's judgement of ours (RFC 8945, section 5.2), or ours of its."""
    if isinstance(error, dns.tsig.PeerBadKey):
        return f"does not know the key {key} (BADKEY): compare key_name and key_algorithm with the server's"
    if isinstance(error, dns.tsig.PeerBadSignature):
        return f"finds the signature by the key {key} wrong (BADSIG): key_secret is not the one that it has"
    if isinstance(error, dns.tsig.PeerBadTruncation):
        return (
            f"wants longer signatures by the key {key} (BADTRUNC): its policy for truncated signatures does not fit "
            "key_algorithm; compare both"
        )
    if isinstance(error, (dns.tsig.PeerBadTime, dns.tsig.BadTime)):
        return (
            f"and this machine do not agree on the time (BADTIME){_apart(answer)}: set both clocks, TSIG allows 300 s"
        )
    if isinstance(error, dns.tsig.PeerError):
        return f"does not take the signature by the key {key} (TSIG error {_tsig_error(answer)})"
    if isinstance(error, (dns.tsig.BadSignature, dns.tsig.BadKey, dns.tsig.BadAlgorithm)):
        return f"signed the answer wrongly (key {key}); it is not trusted"
    return f"sent an answer that cannot be read: {type(error).__name__}"


def _tsig(answer: dns_wire.Answer | None) -> t.Any:
    """Return the data of a signature, or None."""
    if answer is None or answer.signature is None:
        return None
    _start, record = answer.signature
    try:
        return dns.rdata.from_wire("ANY", "TSIG", answer.wire, record.start, record.length)
    except (dns.exception.DNSException, ValueError):
        return None


def _tsig_error(answer: dns_wire.Answer | None) -> str:
    found = _tsig(answer)
    return "unknown" if found is None else dns.rcode.to_text(found.error, tsig=True)


def _apart(answer: dns_wire.Answer | None) -> str:
    """Say by how much the clocks differ. With BADTIME the server sends its own time (RFC 8945, section 5.2.3)."""
    found = _tsig(answer)
    if found is None or len(found.other) != 6:
        return ""
    seconds = int.from_bytes(found.other, "big") - found.time_signed
    return f", the server's clock is {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"
