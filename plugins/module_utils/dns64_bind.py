# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIND as a DNS64: two lines in its files that take in ours, checked in a copy of the whole configuration."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, dns64_texts, files, named_conf, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils.dns64_values import Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.unbound import PORT, sockets_pid

FOLDER = "/etc/bind"
OPTIONS = f"{FOLDER}/named.conf.options"
LOCAL = f"{FOLDER}/named.conf.local"
OWN_OPTIONS = f"{FOLDER}/ipv6-rollout-dns64.options"
OWN_ZONES = f"{FOLDER}/ipv6-rollout-dns64.zones"
OWN_ZONE = f"{FOLDER}/ipv6-rollout-ipv4only.zone"


class Bind:
    """The BIND of this host."""

    unit = "named.service"
    # It listens where its own configuration says.
    opens = False
    package = "bind9"

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.installed = bool(commands.found("named-checkconf")) and os.path.exists(OPTIONS)
        self.remarks: t.List[str] = []
        self.pid = sockets_pid(self.unit)

    def wanted(self) -> t.Dict[str, str]:
        """Return the files that are wanted, by path."""
        options = _text(OPTIONS) if self.installed else "options {\n};\n"
        local = _text(LOCAL) if self.installed else ""
        recursion = True
        if self.installed:
            recursion = self._asked()
        found = {
            OWN_OPTIONS: dns64_texts.bind_options(self.wish, recursion),
            OWN_ZONES: dns64_texts.bind_zones(self.wish, OWN_ZONE),
            OPTIONS: with_options(options),
            LOCAL: with_zones(local),
        }
        if self.wish.discovery == "local":
            found[OWN_ZONE] = dns64_texts.bind_zone_file()
        return found

    def _asked(self) -> bool:
        """Look at what is configured without us; return whether nothing there says who may ask."""
        with staged({}) as conf:
            done = commands.run(["named-checkconf", "-px", conf])
            if done.rc != 0:
                why = done.said.replace(os.path.dirname(conf), FOLDER).splitlines()[0]
                raise RolloutError(f"{FOLDER}: BIND refuses the configuration that is there now: {why}; mend it first")
            told = named_conf.statements(done.out)
        if named_conf.has_views(told):
            raise RolloutError(f"{FOLDER}: this server has views; put the dns64 statement into one of them yourself")
        options = named_conf.block(told, "options")
        if named_conf.value(options, "dns64") is not None:
            raise RolloutError(f"{OPTIONS}: there is a dns64 statement already; take it out, so that there is one")
        if named_conf.value(options, "recursion") in ("no", "false", "0"):
            raise RolloutError(
                f"{OPTIONS}: this server answers no questions about others' names (recursion no); use unbound"
            )
        names = [statement[0] for statement in options]
        asked = [name for name in ("allow-recursion", "allow-query-cache") if name in names]
        if asked:
            self.remarks.append(
                f"{OPTIONS}: {asked[0]} is set there and stays; see that it lets in the prefixes of clients"
            )
        return not asked

    def validate(self, wanted: t.Mapping[str, bytes]) -> None:
        """Have named-checkconf look at a copy with our files in it."""
        with staged(wanted) as conf:
            done = commands.run(["named-checkconf", "-z", conf])
        if done.rc != 0:
            why = " / ".join(done.said.replace(os.path.dirname(conf), FOLDER).splitlines()[:3])
            raise RolloutError(f"BIND refuses the configuration, nothing was changed: {why}")

    def endpoints(self) -> t.Set[sockets.Endpoint]:
        """Return where it has to listen."""
        return {(host, PORT) for host in self.wish.listen}

    def renewed(self, before: bytes, after: bytes) -> bool:
        """Whether a change needs another start. BIND takes all of ours while it runs."""
        return False


def with_options(text: str) -> str:
    """Return named.conf.options with the line that takes in ours, inside the options."""
    line = f'include "{OWN_OPTIONS}";'
    if line in _blanked(text):
        return text
    found = re.search(r"\boptions\s*\{", _blanked(text))
    if not found:
        raise RolloutError(f"{OPTIONS}: there is no 'options' in it; put '{line}' into the options yourself")
    return f"{text[: found.end()]}\n\t{line}{text[found.end() :]}"


def with_zones(text: str) -> str:
    """Return named.conf.local with the line that takes in our zones."""
    line = f'include "{OWN_ZONES}";'
    if line in _blanked(text):
        return text
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"


def without(text: str) -> str:
    """Return a file of BIND without the lines that take in ours."""
    return re.sub(rf'(?m)^[ \t]*include "(?:{OWN_OPTIONS}|{OWN_ZONES})";\n?', "", text)


def _blanked(text: str) -> str:
    """Return the text with comments blanked out, so that all places stay what they are."""
    pattern = r'"[^"\n]*"|/\*.*?\*/|//[^\n]*|#[^\n]*'

    def blank(match: t.Match[str]) -> str:
        return match.group() if match.group().startswith('"') else re.sub(r"[^\n]", " ", match.group())

    return re.sub(pattern, blank, text, flags=re.DOTALL)


def _text(path: str) -> str:
    return (files.read(path) or b"").decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def staged(wanted: t.Mapping[str, bytes]) -> t.Iterator[str]:
    """Give a copy of the configuration, with our files or without any, that reads its own files."""
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-bind-") as inside:
        folder = f"{inside}/bind"
        shutil.copytree(FOLDER, folder, symlinks=True)
        for path, content in wanted.items():
            files.write(folder + path[len(FOLDER) :], content)
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if not os.path.isfile(path) or os.path.islink(path):
                continue
            text = _text(path)
            if not wanted:  # as it is without us
                text = without(text)
            text = re.sub(rf'((?:include|file)\s+"){FOLDER}/', rf"\g<1>{folder}/", text)
            files.write(path, text.encode("utf-8", "surrogateescape"))
        yield f"{folder}/named.conf"
