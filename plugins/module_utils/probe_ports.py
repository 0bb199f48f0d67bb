# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP connections: one, many ports of an address at once, and the race of a client that has both families."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import (
    Check,
    Missing,
    Seen,
    Unreached,
    connect,
    endpoint,
    family_of,
    largest_segment,
    opened,
    plain,
    reason,
    source_of,
)

AT_ONCE = 256  # connections of one check that are waited for
# Of all checks together: a process may have 1024 files open by default, and the other probes need some.
SLOTS = threading.BoundedSemaphore(512)
HEAD_START = 0.25  # seconds before the next address is tried: RFC 8305, section 5
ALLOWED = 0.05  # seconds that a client takes for itself: the head start and this make the 300 ms that are judged
# What a connect says when nobody answered the neighbour solicitation, or no answer came at all.
SILENT = (errno.ETIMEDOUT, errno.EHOSTUNREACH)


def tcp(check: Check, address: str, seen: Seen) -> str:
    """A connection that is taken."""
    with connect(check, address) as link:
        seen.update(family=family_of(link), mss=largest_segment(link))
    return "connected"


class Attempts:
    """Connections that are being made at the same time."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._selector = selectors.DefaultSelector()
        self._open: t.Dict[socket.socket, t.Tuple[t.Any, float]] = {}
        self.done: t.List[t.Tuple[t.Any, int]] = []  # what each was for, and its error number or 0

    def __len__(self) -> int:
        return len(self._open)

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *_error: object) -> None:
        for link in list(self._open):
            self._end(link)
        self._selector.close()

    def _end(self, link: socket.socket) -> t.Any:
        mark, _until = self._open.pop(link)
        self._selector.unregister(link)
        link.close()
        SLOTS.release()
        return mark

    def start(self, mark: t.Any, family: str, address: str, port: int) -> bool:
        """Begin a connection; False where none can be begun yet, since too many are under way everywhere.

        :raises OSError: where this machine can't even send the first packet
        """
        if not SLOTS.acquire(blocking=not self._open):
            return False
        link = None
        try:
            link = opened(family, source=self._check.source)
            link.setblocking(False)
            failed = link.connect_ex((address, port))
            if failed not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
                raise OSError(failed, os.strerror(failed))
        except OSError:
            if link:
                link.close()
            SLOTS.release()
            raise
        if failed == errno.ECONNREFUSED:  # loopback says so at once
            link.close()
            SLOTS.release()
            self.done.append((mark, failed))
            return True
        self._open[link] = (mark, time.monotonic() + self._check.timeout)
        self._selector.register(link, selectors.EVENT_WRITE)
        return True

    def wait(self, seconds: float) -> None:
        """Wait until something happens, at most for some seconds, and move what has ended to ``done``."""
        now = time.monotonic()
        soonest = min((until for _mark, until in self._open.values()), default=now + seconds)
        for key, _events in self._selector.select(max(0.0, min(seconds, soonest - now))):
            link = t.cast(socket.socket, key.fileobj)
            failed = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.done.append((self._end(link), failed))
        now = time.monotonic()
        for link in [link for link, (_mark, until) in self._open.items() if until <= now]:
            self.done.append((self._end(link), errno.ETIMEDOUT))


def ports(check: Check, address: str, seen: Seen) -> str:
    """Which of the ports take connections, which refuse them, and which say nothing."""
    source_of(check, address)
    left = sorted(set(check.ports), reverse=True)
    with Attempts(check) as attempts:
        while left or len(attempts):
            try:
                while left and len(attempts) < AT_ONCE and attempts.start(left[-1], check.family, address, left[-1]):
                    left.pop()
            except OSError as error:
                raise Missing(f"{endpoint(address, left[-1])}: {plain(str(error.strerror))}") from error
            attempts.wait(1.0)
        found: t.Dict[str, t.List[int]] = {"open": [], "closed": [], "silent": []}
        for port, failed in attempts.done:
            found["open" if not failed else "silent" if failed in SILENT else "closed"].append(port)
    for kind, those in found.items():
        found[kind] = sorted(those)
    seen.update(found, family=check.family)
    return "; ".join(f"{kind}: {spans(those)}" for kind, those in found.items() if those)


def spans(numbers: t.Sequence[int]) -> str:
    """Write sorted numbers as spans: 22, 80-82."""
    parts: t.List[t.List[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return plain(", ".join("-".join(map(str, part)) for part in parts))


def race(check: Check, address: str, seen: Seen) -> str:
    """A client that tries one address after the other, each with a head start, and keeps what answers first.

    This is the one probe that falls back on purpose (RFC 8305): it tells what somebody with both families feels.
    """
    del address
    waiting = list(check.addresses)
    start = time.monotonic()
    began: t.Dict[str, float] = {}
    failures: t.List[str] = []
    with Attempts(check) as attempts:
        following = start
        while waiting or len(attempts):
            now = time.monotonic()
            if waiting and now >= following:
                one = waiting.pop(0)
                # By the timetable: that this machine was late is not the servers' fault.
                began[one] = following
                following = now + HEAD_START
                try:
                    if not attempts.start(one, "ipv6" if ":" in one else "ipv4", one, check.port):
                        waiting.insert(0, one)
                except OSError as error:
                    failures.append(f"{endpoint(one, check.port)}: {reason(error)}")
                    following = now
                    continue
            attempts.wait(max(0.0, following - time.monotonic()) if waiting else check.timeout)
            for one, failed in attempts.done:
                if not failed:
                    return _won(check, one, start, began[one], seen)
                failures.append(f"{endpoint(one, check.port)}: {plain(os.strerror(failed))}")
                following = time.monotonic()  # the next one need not wait for one that has failed
            attempts.done.clear()
    raise Unreached(plain("; ".join(failures)))


def _won(check: Check, winner: str, start: float, began: float, seen: Seen) -> str:
    """Tell who won, and whether a client had to wait longer than the head start for it."""
    seen.update(
        winner=winner,
        family="ipv6" if ":" in winner else "ipv4",
        within_300ms=began - start <= HEAD_START + ALLOWED,
        seconds=round(time.monotonic() - start, 3),
    )
    return f"{endpoint(winner, check.port)} answered first"
