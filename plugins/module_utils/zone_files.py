# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name server's part of the module zone: read zone files, and put new ones in their place.

What a zone is to hold is decided on the controller. In here new text is checked by the server's own checker, put in
place, loaded, and seen to be served; where one of these fails, everything is as it was before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.name_server import FOLDER, NameServer
from ansible_collections.ipv6.rollout.plugins.module_utils.named_conf import Zone
from ansible_collections.ipv6.rollout.plugins.module_utils.server_bind import Bind
from ansible_collections.ipv6.rollout.plugins.module_utils.server_knot import Knot
from ansible_collections.ipv6.rollout.plugins.module_utils.server_nsd import Nsd

_INCLUDE = re.compile(r'^\$INCLUDE\s+(?:"([^"\n]+)"|([^\s;"]+))', re.IGNORECASE | re.MULTILINE)
_MOST_INCLUDES = 100
MARK = "ipv6.rollout"
SERVERS: t.Dict[str, t.Type[NameServer]] = {"bind": Bind, "nsd": Nsd, "knot": Knot}


class Job(t.NamedTuple):
    """A zone to put in place. ``text`` None: take the zone away, its file and its declaration."""

    zone: str
    path: str
    view: str
    text: t.Optional[str]
    digest: t.Optional[str]  # of the file that was compared; None: there was none
    serial: t.Optional[int]
    declare: bool


class Outcome(t.NamedTuple):
    """What became of the jobs."""

    warnings: t.List[str]
    loaded: t.List[str]
    running: bool


def server(kind: str, config: str) -> NameServer:
    """Return the name server of a kind."""
    return SERVERS[kind](config)


def read(
    name_server: NameServer, wanted: t.Mapping[str, t.Mapping[str, str]], names: t.Iterable[str] = ()
) -> t.Dict[str, t.Any]:
    """Return what there is of zones: ``{zone: {file, view, declared, digest, texts, serial, ours}}``.

    :param wanted: by zone ``{file, view}``, each empty where the configuration is to say it
    :param names: names whose zones are looked up in the configuration. Of a zone that is not for writing here there is
        ``{refused}`` with the reason; a name without a zone is left out
    """
    declared: t.Dict[str, t.List[Zone]] = {}
    for zone in name_server.zones():
        declared.setdefault(zone.name, []).append(zone)
    result = {}
    for name, asked in wanted.items():
        result[name] = _read(name_server, name, declared.get(name, []), asked)
    for name in names:
        place = name
        while place and place not in declared and place not in result:
            place = place.partition(".")[2]
        if place and place not in result:
            try:
                result[place] = _read(name_server, place, declared[place], {"file": "", "view": ""})
            except (RolloutError, OSError) as error:
                result[place] = {"refused": str(error)}
    return result


def _read(
    name_server: NameServer, name: str, declared: t.Sequence[Zone], asked: t.Mapping[str, str]
) -> t.Dict[str, t.Any]:
    found = [zone for zone in declared if asked["view"] in ("", zone.view)]
    _check_declared(name, found, asked)
    path = asked["file"] or (found[0].file if found else name_server.new_file(name))
    content = files.read(path)
    return {
        "file": path,
        "view": found[0].view if found else "",
        "declared": bool(found),
        "ours": f'"{path}"'.encode() in (files.read(name_server.drop_in) or b""),
        "digest": files.digest(content),
        "texts": {} if content is None else _texts(path, content, getattr(name_server, "directory", "")),
        "serial": name_server.serial(name, found[0].view) if found else None,
    }


def _check_declared(name: str, found: t.Sequence[Zone], asked: t.Mapping[str, str]) -> None:
    if asked["view"] and not found:
        raise RolloutError(f"zone {name}: the configuration has no view {shown(asked['view'])} with it")
    if len({zone.view for zone in found}) > 1:
        views = ", ".join(zone.view for zone in found)
        raise RolloutError(f"zone {name}: it is in the views {views}; say which one (zones[].view)")
    for zone in found:
        if zone.kind != "primary":
            raise RolloutError(
                f"zone {name}: this server has it as {zone.kind or 'something without a type'}; write it where it is "
                "primary"
            )
        if zone.dynamic:
            raise RolloutError(
                f"zone {name}: it takes dynamic updates, so the server keeps changes in a journal, and a file that is "
                "written meanwhile loses them or is lost itself; use the module dns_records for it"
            )
        if not zone.file:
            raise RolloutError(f"zone {name}: the configuration names no file for it")
        if asked["file"] and os.path.realpath(asked["file"]) != os.path.realpath(zone.file):
            raise RolloutError(
                f"zone {name}: file: {shown(asked['file'])} is not the file that the configuration names, {zone.file}; "
                "leave file out"
            )


def _texts(path: str, content: bytes, directory: str) -> t.Dict[str, str]:
    """Return the text of a zone file and of all that it includes, by the name that the $INCLUDE line has."""
    texts = {"": _decoded(path, content)}
    waiting = [texts[""]]
    while waiting:
        for match in _INCLUDE.finditer(waiting.pop()):
            name = match.group(1) or match.group(2)
            if name in texts:
                continue
            if len(texts) > _MOST_INCLUDES:
                raise RolloutError(f"{path}: it includes more than {_MOST_INCLUDES} files")
            included = name if name.startswith("/") else f"{directory or os.path.dirname(path)}/{name}"
            more = files.read(included)
            if more is None:
                raise RolloutError(f"{path}: it includes {included}, which is not there")
            texts[name] = _decoded(included, more)
            waiting.append(texts[name])
    return texts


def _decoded(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise RolloutError(
            f"{path}: it has octets that are no UTF-8; write them as \\DDD (RFC 1035, section 5.1)"
        ) from None


def write(name_server: NameServer, jobs: t.Sequence[Job], really: bool) -> Outcome:
    """Check all new texts, put them in place, and load them one zone after the other."""
    with _alone(name_server.config):
        for job in jobs:
            if files.digest(files.read(job.path)) != job.digest:
                raise RolloutError(
                    f"zone {job.zone}: somebody else changed {job.path} between the comparison and now; nothing is "
                    "written, so nothing is lost. Run again"
                )
        warnings = [f"{job.zone} {line}" for job in jobs for line in _checked(name_server, job)]
        if not really:
            return Outcome(warnings, [], name_server.running())
        return _put(name_server, jobs, warnings)


@contextlib.contextmanager
def _alone(path: str) -> t.Iterator[None]:
    """Hold a lock on a file that is always there, so that two runs do not write at once and no lock file stays."""
    with open(path, "rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RolloutError("somebody else is writing zones on this name server right now; run again") from None
        yield


def _checked(name_server: NameServer, job: Job) -> t.List[str]:
    if job.text is None:
        return []
    # Beside nothing of the server's: a check run leaves no trace where the zones are.
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-") as folder:
        path = f"{folder}/zone"
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(job.text)
        return name_server.check_zone(job.zone, path)


def _put(name_server: NameServer, jobs: t.Sequence[Job], warnings: t.List[str]) -> Outcome:
    running = name_server.running()
    undo = _Undo()
    made = not os.path.isdir(os.path.dirname(jobs[0].path)) if jobs else False
    try:
        # First the texts, then the declarations, so that the server never finds one without the other.
        for job in jobs:
            if job.text is not None:
                undo.write(job.path, job.text.encode())
        configured = _declare(name_server, jobs, undo)
        if configured:
            name_server.check_config()
        loaded = _load(name_server, jobs, configured) if running else []
    except (RolloutError, OSError):
        undo.back()
        if running:
            with contextlib.suppress(RolloutError):
                name_server.reconfigure()
                for job in jobs:
                    if not job.declare and job.text is not None:
                        name_server.reload(job.zone, job.view)
        if made:
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(jobs[0].path))
        raise
    for job in jobs:
        if job.text is None:
            files.remove(job.path)
            with contextlib.suppress(OSError):
                os.rmdir(f"{name_server.home}/{FOLDER}")
    return Outcome(warnings, loaded, running)


def _load(name_server: NameServer, jobs: t.Sequence[Job], configured: bool) -> t.List[str]:
    if configured:
        name_server.reconfigure()
    for job in jobs:
        if job.text is not None and not job.declare:
            name_server.reload(job.zone, job.view)
        name_server.wait(job.zone, job.view, job.serial)
    return [job.zone for job in jobs]


def _declare(name_server: NameServer, jobs: t.Sequence[Job], undo: _Undo) -> bool:
    """Declare new zones in a file of our own, and take out those that go; tell whether anything had to change."""
    path = name_server.drop_in
    before = (files.read(path) or b"").decode()
    head = f"{_comment(name_server)}{name_server.drop_in_head}"
    body = before[len(head) :] if before.startswith(head) else ""
    if before and not before.startswith(head):
        raise RolloutError(f"{path}: it is not as it was written; take your lines out of it, or remove it")
    for job in jobs:
        line = name_server.declaration(job.zone, job.path)
        if job.text is None:
            body = body.replace(line, "")
        elif job.declare and line not in body:
            body += line
    after = f"{head}{body}" if body else ""
    if after == before:
        return False
    if after:
        undo.write(path, after.encode())
        _include(name_server, undo, wanted=True)
    else:
        # The line that includes a file goes before the file.
        _include(name_server, undo, wanted=False)
        undo.remove(path)
    return True


def _comment(name_server: NameServer) -> str:
    mark = "//" if isinstance(name_server, Bind) else "#"
    return f"{mark} The zones that {MARK} made. It writes this file anew.\n"


def _include(name_server: NameServer, undo: _Undo, wanted: bool) -> None:
    path = name_server.including()
    if not path:
        return
    text = (files.read(path) or b"").decode(errors="surrogateescape")
    line = f"{name_server.include_line}\n"
    present = f"\n{line}" in f"\n{text}"
    if wanted == present:
        return
    if wanted:
        text += ("" if text.endswith("\n") or not text else "\n") + line
    else:
        text = f"\n{text}".replace(f"\n{line}", "\n", 1)[1:]
    undo.write(path, text.encode(errors="surrogateescape"))


class _Undo:
    """Writes files, and can put them all back."""

    def __init__(self) -> None:
        self._before: t.List[t.Tuple[str, files.Saved]] = []

    def write(self, path: str, content: bytes) -> None:
        """Write a file; permissions and owner stay."""
        saved = files.look(path)
        self._before.append((path, saved))
        files.write(path, content, saved.mode, saved.uid, saved.gid)

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._before.append((path, files.look(path)))
        files.remove(path)

    def back(self) -> None:
        """Put everything back, the last change first."""
        for path, saved in reversed(self._before):
            if saved.content is None:
                files.remove(path)
            else:
                files.write(path, saved.content, saved.mode, saved.uid, saved.gid)
