# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIND 9, told by rndc."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, named_conf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.name_server import NameServer
from ansible_collections.ipv6.rollout.plugins.module_utils.named_conf import Zone


class Bind(NameServer):
    """BIND 9, told by rndc."""

    package = "bind9"
    default_config = "/etc/bind/named.conf"

    def __init__(self, config: str = "") -> None:
        super().__init__(config)
        self._statements = named_conf.statements(commands.check(["named-checkconf", "-px", self.config]))
        options = named_conf.block(self._statements, "options")
        self.directory = str(named_conf.value(options, "directory") or os.getcwd())
        self._rndc = ["rndc", *self._control()]
        self._zones: t.Dict[str, t.List[Zone]] = {}
        for zone in named_conf.zones(self._statements, self.directory):
            self._zones.setdefault(zone.name, []).append(zone)

    def _control(self) -> t.List[str]:
        """Return how to reach this very server: the key and the channel that its own configuration names."""
        arguments = []
        for name, option in (("rndc.conf", "-c"), ("rndc.key", "-k")):
            if os.path.isfile(f"{self.home}/{name}"):
                arguments = [option, f"{self.home}/{name}"]
                break
        for statement in named_conf.block(self._statements, "controls"):
            if statement[0] == "inet" and "port" in statement:
                address = "127.0.0.1" if statement[1] == "*" else "::1" if statement[1] == "::" else statement[1]
                return [*arguments, "-s", address, "-p", statement[statement.index("port") + 1]]
        return arguments

    def including(self) -> str:
        local = f"{self.home}/named.conf.local"
        line = re.compile(rf'^\s*include\s+"{re.escape(local)}"', re.MULTILINE)
        with open(self.config, encoding="utf-8", errors="surrogateescape") as stream:
            return local if line.search(stream.read()) and os.path.isfile(local) else self.config

    @property
    def include_line(self) -> str:
        return f'include "{self.drop_in}";'

    def names(self) -> t.Collection[str]:
        return self._zones

    def declared(self, name: str) -> t.List[Zone]:
        return self._zones.get(name, [])

    def shared(self, path: str) -> t.Set[str]:
        path = os.path.realpath(path)
        return {zone.name for found in self._zones.values() for zone in found if os.path.realpath(zone.file) == path}

    def check_new(self, zone: str) -> None:
        if named_conf.has_views(self._statements):
            raise RolloutError(
                f"zone {zone}: it is new, and this server has views, so it has to be in one of them; declare it there, "
                "with a file, and run again"
            )

    def declaration(self, zone: str, path: str) -> str:
        # Updates may be allowed for all zones; this one is a file that the server does not write.
        return f'zone "{zone.rstrip(".")}" {{ type master; file "{path}"; allow-update {{ none; }}; }};\n'

    def check_zone(self, zone: str, path: str) -> t.List[str]:
        # -i local: names of other zones are not asked for. -k: as the server takes names that no host may have.
        names = ([found.check_names for found in self.declared(zone)] or ["fail"])[0]
        folder = os.path.dirname(path)
        said = self._checked(["named-checkzone", "-i", "local", "-k", names, "-w", folder, zone, path], zone)
        lines = [line.replace(path, "the new file") for line in said.splitlines()]
        return [line for line in lines if line != "OK" and "loaded serial" not in line]

    def check_config(self) -> None:
        commands.check(["named-checkconf", self.config])

    def unreachable(self) -> str:
        done = commands.run([*self._rndc, "status"])
        return "" if done.rc == 0 else f"rndc says: {done.said.splitlines()[0]}"

    def serial(self, zone: str, view: str) -> t.Optional[int]:
        done = commands.run([*self._rndc, "zonestatus", *_of(zone, view)])
        # With inline signing the file's own number is the unsigned one, and it is the first of the two.
        match = re.search(r"^serial: (\d+)$", done.out, re.MULTILINE)
        return int(match.group(1)) if done.rc == 0 and match else None

    def reconfigure(self) -> None:
        commands.check([*self._rndc, "reconfig"])

    def reload(self, zone: str, view: str) -> None:
        commands.check([*self._rndc, "reload", *_of(zone, view)])


def _of(zone: str, view: str) -> t.List[str]:
    return [zone.rstrip(".") or ".", *(["IN", view] if view else [])]
