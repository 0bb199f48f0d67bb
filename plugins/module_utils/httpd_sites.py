# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site's configuration says of IPv4 addresses, said of their IPv6 counterparts too, in the same line.

An address is looked up exactly as it stands there. That its network is known says nothing of the address, and what has
no known counterpart is reported.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import httpd_text
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

Mapping = t.Mapping[str, t.Sequence[str]]
"""By IPv4 prefix, always with a length, the IPv6 prefixes that stand for it, always with a length."""

LOOPBACK = {"127.0.0.0/8": ["::1/128"], "127.0.0.1/32": ["::1/128"]}
"""What a plan says of these is not looked at: a fleet reached through forwarded ports is on 127.0.0.1 as a whole."""
ANY_HOST = ("*", "_default_", "", "0.0.0.0", "::")
_PARTIAL = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,2}\.?", re.ASCII)
_IPV4 = re.compile(r"(?<![\w.:])\d{1,3}\\?\.(?:\d{1,3}\\?\.){0,2}\d{0,3}(?![\w:])", re.ASCII)
# Directives that may look at a client's address, in a way that only their author can say again for IPv6.
_BY_HAND = re.compile(
    r"(?:(?:allow|deny)\s+from|require\s+(?:not\s+)?(?:expr|forward-dns)|setenvif(?:nocase)?\s+\"?remote_addr|"
    r"setenvifexpr|rewritecond\s+.*(?:remote_addr|remote_host|-ipmatch|-R\b)|remoteip(?:trusted|internal)proxy|"
    r"sslrequire\s.*remote_addr|secrule\s.*remote_addr|<authzprovideralias\s+ip|"
    r"<(?:if|elseif)\s.*(?:-ipmatch|-r|remote_addr))\s*(.*)",
    re.IGNORECASE,
)
_ALLOW = re.compile(r"(?:allow|deny)\s+from(?:\s+\S+)*?\s+\d{1,3}(?:/\S*)?(?:\s|$)", re.IGNORECASE | re.ASCII)
# What keeps clients out by their IPv4 address lets everybody in over IPv6.
_SHUTS_OUT = re.compile(r"deny\s|require\s+not\s", re.IGNORECASE)


class Proxied(t.NamedTuple):
    """The address that is for proxied traffic alone, and the ports on which virtual hosts are served there."""

    address: str
    ports: t.Tuple[int, ...]


class Edit(t.NamedTuple):
    """The new text of a file, the lines that changed, what could not be carried over, and the new places.

    ``wide`` is where virtual hosts are on every address, and ``opens`` what shuts nobody out over IPv6.
    """

    text: str
    changed: t.List[httpd_text.Line]
    untranslated: t.List[t.Dict[str, str]]
    places: t.List[t.Tuple[str, str]]
    wide: t.List[t.Tuple[str, str]]
    opens: t.List[str]


def mapping(given: object) -> t.Dict[str, t.List[str]]:
    """Check the counterparts as the inventory gives them."""
    if given is None:
        given = {}
    if not isinstance(given, t.Mapping):
        raise RolloutError(f"ipv6_of: {shown(given)} is no dictionary; write {{'192.0.2.80': '2001:db8::80'}}")
    found: t.Dict[str, t.List[str]] = {}
    for key, value in given.items():
        where = f"ipv6_of: {shown(key)}"
        old = _network(key, where, "192.0.2.80 or 192.0.2.0/24")
        if old.version != 4:
            raise RolloutError(f"{where} is no IPv4 address; the IPv4 side stands first")
        values = value if isinstance(value, (list, tuple)) else [value]
        if not values:
            raise RolloutError(f"{where}: the list is empty; name its IPv6 counterpart, or leave it out")
        new = []
        for item in values:
            prefix = _network(item, f"{where}: {shown(item)}", "2001:db8::80 or 2001:db8::/64")
            address = prefix.network_address
            if not isinstance(address, ipaddress.IPv6Address) or address.ipv4_mapped:
                raise RolloutError(f"{where}: {shown(item)} is no IPv6 address; Apache compares clients with these")
            if prefix.prefixlen == 0:
                raise RolloutError(f"{where}: ::/0 is everybody, which Apache writes Require all granted; leave it out")
            if str(prefix) not in new:
                new.append(str(prefix))
        found[str(old)] = new
    return found


def _network(value: object, where: str, such: str) -> t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]:
    if not isinstance(value, str) or "%" in value:
        raise RolloutError(f"{where} is no address or prefix; write text such as {such}")
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        why = "has host bits set" if "host bits" in str(error) else "is no address or prefix"
        raise RolloutError(f"{where} {why}; write text such as {such}") from None


def carry_over(text: str, file: str, known: Mapping, proxied: t.Optional[Proxied] = None) -> Edit:
    """Add the IPv6 counterparts to a file, and the address for proxied traffic beside each wildcard."""
    lines = text.split("\n")
    edit = Edit("", [], [], [], [], [])
    for entry in httpd_text.directives(text):
        untranslated: t.List[str] = []
        words: t.List[str] = []
        end = ""
        where = f"{file} line {entry.first + 1}"
        opened = re.match(r"<virtualhost\s+(.*)>", entry.text, re.IGNORECASE)
        listed = re.fullmatch(r"require\s+(?:not\s+)?ip\s+(.*)", entry.text, re.IGNORECASE)
        if opened:
            end = ">"
            named = opened.group(1).split()
            words = _twins(named, known, untranslated)
            edit.places.extend(map(place, words))
            edit.wide.extend((where, port) for host, port in map(place, named) if host.lower() in ANY_HOST)
            words += _beside_wildcards(named, proxied, where)
        elif listed:
            words = _sources(listed.group(1).split(), known, untranslated)
        else:
            other = _BY_HAND.match(entry.text)
            rest = entry.text.partition(" ")[2]
            if other and (_IPV4.search(f"{other.group(1)} {rest}") or _ALLOW.match(entry.text)):
                untranslated.append("only its author can say what it means for IPv6; write the IPv6 side by hand")
        directive = httpd_text.shown(httpd_text.encode(entry.text))
        inverted = any(block.startswith("requirenone") for block in entry.blocks)
        for reason in untranslated:
            told = httpd_text.shown(httpd_text.encode(reason))
            edit.untranslated.append({"place": where, "directive": directive, "reason": told})
            if _SHUTS_OUT.match(entry.text) or (inverted and not opened):
                edit.opens.append(f"{where}: {directive} shuts nobody out over IPv6: {told}")
        if words:
            old = lines[entry.last]
            lines[entry.last] = httpd_text.extended(old, words, end)
            edit.changed.append((entry.last, old, lines[entry.last]))
    return edit._replace(text="\n".join(lines))


def takes_proxy_protocol(texts: t.Mapping[str, str]) -> str:
    """Return the place of a directive that switches the PROXY protocol on, empty where there is none."""
    for file, text in texts.items():
        for entry in httpd_text.directives(text):
            if re.fullmatch(r"remoteipproxyprotocol\s+\"?on\"?", entry.text, re.IGNORECASE):
                return f"{file} line {entry.first + 1}"
    return ""


def place(word: str) -> t.Tuple[str, str]:
    """Split what stands in a VirtualHost line: the host without brackets, and the port, empty where there is none."""
    match = re.fullmatch(r"\[([^\]]*)\](?::(\d+|\*))?", word) or re.fullmatch(r"(.*?)(?::(\d+|\*))?", word)
    return (match.group(1), match.group(2) or "") if match else (word, "")


def _address(text: str) -> t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address, None]:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def bracketed(address: str, port: t.Union[int, str]) -> str:
    """Write an address and a port as VirtualHost wants them."""
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port}" if port else host


def _twins(words: t.Sequence[str], known: Mapping, untranslated: t.List[str]) -> t.List[str]:
    """Return the IPv6 addresses that belong beside the IPv4 addresses of a VirtualHost line."""
    places = [(_address(host), port) for host, port in map(place, words)]
    by_hand = {port for address, port in places if address is not None and address.version == 6}
    added = []
    untranslated += [
        f"{word} is a variable, whose value only Apache knows" for word in words if re.search(r"[$%@]", word)
    ]
    untranslated += [
        f"{host} is a name, which Apache looks up when it starts; write its addresses"
        for host, _port in map(place, words)
        if re.fullmatch(r"[\w.-]*[A-Za-z][\w.-]*", host) and host.lower() not in ANY_HOST
    ]
    for address, port in places:
        if not isinstance(address, ipaddress.IPv4Address) or address.is_loopback or address.is_unspecified:
            continue
        found = [ipaddress.ip_network(text) for text in known.get(f"{address}/32", [])]
        shared = [other for other in _sharing(f"{address}/32", known) if (other, port) not in places]
        if any(prefix.prefixlen != 128 for prefix in found):
            untranslated.append(f"{address} must be one address here, and its counterpart in ipv6_of is a prefix")
        elif shared:
            others = ", ".join(str(other) for other in shared)
            untranslated.append(
                f"{address} has the same IPv6 counterpart in ipv6_of as {others}, and one address can't tell their "
                "sites apart; give each its own"
            )
        elif not found and port not in by_hand:
            untranslated.append(f"{address} has no known IPv6 counterpart; name it in ipv6_of")
        else:
            twins = [prefix.network_address for prefix in found]
            added += [bracketed(str(twin), port) for twin in twins if (twin, port) not in places]
    return list(dict.fromkeys(added))


def _sharing(prefix: str, known: Mapping) -> t.List[ipaddress.IPv4Address]:
    """Return the other IPv4 addresses with an IPv6 counterpart of this one."""
    mine = set(known.get(prefix, []))
    return [
        ipaddress.IPv4Address(other[:-3])
        for other, twins in known.items()
        if other != prefix and other.endswith("/32") and mine.intersection(twins)
    ]


def _beside_wildcards(words: t.Sequence[str], proxied: t.Optional[Proxied], where: str) -> t.List[str]:
    """Return the places for proxied traffic that belong beside the wildcards of a VirtualHost line."""
    added: t.List[str] = []
    if proxied is None:
        return added
    for host, port in map(place, words):
        if _address(host) == _address(proxied.address):
            raise RolloutError(
                f"proxy_protocol: {proxied.address} is served in {where} already; take an address that nothing else has"
            )
        if host.lower() in ANY_HOST:
            added += [bracketed(proxied.address, known) for known in proxied.ports if port in ("", "*", str(known))]
    return list(dict.fromkeys(added))


def _sources(words: t.Sequence[str], known: Mapping, untranslated: t.List[str]) -> t.List[str]:
    """Return the IPv6 prefixes that belong beside the IPv4 ones of a Require line."""
    present = [prefix for prefix in map(_source, words) if isinstance(prefix, ipaddress.IPv6Network)]
    added: t.List[str] = []
    for word in words:
        prefix = _source(word)
        if prefix is None:
            untranslated.append(f"{word} is no address or prefix to be read here; write the IPv6 side by hand")
        elif isinstance(prefix, ipaddress.IPv4Network):
            found = (LOOPBACK if prefix.is_loopback else known).get(str(prefix))
            if not found:
                untranslated.append(f"{prefix} has no known IPv6 counterpart; name it in ipv6_of")
            for text in found or []:
                twin = ipaddress.IPv6Network(text)
                if not any(twin.subnet_of(other) for other in present):
                    present.append(twin)
                    added.append(str(twin.network_address) if twin.prefixlen == 128 else text)
    return added


def _source(word: str) -> t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network, None]:
    """Read an address, prefix or mask as Require does: host bits are ignored, and an IPv4 address may be cut short."""
    if _PARTIAL.fullmatch(word):
        octets = word.strip(".").split(".")
        word = f"{'.'.join(octets + ['0'] * (4 - len(octets)))}/{8 * len(octets)}"
    try:
        prefix = ipaddress.ip_network(word, strict=False)
    except ValueError:
        return None
    mask = word.partition("/")[2]
    # Python takes 0.0.0.255 for a /24; Apache takes it for the mask that it is.
    return None if "." in mask and mask != str(prefix.netmask) else prefix
