# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix's master.cf as text: services, and the parameters that they override, with every other byte left alone."""

from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

FIELDS = 8
ARGUMENTS = "argv="
KINDS = ("inet", "unix", "fifo", "pass", "unix-dgram")
NAME = re.compile(rf"[A-Za-z0-9_.:\[\]-]+/(?:{'|'.join(KINDS)})", re.ASCII)

Overrides = t.Dict[str, t.Dict[str, t.Optional[str]]]


class Override(t.NamedTuple):
    """A parameter that a service overrides: its value, and where its option stands in the text."""

    name: str
    value: str
    start: int
    end: int


class Service(t.NamedTuple):
    """One service: ``smtp/unix``, its command, and where its lines stand in the text (comments within included)."""

    name: str
    fields: t.Tuple[str, ...]
    start: int
    end: int
    overrides: t.Tuple[Override, ...]

    @property
    def command(self) -> str:
        """The program that does it."""
        return self.fields[FIELDS - 1]

    def value(self, name: str) -> str | None:
        """Return what the service has for a parameter of its own; the last one counts."""
        found = [override.value for override in self.overrides if override.name == name]
        return found[-1] if found else None


def services(text: str) -> list[Service]:
    """List the services, in order.

    A line that starts with whitespace continues the one before; comments and empty lines count for nothing.
    """
    found: list[list[tuple[int, int]]] = []
    place = 0
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        span = (place, place + len(line))
        place += len(line)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace():
            found.append([span])
        elif found:
            found[-1].append(span)
    return [_service(text, spans) for spans in found]


def _service(text: str, spans: list[tuple[int, int]]) -> Service:
    words = _words(text, spans)
    fields = tuple(text[start:end] for start, end in words[:FIELDS])
    if len(fields) < FIELDS:
        raise RolloutError(
            f"master.cf: {shown(text[slice(*spans[0])].strip())} has fewer than {FIELDS} fields; mend it"
        )
    return Service(
        f"{fields[0]}/{fields[1]}", fields, spans[0][0], spans[-1][1], tuple(_overrides(text, words[FIELDS:]))
    )


def _words(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where the words stand. What is in braces is one word."""
    found: list[tuple[int, int]] = []
    for first, last in spans:
        place = first
        while place < last:
            if text[place].isspace():
                place += 1
                continue
            start, depth = place, 0
            while place < last and (depth or not text[place].isspace()):
                depth += {"{": 1, "}": -1}.get(text[place], 0) if text[start] == "{" else 0
                place += 1
            found.append((start, place))
    return found


def _overrides(text: str, words: list[tuple[int, int]]) -> t.Iterator[Override]:
    """Read ``-o name=value``, ``-oname=value`` and ``-o { name = value }``."""
    waiting: int | None = None
    for start, end in words:
        word = text[start:end]
        if word.startswith(ARGUMENTS):
            return  # of another program
        if waiting is None and word == "-o":
            waiting = start
            continue
        if waiting is None:
            if not word.startswith("-o"):
                continue
            waiting, word = start, word[2:]
        if word.startswith("{") and word.endswith("}"):
            word = word[1:-1]
        name, equal, value = word.partition("=")
        if equal:
            yield Override(name.strip(), value.strip(), waiting, end)
        waiting = None


def find(text: str, name: str) -> Service | None:
    """Return a service, by a name such as ``smtp/unix``; where it is there twice, the last one, which counts."""
    return next((service for service in reversed(services(text)) if service.name == name), None)


def _needed(text: str, name: str) -> Service:
    found = find(text, name)
    if found is None:
        known = ", ".join(sorted({service.name for service in services(text)}))
        raise RolloutError(f"services.{name}: master.cf has no such service; it has {known}")
    return found


def put(text: str, name: str, parameter: str, value: str) -> str:
    """Let a service override a parameter: in the place of the old value, or on a line of its own behind the others."""
    service = _needed(text, name)
    option = f"-o {parameter}={value}"
    if not value or re.search(r"[\s{}]", value):
        option = f"-o {{ {parameter} = {value} }}"
    old = [override for override in service.overrides if override.name == parameter]
    if f" {ARGUMENTS}" in re.sub(r"\s", " ", text[service.start : service.end]):
        raise RolloutError(f"services.{name}: it runs another program by {ARGUMENTS}, and takes no further options")
    if old:
        return text[: old[-1].start] + option + text[old[-1].end :]
    start, end = text[: service.end], text[service.end :]
    return f"{start}{'' if start.endswith(chr(10)) else chr(10)}  {option}\n{end}"


def drop(text: str, name: str, parameter: str) -> str:
    """Let a service have a parameter of main.cf again."""
    service = find(text, name)
    for override in reversed(service.overrides if service else ()):
        if override.name == parameter:
            text = _cut(text, override.start, override.end)
    return text


def _cut(text: str, start: int, end: int) -> str:
    """Take an option out, and its line where nothing else is on it."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end) + 1 or len(text)
    if not (text[first:start] + text[end:last]).strip():
        return text[:first] + text[last:]
    while start > first and text[start - 1] in " \t":
        start -= 1
    return text[:start] + text[end:]


def put_service(text: str, name: str, block: str) -> str:
    """Put a whole service in the place of the one that is there, or at the end."""
    old = find(text, name)
    block = block.rstrip("\n") + "\n"
    if old is None:
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{block}"
    return text[: old.start] + block + text[old.end :]


def drop_service(text: str, name: str) -> str:
    """Take a service out."""
    old = find(text, name)
    return text if old is None else text[: old.start] + text[old.end :]


def block(text: str, name: str) -> str | None:
    """Return the lines of a service as they stand in the file, or None."""
    found = find(text, name)
    return None if found is None else text[found.start : found.end]


def same_service(text: str, name: str, wanted: str) -> bool:
    """Tell whether a service is there, word for word."""
    found = block(text, name)
    if found is None:
        return False
    lines = [line for line in found.splitlines() if not line.lstrip().startswith("#")]
    return " ".join(lines).split() == wanted.split()


def options(line: str) -> dict[str, str]:
    """Return what a service of one line overrides."""
    return {override.name: override.value for service in services(line) for override in service.overrides}


def without(text: str, name: str, noted: t.Mapping[str, t.Mapping[str, t.Any]], own: t.Mapping[str, str]) -> str:
    """Return the text with a service as its own line has it, without what was noted as set since."""
    for parameter, entry in noted.items():
        service = find(text, name)
        if service is not None and service.value(parameter) == entry.get("set"):
            text = put(text, name, parameter, own[parameter]) if parameter in own else drop(text, name, parameter)
    return text


def clean_overrides(given: t.Mapping[t.Any, t.Any]) -> Overrides:
    """Check ``{"smtp/unix": {inet_protocols: ipv4}}`` and return plain text; null stands for no override."""
    found: Overrides = {}
    for key, parameters in given.items():
        name = _name(key, "services")
        if not isinstance(parameters, t.Mapping):
            raise RolloutError(f"services.{name}: {shown(parameters)} is no dictionary of parameters")
        found[name] = {}
        for parameter, value in parameters.items():
            where = f"services.{name}.{parameter}"
            if not isinstance(parameter, str) or not re.fullmatch(r"[a-z0-9_]+", parameter):
                raise RolloutError(f"services.{name}: {shown(parameter)} is no name of a parameter; letters, digits, _")
            found[name][parameter] = None if value is None else _value(value, where)
    return found


def _value(value: t.Any, where: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise RolloutError(f"{where}: {shown(value)} is not text; quote it")
    plain = str(value).strip()
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", plain):
        raise RolloutError(f"{where}: {shown(plain)} has a line break or control character; write it on one line")
    if plain.count("{") != plain.count("}"):
        raise RolloutError(f"{where}: {shown(plain)} has a brace without its other half")
    return plain


def clean_services(given: t.Mapping[t.Any, t.Any]) -> dict[str, str]:
    """Check ``{"submissions/inet": "submissions inet n - y - - smtpd"}`` and return plain text."""
    found: dict[str, str] = {}
    for key, line in given.items():
        name = _name(key, "master")
        text = _value(line, f"master.{name}") if isinstance(line, str) else ""
        words = text.split()
        if len(words) < FIELDS or "/".join(words[:2]) != name:
            raise RolloutError(
                f"master.{name}: {shown(line)} is no line of master.cf that begins with {name.replace('/', ' ')}; it "
                f"has at least {FIELDS} fields, such as submissions inet n - y - - smtpd"
            )
        found[name] = text
    return found


def _name(key: object, where: str) -> str:
    if not isinstance(key, str) or not NAME.fullmatch(key):
        raise RolloutError(f"{where}: {shown(key)} is no service of master.cf; write its first two fields, smtp/unix")
    return str(key)


def ports(master: str) -> set[int] | None:
    """Return the ports that listen on every address of inet_interfaces; None where one is unknown."""
    found = set()
    for service in services(master):
        name = service.fields[0]
        if service.fields[1] != "inet" or ":" in name:
            continue  # no port, or with its own address: inet_interfaces has no say
        try:
            found.add(int(name) if name.isdigit() else socket.getservbyname(name, "tcp"))
        except OSError:
            return None
    return found
