# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name server's part of the module zone: read zone files, and put new ones in their place.

What a zone is to hold is decided on the controller. In here new texts are checked by the server's own checker. Then
each zone in turn is put in place, loaded, and seen to be served; where that fails it is as it was before, those before
it are done, and those behind it are not touched. Texts are octets, one character each (Latin-1), so that a comment in
any encoding stays what it is.
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
from ansible_collections.ipv6.rollout.plugins.module_utils.name_server import FOLDER, NameServer, is_served
from ansible_collections.ipv6.rollout.plugins.module_utils.named_conf import Zone
from ansible_collections.ipv6.rollout.plugins.module_utils.server_bind import Bind
from ansible_collections.ipv6.rollout.plugins.module_utils.server_knot import Knot
from ansible_collections.ipv6.rollout.plugins.module_utils.server_nsd import Nsd

_INCLUDE = re.compile(r'^\$INCLUDE\s+(?:"([^"\n]+)"|([^\s;"]+))', re.IGNORECASE | re.MULTILINE)
_MOST_INCLUDES = 100
MARK = "ipv6.rollout"
CHECKED = "zone.ipv6-rollout"  # no file that a zone includes has this name
SERVERS: t.Dict[str, t.Type[NameServer]] = {"bind": Bind, "nsd": Nsd, "knot": Knot}


class Job(t.NamedTuple):
    """A zone to put in place. ``text`` None: take the zone away, its file and its declaration."""

    zone: str
    path: str
    views: t.List[str]
    text: t.Optional[str]
    digest: t.Optional[str]  # of the file that was compared; None: there was none
    serial: t.Optional[int]
    declare: bool


class Outcome(t.NamedTuple):
    """What became of the jobs. ``error`` is None where all went well."""

    warnings: t.List[str]
    done: t.List[str]
    loaded: t.List[str]
    error: t.Optional[str]


def server(kind: str, config: str) -> NameServer:
    """Return the name server of a kind."""
    return SERVERS[kind](config)


def read(
    name_server: NameServer, wanted: t.Mapping[str, t.Mapping[str, str]], names: t.Iterable[str] = ()
) -> t.Dict[str, t.Any]:
    """Return what there is of zones: ``{zone: {file, views, declared, digest, texts, serials, ours, reachable}}``.

    :param wanted: by zone ``{file, view}``, each empty where the configuration is to say it
    :param names: names whose zones are looked up in the configuration. Of a zone that is not for writing here there is
        ``{refused}`` with the reason; a name without a zone is left out
    """
    reachable = not name_server.unreachable()
    known = name_server.names()
    result = {}
    for name, asked in wanted.items():
        result[name] = _read(name_server, name, asked, reachable)
    for name in names:
        place = name
        while place and place not in known and place not in result:
            place = place.partition(".")[2]
        if place and place not in result:
            try:
                result[place] = _read(name_server, place, {"file": "", "view": ""}, reachable)
            except (RolloutError, OSError) as error:
                result[place] = {"refused": str(error)}
    return result


def _read(name_server: NameServer, name: str, asked: t.Mapping[str, str], reachable: bool) -> t.Dict[str, t.Any]:
    declared = name_server.declared(name)
    found = [zone for zone in declared if asked["view"] in ("", zone.view)]
    _check_declared(name, found, asked)
    if not found:
        name_server.check_new(name)
    path = asked["file"] or (found[0].file if found else name_server.new_file(name))
    others = name_server.shared(path) - {name}
    if others:
        raise RolloutError(
            f"zone {name}: its file {path} is that of {', '.join(sorted(others))} too, so a change would be one of all "
            "of them; give the zone a file of its own"
        )
    content = files.read(path)
    # Views that share the file serve what is in it.
    views = [zone.view for zone in declared if zone.file == path]
    return {
        "file": path,
        "views": views or [""],
        "declared": bool(found),
        "ours": f'"{path}"'.encode() in (files.read(name_server.drop_in) or b""),
        "digest": files.digest(content),
        "texts": {} if content is None else _texts(path, content.decode("latin-1"), name_server.directory),
        "serials": [name_server.serial(name, view) for view in views] if reachable else [],  # one for each view
        "reachable": reachable,
    }


def _check_declared(name: str, found: t.Sequence[Zone], asked: t.Mapping[str, str]) -> None:
    if asked["view"] and not found:
        raise RolloutError(f"zone {name}: the configuration has no view {shown(asked['view'])} with it")
    if len({zone.file for zone in found}) > 1:
        views = ", ".join(zone.view for zone in found)
        raise RolloutError(f"zone {name}: it is in the views {views}, with a file each; say which one (zones[].view)")
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


def _texts(path: str, text: str, directory: str) -> t.Dict[str, str]:
    """Return the text of a zone file and of all that it includes, by the name that the $INCLUDE line has."""
    texts = {"": text}
    waiting = [text]
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
            texts[name] = more.decode("latin-1")
            waiting.append(texts[name])
    return texts


def write(name_server: NameServer, jobs: t.Sequence[Job], really: bool) -> Outcome:
    """Check all new texts, and then put the zones in place, one after the other."""
    with _alone(name_server.home):
        for job in jobs:
            if files.digest(files.read(job.path)) != job.digest:
                raise RolloutError(
                    f"zone {job.zone}: somebody else changed {job.path} between the comparison and now; nothing is "
                    "written, so nothing is lost. Run again"
                )
        warnings = [f"{job.zone} {line}" for job in jobs for line in _checked(name_server, job)]
        if not really:
            return Outcome(warnings, [job.zone for job in jobs], [], None)
        return _put_all(name_server, jobs, warnings)


@contextlib.contextmanager
def _alone(folder: str) -> t.Iterator[None]:
    """Hold a lock on a folder that is always there, so that two runs do not write at once and no lock file stays."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RolloutError("somebody else is writing zones on this name server right now; run again") from None
        yield
    finally:
        os.close(handle)


def _checked(name_server: NameServer, job: Job) -> t.List[str]:
    """Have a new text checked away from where the zones are: a check run leaves no trace there."""
    if job.text is None:
        return []
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-") as folder:
        for name, text in _texts(job.path, job.text, name_server.directory).items():
            path = os.path.normpath(f"{folder}/{name or CHECKED}")
            if name.startswith("/"):
                continue  # it is found where it is
            if not path.startswith(f"{folder}/"):
                raise RolloutError(f"zone {job.zone}: it includes {shown(name)}; write that path from the root on")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as stream:
                stream.write(text.encode("latin-1"))
        return name_server.check_zone(job.zone, f"{folder}/{CHECKED}")


def _put_all(name_server: NameServer, jobs: t.Sequence[Job], warnings: t.List[str]) -> Outcome:
    why = name_server.unreachable()
    if why:
        warnings.append(f"the name server cannot be told to load anything ({why}); the next run will, or its start")
    done: t.List[str] = []
    for place, job in enumerate(jobs):
        try:
            _put(name_server, job, not why)
        except (RolloutError, OSError) as error:
            text = f"zone {job.zone}: {error}"
            text += f"; done before: {', '.join(done)}" if done else ""
            left = ", ".join(other.zone for other in jobs[place + 1 :])
            text += f"; not touched: {left}" if left else ""
            return Outcome(warnings, done, _loaded(jobs, done, not why), text)
        done.append(job.zone)
    return Outcome(warnings, done, _loaded(jobs, done, not why), None)


def _loaded(jobs: t.Sequence[Job], done: t.Container[str], reachable: bool) -> t.List[str]:
    return [job.zone for job in jobs if reachable and job.zone in done and job.text is not None]


def _put(name_server: NameServer, job: Job, reachable: bool) -> None:
    undo = _Undo()
    try:
        if job.text is not None:
            folder = os.path.dirname(job.path)
            if not os.path.isdir(folder):
                os.makedirs(folder)
                os.chmod(folder, 0o755)  # the server reads it under another name, whatever the umask here
                undo.folder = folder
            undo.write(job.path, job.text.encode("latin-1"))
        # First the text, then the declaration, so that the server never finds one without the other.
        declared = (job.declare or job.text is None) and _declare(name_server, job, undo)
        if reachable:
            _load(name_server, job, declared)
    except (RolloutError, OSError) as error:
        if not _stays(name_server, job, reachable, str(error)):
            undo.back()
            if reachable:
                with contextlib.suppress(RolloutError):
                    _again(name_server, job)
            raise RolloutError(f"{error}. Its file is what it was") from None
    if job.text is None:
        files.remove(job.path)
        with contextlib.suppress(OSError):
            os.rmdir(f"{name_server.home}/{FOLDER}")


def _stays(name_server: NameServer, job: Job, reachable: bool, error: str) -> bool:
    """Tell whether a zone is served after all. Where that is so in a view, or cannot be known, its file has to stay:
    to take it back would take a served serial back.
    """
    if job.serial is None or not reachable:
        return False
    if name_server.unreachable():
        raise RolloutError(f"{error}. The file is written, and whether it is loaded cannot be asked now; run again")
    served = [is_served(name_server.serial(job.zone, view), job.serial) for view in job.views]
    if any(served) and not all(served):
        views = ", ".join(view for view, is_there in zip(job.views, served) if not is_there)
        raise RolloutError(f"{error}. The file stays, since other views serve it, and the views {views} do not")
    return all(served)


def _load(name_server: NameServer, job: Job, declared: bool) -> None:
    if declared:
        name_server.reconfigure()
    for view in job.views:
        if not declared:
            name_server.reload(job.zone, view)
        name_server.wait(job.zone, view, job.serial)


def _again(name_server: NameServer, job: Job) -> None:
    """Let the server read again what was put back."""
    name_server.reconfigure()
    for view in [] if job.declare else job.views:
        name_server.reload(job.zone, view)


def _declare(name_server: NameServer, job: Job, undo: _Undo) -> bool:
    """Declare a zone in a file of our own, or take it out there; tell whether anything had to change."""
    path = name_server.drop_in
    before = (files.read(path) or b"").decode("latin-1")
    mark = "//" if isinstance(name_server, Bind) else "#"
    head = f"{mark} The zones that {MARK} made. It writes this file anew.\n{name_server.drop_in_head}"
    if before and not before.startswith(head):
        raise RolloutError(f"{path}: it is not as it was written; take your lines out of it, or remove it")
    body = before[len(head) :]
    line = name_server.declaration(job.zone, job.path)
    if job.text is None and line not in body:
        raise RolloutError(f"{path}: its line is not the one that was written; take it out by hand, and run again")
    body = body.replace(line, "") if job.text is None else body if line in body else body + line
    after = f"{head}{body}" if body else ""
    if after == before:
        return False
    if after:
        undo.write(path, after.encode("latin-1"))
        _include(name_server, undo, wanted=True)
    else:
        # The line that includes a file goes before the file.
        _include(name_server, undo, wanted=False)
        undo.remove(path)
    name_server.check_config()
    # What it says now, in the server's own reading.
    if bool(type(name_server)(name_server.config).declared(job.zone)) is (job.text is None):
        raise RolloutError(
            f"the configuration {'still has' if job.text is None else 'does not have'} it after {path} was written; "
            f"see where {name_server.config} includes it"
        )
    return True


def _include(name_server: NameServer, undo: _Undo, wanted: bool) -> None:
    path = name_server.including()
    if not path:
        return
    text = (files.read(path) or b"").decode(errors="surrogateescape")
    line = name_server.include_line
    present = f"\n{line}\n" in f"\n{text}\n"
    if wanted == present:
        return
    # Where the last line had no end, the new one has none either, so that it can be taken out to the byte.
    if not wanted:
        text = f"\n{text}\n".replace(f"\n{line}\n", "\n", 1)[1:-1] if text.endswith("\n") else text[: -len(line) - 1]
    elif text.endswith("\n") or not text:
        text += f"{line}\n"
    else:
        text += f"\n{line}"
    undo.write(path, text.encode(errors="surrogateescape"))


class _Undo:
    """Writes files, and can put them all back, but for those that somebody else has changed since."""

    def __init__(self) -> None:
        self._before: t.List[t.Tuple[str, files.Saved, t.Optional[str]]] = []
        self.folder = ""

    def write(self, path: str, content: bytes) -> None:
        """Write a file; permissions and owner stay."""
        saved = files.look(path)
        self._before.append((path, saved, files.digest(content)))
        files.write(path, content, saved.mode, saved.uid, saved.gid)

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._before.append((path, files.look(path), None))
        files.remove(path)

    def back(self) -> None:
        """Put everything back, the last change first."""
        for path, saved, after in reversed(self._before):
            with contextlib.suppress(OSError):
                if files.digest(files.read(path)) != after:
                    continue
                if saved.content is None:
                    files.remove(path)
                else:
                    files.write(path, saved.content, saved.mode, saved.uid, saved.gid)
        if self.folder:
            with contextlib.suppress(OSError):
                os.rmdir(self.folder)
