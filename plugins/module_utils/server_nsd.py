# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NSD, told by nsd-control, or by a signal where that is switched off."""

from __future__ import annotations

import os
import re
import signal
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.name_server import DROP_IN, NameServer, served_serial
from ansible_collections.ipv6.rollout.plugins.module_utils.named_conf import Zone


class Nsd(NameServer):
    """NSD, told by nsd-control, or by a signal where that is switched off."""

    package = "nsd"
    default_config = "/etc/nsd/nsd.conf"

    @property
    def drop_in(self) -> str:
        folder = f"{self.home}/nsd.conf.d"
        return f"{folder}/{DROP_IN}" if os.path.isdir(folder) else f"{self.home}/{DROP_IN}"

    def including(self) -> str:
        # Debian's nsd.conf includes the folder as it is.
        pattern = f"{self.home}/nsd.conf.d/*.conf"
        with open(self.config, encoding="utf-8", errors="surrogateescape") as stream:
            included = any(re.match(rf'\s*include:\s*"?{re.escape(pattern)}"?', line) for line in stream)
        return "" if included and os.path.isdir(f"{self.home}/nsd.conf.d") else self.config

    @property
    def include_line(self) -> str:
        return f'include: "{self.drop_in}"'

    def __init__(self, config: str = "") -> None:
        super().__init__(config)
        self.directory = (self._asked("zonesdir") or [""])[0]
        written = self._asked("zones")
        self._names = {f"{name.lower().rstrip('.')}.": name for name in written}

    def _asked(self, option: str, *more: str) -> t.List[str]:
        done = commands.run(["nsd-checkconf", "-o", option, *more, self.config])
        return done.out.split() if done.rc == 0 else []

    def names(self) -> t.Collection[str]:
        return self._names

    def declared(self, name: str) -> t.List[Zone]:
        written = self._names.get(name)
        if written is None:
            return []
        path = (self._asked("zonefile", "-z", written) or [""])[0].replace("%s", written.rstrip("."))
        kind = "secondary" if self._asked("request-xfr", "-z", written) else "primary"
        return [Zone(name, "", kind, path if path.startswith("/") else f"{self.directory}/{path}", False)]

    def declaration(self, zone: str, path: str) -> str:
        return f'zone:\n\tname: "{zone}"\n\tzonefile: "{path}"\n'

    def check_zone(self, zone: str, path: str) -> t.List[str]:
        said = self._checked(["nsd-checkzone", zone, path], zone, os.path.dirname(path))
        return [line.replace(path, "the new file") for line in said.splitlines() if not line.endswith(" is ok")]

    def check_config(self) -> None:
        commands.check(["nsd-checkconf", self.config])

    def _control(self, *words: str) -> commands.Result:
        return commands.run(["nsd-control", "-c", self.config, *words])

    def _process(self) -> t.Optional[int]:
        path = (self._asked("pidfile") or [""])[0]
        try:
            with open(path, encoding="ascii") as stream:
                process = int(stream.read())
            os.kill(process, 0)
        except (OSError, ValueError):
            return None
        return process

    def unreachable(self) -> str:
        done = self._control("status")
        return "" if done.rc == 0 or self._process() is not None else f"nsd-control says: {done.said.splitlines()[0]}"

    def serial(self, zone: str, view: str) -> t.Optional[int]:
        # nsd-control does not say it of a primary zone, so the server is asked the way everybody asks it.
        port = (self._asked("port") or ["53"])[0]
        for written in [*self._asked("ip-address"), "127.0.0.1", "::1"]:
            address, _mark, own_port = written.partition("@")
            found = served_serial(zone, address, int(own_port or port))
            if found is not None:
                return found
        return None

    def reconfigure(self) -> None:
        if self._control("reconfig").rc != 0:
            self._signal()

    def reload(self, zone: str, view: str) -> None:
        if self._control("reload", zone.rstrip(".")).rc != 0:
            self._signal()

    def _signal(self) -> None:
        process = self._process()
        if process is None:
            raise RolloutError("nsd: neither nsd-control nor the process of the pid file can be reached")
        os.kill(process, signal.SIGHUP)  # nsd reads its configuration and its zones again
