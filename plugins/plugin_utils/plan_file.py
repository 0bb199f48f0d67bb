# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan file: where it is, how it is read, and how it is written.

The bytes depend on the content only. Every scalar is read as text, so that YAML cannot eat an address.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import typing as t

import yaml

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.forwards import read_ports
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import Plan
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_read import read_plan

NAME = "ipv6_plan.yml"
HEADER = """\
# The address plan: the only place where an IPv6 address is decided. Commit this file.
# Kept by ipv6.rollout.plan; nothing that has a place here ever moves.
"""

MAP_MARK = b'id="plan-title"'  # how a map of ours is known, near its beginning
MAP_HEAD = 1000

# YAML reads these without quotes as text. A word such as no or off is something else to it, and so is 1:20.
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*", re.ASCII)
_PLAIN_LINES = re.compile(rf"(?:{_PLAIN_KEY.pattern}\n)*+", re.ASCII)
_SMALL = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
_WORDS = frozenset(form(word) for word in _SMALL for form in (str.lower, str.capitalize, str.upper))
_NUMBERS = re.compile(r"[0-9:]*", re.ASCII)


def default_path(explicit: object, sources: object, variable: str = "ipv6_plan_file") -> str:
    """Return the path of the plan file.

    :param explicit: what the user set, or None; a relative path starts where the default file would be
    :param sources: ``ansible_inventory_sources``: files, directories or lists of hosts

    Without an explicit path it is ``ipv6_plan.yml`` beside the inventory file. For an inventory directory it is
    beside the directory: inside it, Ansible would take the plan for an inventory.
    """
    folder = _folder(sources)
    if explicit is not None and explicit != "":
        if not isinstance(explicit, (str, os.PathLike)):
            raise RolloutError(f"{variable}: {shown(explicit)} is not a path; write one in quotes")
        path = os.path.expanduser(os.fspath(explicit))
        return os.path.abspath(os.path.join(folder or os.getcwd(), str(path)))
    if folder is None:
        raise RolloutError(
            f"{variable}: there is no inventory file that {NAME} could be beside; set {variable} to a path"
        )
    return os.path.join(folder, NAME)


def map_path(explicit: object, plan: str) -> str:
    """Return the path of the map: what the user set, else the plan's with ``.svg`` where there is one; or nothing.

    A map that is there is kept up to date; one that nobody asked for is not made. ``.svg`` alone asks for one that has
    the plan's name. What is there and is no map of a plan is never touched.
    """
    beside = f"{os.path.splitext(plan)[0]}.svg"
    if explicit is None or explicit == "":
        return beside if _is_map(beside) else ""
    if not isinstance(explicit, (str, os.PathLike)):
        raise RolloutError(f"ipv6_plan_map: {shown(explicit)} is not a path; write one in quotes")
    path = beside
    if explicit != ".svg":
        path = os.path.abspath(os.path.join(os.path.dirname(plan), os.path.expanduser(os.fspath(explicit))))
    if os.path.exists(path) and not _is_map(path):
        raise RolloutError(f"ipv6_plan_map: {path} is there and is no map of a plan; choose another name")
    if not os.path.isdir(os.path.dirname(os.path.realpath(path))):
        raise RolloutError(f"ipv6_plan_map: {path}: its folder is not there; make the folder first")
    return path


def _is_map(path: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return MAP_MARK in stream.read(MAP_HEAD)
    except OSError:
        return False


def _folder(sources: object) -> str | None:
    if isinstance(sources, str):
        sources = [sources]
    if not isinstance(sources, (list, tuple)):
        return None
    for source in sources:
        path = os.path.abspath(os.path.expanduser(str(source)))
        if os.path.exists(path):
            return os.path.dirname(path)
    return None


# ---------------------------------------------------------------------------------------------- reading


class _Loader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """Reads every scalar as text, and refuses a key that is there twice."""

    def construct_mapping(self, node: t.Any, deep: bool = False) -> dict[t.Any, t.Any]:
        seen = set()
        for key_node, _value in getattr(node, "value", ()):
            key = getattr(key_node, "value", None)
            if isinstance(key, str) and key in seen:
                raise RolloutError(f"line {key_node.start_mark.line + 1}: {shown(key)} is there twice")
            if isinstance(key, str):
                seen.add(key)
        mapping: dict[t.Any, t.Any] = super().construct_mapping(node, deep=deep)
        return mapping


def parse(text: str, source: str) -> dict[str, t.Any] | None:
    """Return the plan in a text, unchecked, or None for a text that holds nothing."""
    try:
        data = yaml.load(text, Loader=_Loader)  # builds text, lists and dictionaries only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise RolloutError(f"{source}: {where}it is not YAML: {getattr(error, 'problem', None) or error}") from error
    except RolloutError as error:
        raise RolloutError(f"{source}: {error}; take one of the two lines out") from error
    except RecursionError as error:
        raise RolloutError(f"{source}: it is nested too deeply to be a plan") from error
    if data is None or data == "":
        return None
    if not isinstance(data, dict):
        raise RolloutError(f"{source}: it is not a plan; the keys are prefix, subnets, hosts and retired")
    return _without_blanks(data)


def _without_blanks(data: dict[str, t.Any]) -> dict[str, t.Any]:
    """Let a key without a value stand for an empty dictionary, as it does for whoever deletes its last line."""
    clean: dict[str, t.Any] = {}
    for key, value in data.items():
        if key in ("retired", "ula") and isinstance(value, dict):
            value = _without_blanks(value)
        clean[key] = {} if value == "" and key != "prefix" else value
    return clean


def read_text(path: str) -> str | None:
    """Return the text of a plan file, or None where there is none."""
    try:
        content = files.read(path)
    except OSError as error:
        raise RolloutError(f"{path}: it cannot be read: {error.strerror}") from error
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise RolloutError(f"{path}: it is not text in UTF-8") from error


def load(path: str) -> Plan:
    """Return a checked plan; a missing or empty file is an error that says how to make one."""
    text = read_text(path)
    plan = None if text is None else parse(text, path)
    if read_plan(plan, path) is None or plan is None:
        raise RolloutError(f"{path}: there is no plan in it yet; run the playbook ipv6.rollout.plan first")
    return {
        "prefix": plan["prefix"],
        "subnets": plan.get("subnets", {}),
        "hosts": plan.get("hosts", {}),
        **({"ula": plan["ula"]} if plan.get("ula") else {}),
        **({"forwards": read_ports(plan)} if plan.get("forwards") else {}),
        "retired": {"subnets": {}, "hosts": {}, **plan.get("retired", {})},
    }


# ---------------------------------------------------------------------------------------------- writing


def render(plan: Plan) -> str:
    """Return the text of a plan file: one line a place, so that a change is one line of a diff."""
    parts = [f"{HEADER}prefix: {_value(plan['prefix'])}\n"]
    parts += _section("subnets", plan["subnets"], "")
    parts += _section("hosts", plan["hosts"], "")
    if "ula" in plan:
        parts.append(f"ula:\n  prefix: {_value(plan['ula']['prefix'])}\n")
        parts += _section("subnets", plan["ula"]["subnets"], "  ")
        parts += _section("hosts", plan["ula"]["hosts"], "  ")
    if "forwards" in plan:
        parts.append("forwards:\n")
        parts += [f"  {_key(name)}: {number}\n" for name, number in plan["forwards"].items()]
    parts.append("retired:\n")
    for section, word in (("subnets", "prefix"), ("hosts", "address"), ("forwards", "port")):
        if section not in plan["retired"]:
            continue
        entries = plan["retired"][section]
        parts.append(f"  {section}:\n" if entries else f"  {section}: {{}}\n")
        parts += [
            f"    {_key(name)}: {{{word}: '{entry[word]}', since: '{entry['since']}'}}\n"
            for name, entry in entries.items()
        ]
    return "".join(parts)


def _section(name: str, places: t.Mapping[str, str], indent: str) -> list[str]:
    """Return the parts of a section, not yet joined to lines: tens of thousands of them are a lot to hold."""
    if not places:
        return [f"{indent}{name}: {{}}\n"]
    keys, values = list(places), list(places.values())
    # Most plans have nothing that needs quotes, which is seen at once.
    if not _PLAIN_LINES.fullmatch("\n".join(keys) + "\n") or not _WORDS.isdisjoint(places):
        keys = list(map(_key, keys))
    # All prefixes of a plan begin alike, and what has a slash is never a number.
    if name != "subnets" or values[0].startswith(":"):
        values = list(map(_value, values))
    parts = [f"\n{indent}  "] * (4 * len(keys))
    parts[1::4] = keys
    parts[2::4] = [": "] * len(keys)
    parts[3::4] = values
    parts[0] = f"{indent}{name}:{parts[0]}"
    parts.append("\n")
    return parts


def _key(text: str) -> str:
    if _PLAIN_KEY.fullmatch(text) and text not in _WORDS:
        return text
    return f"'{text}'"


def _value(text: str) -> str:
    if text[0] == ":" or text[-1] == ":" or ("::" not in text and _NUMBERS.fullmatch(text)):
        return f"'{text}'"
    return text


@contextlib.contextmanager
def locked(path: str) -> t.Iterator[None]:
    """Hold the lock of a plan file from reading to writing, so that two runs at once lose nothing.

    The lock is on the folder: the file itself is replaced when it is written, and no lock file is left behind.
    """
    folder = os.path.dirname(os.path.realpath(path))
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise RolloutError(f"{path}: its folder cannot be opened: {error.strerror}; make the folder first") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def save(path: str, text: str) -> None:
    """Replace a plan file atomically; it keeps its owner and permissions."""
    before = files.look(path)
    try:
        files.write(path, text.encode(), before.mode, *_owner(path, before))
    except OSError as error:
        raise RolloutError(f"{path}: it cannot be written: {error.strerror}") from error


def _owner(path: str, before: files.Saved) -> tuple[int, int]:
    """A new file belongs to whoever owns its folder: root may plan in a user's checkout."""
    if before.content is not None:
        return before.uid, before.gid
    folder = os.stat(os.path.dirname(os.path.realpath(path)))
    return folder.st_uid, folder.st_gid
