# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PTR records for a range of addresses that have none of their own: hosts that made their address themselves (SLAAC),
or got it by DHCPv6.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    ipv6,
    ipv6_prefix,
    ipv6_text,
    prefix_text,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import host_name, owner_name
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of, reverse_zones, ttl_value

SERVERS = ("bind", "knot", "wildcard")
MOST_GENERATED = 1 << 20  # BIND holds each of them in memory
_GROUP = 1 << 16  # a $GENERATE line counts through the last group of an address
_PREFIX = re.compile(r"(?:[a-z0-9][a-z0-9-]*)?", re.ASCII)
_LONGEST_PREFIX = 63 - len("2001-0db8-0000-0000-0000-0000-0000-0000")
_PLACE = "{address}"


class _Range(t.NamedTuple):
    first: int
    last: int
    length: int | None  # where it is a prefix

    @property
    def text(self) -> str:
        """Return it as it is written."""
        if self.length is not None:
            return prefix_text(self.first, self.length)
        return f"{ipv6_text(self.first)}-{ipv6_text(self.last)}"


def wildcards(zone: str, owners: t.Iterable[str]) -> list[str]:
    """Return the names of the wildcards that a zone needs, so that every other address has an answer.

    A wildcard does not answer below a name that exists, and a name exists as soon as there is one below it (RFC 4592,
    section 2.2.2). So each level between the zone and an explicit name takes a wildcard of its own.

    :param zone: the zone, or the name that the wildcard stands below; with the final dot, in lower case
    :param owners: the names with records of their own; those elsewhere do not count
    """
    found = {f"*.{zone}"}
    for owner in owners:
        place = owner.partition(".")[2]
        while place.endswith(f".{zone}"):
            found.add(f"*.{place}")
            place = place.partition(".")[2]
    return sorted(found)


def ptr_range(
    value: object,
    template: object,
    server: object = "bind",
    zone: object = None,
    ttl: object = 3600,
    explicit: object = (),
) -> dict[str, str]:
    """Return what a name server needs for a range: ``{reverse, forward}``, text for each of the two zones.

    :param value: a prefix, or the first and the last address with a hyphen between them
    :param template: the name of an address, with ``{address}`` at the end of its first label; without it for a wildcard
    :param server: ``bind`` for ``$GENERATE`` lines, ``knot`` for the configuration of mod-synthrecord, ``wildcard``
    :param zone: the reverse zone. By default it is that of the prefix
    :param explicit: for a wildcard, the addresses that have PTR records of their own in the zone
    """
    wanted = _range(value)
    seconds = ttl_value(ttl, "ptr_range")
    if server not in SERVERS:
        raise RolloutError(f"server: {shown(server)} is not known here; {', '.join(SERVERS)} are")
    zones = _zones(wanted, zone)
    if server == "wildcard":
        return {"reverse": _wildcard(wanted, template, seconds, explicit), "forward": ""}
    if explicit:
        raise RolloutError("explicit: it is for server=wildcard only; a record of its own wins over a synthesised one")
    prefix, domain = _template(template)
    if server == "knot":
        return _knot(wanted, prefix, domain, zones, seconds)
    return _generate(wanted, prefix, domain, seconds)


def _range(value: object) -> _Range:
    text = text_value(value, "range", 128)
    head, hyphen, tail = text.partition("-")
    if not hyphen:
        first, length = ipv6_prefix(text, "range")
        return _Range(first, first + (1 << (128 - length)) - 1, length)
    first, last = ipv6(head.strip(), "range"), ipv6(tail.strip(), "range")
    if last < first:
        raise RolloutError(f"range: {shown(text)} ends before it begins; write the lower address first")
    return _Range(first, last, None)


def _zones(wanted: _Range, zone: object) -> list[str]:
    """Return the reverse zones that hold the range."""
    if zone is None:
        if wanted.length is None:
            return []
        return reverse_zones(wanted.text)
    name = owner_name(zone, "zone")
    for address in (wanted.first, wanted.last):
        if not f".{name_of(6, address)}".endswith(f".{name}"):
            raise RolloutError(f"zone: {ipv6_text(address)} is not inside {name}; give the zone that holds the range")
    return [name]


def _template(value: object) -> tuple[str, str]:
    text = text_value(value, "template", 256)
    prefix, place, domain = text.partition(_PLACE)
    if not place or not domain.startswith(".") or not _PREFIX.fullmatch(prefix.lower()):
        raise RolloutError(
            f"template: {shown(text)} is not a name whose first label ends in {_PLACE}, such as "
            f"host-{_PLACE}.dyn.example.com"
        )
    if len(prefix) > _LONGEST_PREFIX:
        raise RolloutError(
            f"template: {shown(prefix)} is too long: with the address, a label would have more than 63 characters; at "
            f"most {_LONGEST_PREFIX} fit"
        )
    return prefix.lower(), host_name(domain[1:], "template") + "."


def _generate(wanted: _Range, prefix: str, domain: str, ttl: int) -> dict[str, str]:
    """Return ``$GENERATE`` lines of BIND, one for each block of 65,536 addresses that the range touches.

    In the mode n the width counts the dots too: four digits take 7 characters.
    """
    if wanted.last - wanted.first >= MOST_GENERATED:
        raise RolloutError(
            f"range: {wanted.text} has more than {MOST_GENERATED} addresses, and BIND would hold a record for each; "
            "use server=wildcard (no name can be forward-confirmed then), server=knot, or a smaller range"
        )
    reverse, forward = [], []
    for high in range(wanted.first // _GROUP, wanted.last // _GROUP + 1):
        start = max(wanted.first - high * _GROUP, 0)
        stop = min(wanted.last - high * _GROUP, _GROUP - 1)
        groups = [f"{high >> shift & 0xFFFF:04x}" for shift in range(96, -1, -16)]
        name = f"{prefix}{'-'.join(groups)}-${{0,4,x}}.{domain}"
        owner = name_of(6, high * _GROUP).split(".", 4)[4]
        reverse.append(f"$GENERATE {start}-{stop} ${{0,7,n}}.{owner} {ttl} IN PTR {name}\n")
        forward.append(f"$GENERATE {start}-{stop} {name} {ttl} IN AAAA {':'.join(groups)}:${{0,4,x}}\n")
    return {"reverse": "".join(reverse), "forward": "".join(forward)}


def _knot(wanted: _Range, prefix: str, domain: str, zones: list[str], ttl: int) -> dict[str, str]:
    """Return the configuration of Knot's mod-synthrecord, and the zones that use it."""
    if not zones:
        raise RolloutError(f"zone: {wanted.text} is no prefix; give the reverse zone that holds it")
    base = re.sub(r"[^0-9a-f]+", "-", wanted.text.replace("::", ":")).strip("-")
    both = f'    prefix: "{prefix}"\n    ttl: {ttl}\n    network: "{wanted.text}"\n'
    return {
        "reverse": f"mod-synthrecord:\n  - id: ptr-{base}\n    type: reverse\n"
        + f'{both}    origin: "{domain}"\n    reverse-short: off\nzone:\n'
        + "".join(f'  - domain: "{zone}"\n    module: mod-synthrecord/ptr-{base}\n' for zone in zones),
        "forward": f"mod-synthrecord:\n  - id: aaaa-{base}\n    type: forward\n{both}"
        + f'zone:\n  - domain: "{domain}"\n    module: mod-synthrecord/aaaa-{base}\n',
    }


def _wildcard(wanted: _Range, template: object, ttl: int, explicit: object) -> str:
    if wanted.length is None:
        raise RolloutError(f"range: {wanted.text} is no prefix; a wildcard stands for whole prefixes only")
    if isinstance(template, str) and _PLACE in template:
        raise RolloutError(f"template: {shown(template)}: a wildcard has one name for all; write it without {_PLACE}")
    target = host_name(template, "template") + "."
    if isinstance(explicit, str) or not isinstance(explicit, (list, tuple)):
        raise RolloutError(f"explicit: {shown(explicit)} is not a list of addresses")
    owners = [name_of(6, ipv6(address, f"explicit[{place}]")) for place, address in enumerate(explicit)]
    cuts = reverse_zones(wanted.text)
    if wanted.length > 124:
        names = [name for name in cuts if name not in owners]  # these are whole addresses already
    else:
        names = [name for cut in cuts for name in wildcards(cut, owners)]
    return "".join(f"{name} {ttl} IN PTR {target}\n" for name in names)
