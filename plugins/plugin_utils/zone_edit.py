# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone file that is changed record by record, with everything else in it left as it stands.

What is new goes into one block between two marked lines, in the canonical order of names; in it owners are absolute,
so that neither ``$ORIGIN`` nor ``$TTL`` around it means anything. A record that stands elsewhere in the file is
changed, or taken out, where it stands. The result is read again, and held against what was asked for, before anybody
gets it.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import master_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_lines import lines
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import fold
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Change, Key, Rrset, same
from ansible_collections.ipv6.rollout.plugins.plugin_utils.master_file import Entry

_BLOCK = re.compile(
    r"^; ipv6\.rollout: begin ([0-9a-f]{12})[^\n]*\n(.*?)^; ipv6\.rollout: end[^\n]*(?:\n|\Z)", re.MULTILINE | re.DOTALL
)
_BEGIN = "; ipv6.rollout: begin {} (up to the end line all is written anew; your own records belong outside)\n"
_END = "; ipv6.rollout: end\n"
_SIGNED = frozenset({"RRSIG", "NSEC", "NSEC3"})

Rrsets = t.Dict[Key, Rrset]


class ZoneText(t.NamedTuple):
    """A zone file, read."""

    zone: str
    text: str
    included: t.Mapping[str, str]
    entries: list[Entry]
    block: tuple[int, int]  # where the block begins and ends; both the end of the text where there is none
    whole: bool  # nobody else has edited the block

    def inside(self, entry: Entry) -> bool:
        """Whether a record is in the block."""
        return self.block[0] <= entry.start < self.block[1] and not entry.elsewhere


def load(zone: str, text: str, included: t.Mapping[str, str], what: str = "") -> ZoneText:
    """Read a zone file.

    :raises RolloutError: where it is no master file, has no SOA record, or is signed
    """
    entries = master_file.read(text, zone, included, what)
    soa = [entry for entry in entries if entry.type == "SOA"]
    if len(soa) != 1 or soa[0].name != zone or soa[0].elsewhere:
        raise RolloutError(f"{what or zone}: a zone file has one SOA record, that of {zone}, and in the file itself")
    for entry in entries:
        if entry.type in _SIGNED:
            raise RolloutError(
                f"{what or zone} line {entry.line}: the file is signed, and a change would break the signatures; write "
                "the unsigned file, and let the server sign it"
            )
    found = list(_BLOCK.finditer(text))
    if len(found) > 1:
        raise RolloutError(f"{what or zone}: there are {len(found)} blocks of ipv6.rollout in it; leave one")
    block, whole = (len(text), len(text)), True
    if found:
        block, whole = found[0].span(), found[0].group(1) == _digest(found[0].group(2))
    return ZoneText(zone, text, included, entries, block, whole)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def rrsets(entries: t.Iterable[Entry]) -> Rrsets:
    """Return the RRsets of a zone, without its SOA record. The TTL is that of the first record, as servers take it."""
    found: dict[Key, tuple[int, dict[str, str]]] = {}
    for entry in entries:
        if entry.type != "SOA":
            _ttl, data = found.setdefault(Key(entry.name, entry.type), (entry.ttl, {}))
            data.setdefault(fold(entry.type, entry.data), entry.data)
    return {key: Rrset(ttl, tuple(sorted(data.values()))) for key, (ttl, data) in found.items()}


def soa(zone: ZoneText) -> Entry:
    """Return the SOA record."""
    return next(entry for entry in zone.entries if entry.type == "SOA")


def serial(zone: ZoneText) -> int:
    """Return the serial number."""
    return int(soa(zone).data.split()[2])


def edited(zone: ZoneText, changes: t.Sequence[Change], soa_words: t.Mapping[int, str]) -> str:
    """Return the text with RRsets changed, and words of the SOA record replaced (2 is the serial number).

    :raises RolloutError: where a record to change comes from another file or from a ``$GENERATE`` line
    """
    edits: dict[int, str | None] = {}  # by start: what the fields of a record become; None takes it out
    block = rrsets(entry for entry in zone.entries if zone.inside(entry))
    for change in changes:
        added = _in_place(zone, change, edits)
        block.pop(change.key, None)
        if added and change.after is not None:
            block[change.key] = Rrset(change.after.ttl, tuple(added))
    pieces = _pieces(zone, edits, soa_words)
    written = _block(block)
    start, end = zone.block
    if start == end and written and zone.text and not zone.text.endswith("\n"):
        written = f"\n{written}"
    pieces.append((start, end, written))
    text = _put(zone.text, pieces)
    _hold_against(zone, changes, text)
    return text


def _in_place(zone: ZoneText, change: Change, edits: dict[int, str | None]) -> list[str]:
    """Change the records of an RRset that stand outside of the block; return the data that is left for the block."""
    kind = change.key.type
    after = change.after
    new = {} if after is None else {fold(kind, data): data for data in after.data}
    others = [e for e in zone.entries if (e.name, e.type) == change.key and not zone.inside(e)]
    free = []
    for entry in others:
        folded = fold(kind, entry.data)
        if folded not in new:
            free.append(entry)
            continue
        data = new.pop(folded)
        if after is not None and entry.ttl != after.ttl:
            edits[_own(zone, entry)] = f"{after.ttl} IN {kind} {data}"
    for entry in free:
        # A record that goes lends its place to one that comes: an SPF policy is changed on its line.
        replacement = new.pop(min(new)) if new and after is not None else None
        fields = None if replacement is None or after is None else f"{after.ttl} IN {kind} {replacement}"
        edits[_own(zone, entry)] = fields
    return list(new.values())


def _own(zone: ZoneText, entry: Entry) -> int:
    if entry.elsewhere:
        raise RolloutError(
            f"zone {zone.zone}: {entry.name} {entry.type} {entry.data} comes from the line '{entry.elsewhere}', which "
            "this module does not change; change it there"
        )
    return entry.start


def _pieces(
    zone: ZoneText, edits: t.Mapping[int, str | None], soa_words: t.Mapping[int, str]
) -> list[tuple[int, int, str]]:
    """Return what of the text outside of the block is replaced by what."""
    pieces = []
    owner = ""  # that a record without an owner of its own would have in the new text
    block_passed = False
    for entry in zone.entries:
        if entry.elsewhere:
            continue
        if zone.inside(entry):
            block_passed = True
            continue
        if entry.start in edits and edits[entry.start] is None:
            pieces.append((entry.start, entry.end, ""))
            continue
        if not entry.owned and (owner != entry.name or block_passed):
            # The record that said the owner is gone, or the block stands between.
            pieces.append((entry.start, entry.start, entry.name))
        owner, block_passed = entry.name, False
        fields = edits.get(entry.start)
        if fields is not None:
            pieces.append((entry.fields, entry.last, f" {fields}"))
        if entry.type == "SOA":
            pieces += [(*entry.words[place], word) for place, word in soa_words.items()]
    return pieces


def _block(found: Rrsets) -> str:
    body = "".join(
        f"{line}\n"
        for key in sorted(found, key=lambda key: (key.name.rstrip(".").split(".")[::-1], key.type))
        for line in lines(key, found[key])
    )
    return f"{_BEGIN.format(_digest(body))}{body}{_END}" if body else ""


def _put(text: str, pieces: t.Iterable[tuple[int, int, str]]) -> str:
    parts, place = [], 0
    for start, end, new in sorted(pieces):
        parts += [text[place:start], new]
        place = end
    return "".join([*parts, text[place:]])


def _hold_against(zone: ZoneText, changes: t.Sequence[Change], text: str) -> None:
    """See that the new text says what it should: a file can be written in ways that nobody has thought of."""
    wanted = rrsets(zone.entries)
    for change in changes:
        wanted.pop(change.key, None)
        if change.after is not None:
            wanted[change.key] = change.after
    found = rrsets(load(zone.zone, text, zone.included).entries)
    for key in {**wanted, **found}:
        if not same(key, wanted.get(key), found.get(key)):
            raise RolloutError(
                f"zone {zone.zone}: {key.name} {key.type} would not be what it should after the change; write the "
                "records around it in a plainer way (each with its owner, its TTL and its type) and run again"
            )
