# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knot DNS, told by knotc."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.name_server import CHECK_TIME, NameServer
from ansible_collections.ipv6.rollout.plugins.module_utils.named_conf import Zone


class Knot(NameServer):
    """Knot DNS, told by knotc."""

    package = "knot"
    default_config = "/etc/knot/knot.conf"
    drop_in_head = "zone:\n"

    def __init__(self, config: str = "") -> None:
        super().__init__(config)
        self._text = read = _KnotText.read(self.config)
        self._zones: t.Dict[str, t.List[Zone]] = {}
        for zone in map(read.zone, read.zones):
            self._zones.setdefault(zone.name, []).append(zone)

    @property
    def include_line(self) -> str:
        return f"include: {self.drop_in}"

    def _knotc(self, *words: str) -> commands.Result:
        return commands.run(["knotc", "-c", self.config, "-x", *words], timeout=CHECK_TIME)

    def names(self) -> t.Collection[str]:
        return self._zones

    def declared(self, name: str) -> t.List[Zone]:
        return self._zones.get(name, [])

    def check_new(self, zone: str) -> None:
        inherited = self._text.zone({"domain": zone})
        if inherited.dynamic or inherited.kind != "primary":
            raise RolloutError(
                f"zone {zone}: it is new, and what the default template gives it (acl, master) makes it no plain file; "
                "declare it yourself, with a template of its own, and run again"
            )

    def shared(self, path: str) -> t.Set[str]:
        path = os.path.realpath(path)
        return {zone.name for found in self._zones.values() for zone in found if os.path.realpath(zone.file) == path}

    def declaration(self, zone: str, path: str) -> str:
        return f'  - domain: "{zone}"\n    file: "{path}"\n'

    def check_zone(self, zone: str, path: str) -> t.List[str]:
        if commands.found("kzonecheck"):
            self._checked(["kzonecheck", "-v", "-o", zone, path], zone)
            return []
        # kzonecheck is in a Debian package of its own; knotc reads the file as the server will.
        folder = os.path.dirname(path)
        temporary = f"{path}.conf"
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.write(f'database:\n  storage: "{folder}"\n{self.drop_in_head}{self.declaration(zone, path)}')
        try:
            self._checked(["knotc", "-c", temporary, "-x", "zone-check", zone], zone)
        finally:
            os.unlink(temporary)
        return []

    def check_config(self) -> None:
        done = self._knotc("conf-check")
        if done.rc != 0:
            raise RolloutError(f"knotc conf-check refuses the configuration: {done.said}")

    def unreachable(self) -> str:
        done = self._knotc("status")
        return "" if done.rc == 0 else f"knotc says: {done.said.splitlines()[0]}"

    def serial(self, zone: str, view: str) -> t.Optional[int]:
        done = self._knotc("zone-read", zone, "@", "SOA")
        match = re.search(r" SOA \S+ \S+ (\d+) ", done.out)
        return int(match.group(1)) if done.rc == 0 and match else None

    def reconfigure(self) -> None:
        done = self._knotc("reload")
        if done.rc != 0:
            raise RolloutError(f"knotc reload failed: {done.said}")

    def reload(self, zone: str, view: str) -> None:
        done = self._knotc("-b", "zone-reload", zone)
        if done.rc != 0:
            raise RolloutError(f"knotc zone-reload {zone} failed: {done.said}")


class _KnotText:
    """What a Knot configuration says of zones. It is the small part of YAML that Knot reads: two levels, and lists."""

    def __init__(self) -> None:
        self.zones: t.List[t.Dict[str, str]] = []
        self.templates: t.Dict[str, t.Dict[str, str]] = {}
        self.updating: t.Set[str] = set()  # the access rules that let somebody update

    @classmethod
    def read(cls, path: str, depth: int = 0) -> _KnotText:
        found = cls()
        section, entry = "", t.cast(t.Dict[str, str], {})
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                match = re.match(r"(\s*-\s*|\s*)([a-z-]+)\s*:\s*(.*?)\s*(?:#.*)?$", line)
                if not match:
                    continue
                indent, key, value = match.group(1), match.group(2), match.group(3).strip("\"'")
                if not indent:
                    section = key
                    if key == "include" and depth < 8:
                        for name in sorted(glob.glob(os.path.join(os.path.dirname(path), value))):
                            found.add(cls.read(name, depth + 1))
                elif "-" in indent:
                    entry = {key: value}
                    if section == "zone" and key == "domain":
                        found.zones.append(entry)
                    elif section == "template" and key == "id":
                        found.templates[value] = entry
                else:
                    entry[key] = value
                if section == "acl" and key == "action" and "update" in _listed(value):
                    found.updating.add(entry.get("id", ""))
        return found

    def add(self, other: _KnotText) -> None:
        """Take over what an included file says."""
        self.zones += other.zones
        self.templates.update(other.templates)
        self.updating |= other.updating

    def zone(self, entry: t.Mapping[str, str]) -> Zone:
        """Return a zone with what it has from its template."""
        said = {**self.templates.get(entry.get("template", "default"), {}), **entry}
        name = entry["domain"].lower().rstrip(".")
        path = said.get("file", "%s.zone").replace("%s", name)
        if not path.startswith("/"):
            path = f"{said.get('storage', '/var/lib/knot')}/{path}"
        dynamic = not self.updating.isdisjoint(_listed(said.get("acl", "")))
        return Zone(f"{name}.", "", "secondary" if "master" in said else "primary", path, dynamic)


def _listed(value: str) -> t.List[str]:
    return re.findall(r"[^\s,\[\]\"']+", value)
