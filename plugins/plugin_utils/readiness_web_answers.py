# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What web servers answered, as it can be compared between two families: nothing of it is trusted to have a shape."""

from __future__ import annotations

import base64
import collections
import functools
import hashlib
import re
import statistics
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_look import mapping
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Data, Host, Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_web_ways import Way, names

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
except ImportError:
    LIBRARY = False
else:
    LIBRARY = True

SAME, DIFFERS, VARIES = "same", "differs", "varies"
ALIKE = 0.1  # how much of a page may differ (Internet.nl takes the same limit)
SLOWER = 0.25  # seconds; the delay after which clients try the other family (RFC 8305, section 5)
HEADERS = ("strict-transport-security", "content-security-policy", "content-type", "location")
FLAGS = ("secure", "httponly", "samesite", "path", "domain", "partitioned")
MOST_COOKIES = 20
_CUT = 197  # a header that is this long was cut by the probe
_COOKIE = re.compile(r",\s*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+=)")


class Answer(t.NamedTuple):
    """One answer. ``status`` is 0 where there was none, and then ``why`` says why; it is not known where ``unseen``."""

    status: int
    why: str
    seen: Data
    unseen: bool = False
    seconds: object = None

    @property
    def lines(self) -> list[str]:
        """The hashes of the lines of the page."""
        given = self.seen.get("lines")
        return [item for item in given if isinstance(item, str)] if isinstance(given, (list, tuple)) else []

    @property
    def reached(self) -> bool:
        """Tell whether a connection came about."""
        return bool(self.seen.get("family"))

    @property
    def told(self) -> str:
        """The answer in a few words."""
        return f"HTTP {self.status}" if self.status else self.why or "no answer"


def answer(site: Site, way: Way | None, *parts: str) -> Answer:
    """Return the answer that a probe got."""
    if way is not None and site.blind(way.family):
        return Answer(0, site.blind(way.family), {}, True)
    proof = site.proof(*parts)
    if proof is None:
        return Answer(0, site.no_proof(*parts), {}, True)
    seen = seen_of(proof)
    if seen.get("problem"):
        return Answer(0, plain(seen["problem"], 160), seen, True)
    given = seen.get("status")
    status = given if isinstance(given, int) and not isinstance(given, bool) and 100 <= given <= 999 else 0
    why = "" if status else plain(proof.get("evidence") or "no answer", 160)
    return Answer(status, why, seen, seconds=proof.get("seconds"))


def first(host: Host, service: str, family: str) -> tuple[str, ...]:
    """Return the id of the first request to a service, which also shows that there is a way to it."""
    return ("web", host.name, service, family, "get", names(host)[0], "1")


def seen_of(proof: Data) -> Data:
    """Return what a proof saw."""
    return mapping(proof.get("seen"))


def compared(one: t.Sequence[object], other: t.Sequence[object]) -> str:
    """Compare a property of the answers over one family with that over the other; what varies by itself is no fault."""
    if set(one) & set(other):
        return SAME
    return VARIES if len(set(one)) > 1 or len(set(other)) > 1 else DIFFERS


def place(found: Answer, way: Way) -> str:
    """Return where the redirects end, without what must differ by family, and without the values of the query."""
    text = plain(found.seen.get("final") or "", 200)
    address = f"[{way.address}]" if ":" in way.address else way.address
    return re.sub(r"=[^&#]*", "=", text.replace(address, "(address)"))


def header(found: Answer, name: str, way: Way) -> str:
    """Return a header as it is compared."""
    value = mapping(found.seen.get("headers")).get(name)
    text = plain(value, 200) if isinstance(value, str) else ""
    if name == "content-security-policy":
        return re.sub(r"'nonce-[^']*'?", "'nonce'", text)
    if name == "location":
        return re.sub(r"=[^&#]*", "=", text.replace(way.address, "(address)"))
    return re.sub(r"\s*;\s*", ";", text).lower() if name == "content-type" else text


def cookies(found: Answer) -> str:
    """Return the names of the cookies with their flags, which do not change from request to request."""
    value = mapping(found.seen.get("headers")).get("set-cookie")
    if not isinstance(value, str) or not value:
        return ""
    parts = _COOKIE.split(plain(value, 2000))
    if len(value) >= _CUT and len(parts) > 1:
        parts = parts[:-1]  # the last one may be cut
    made = []
    for part in parts[:MOST_COOKIES]:
        name, *rest = [piece.strip() for piece in part.split(";")]
        flags = [flag.lower() for flag in rest if flag.partition("=")[0].strip().lower() in FLAGS]
        made.append(
            "; ".join([name.partition("=")[0], *sorted(flags)]) if len(value) < _CUT else name.partition("=")[0]
        )
    return ", ".join(sorted(made))


# ---------------------------------------------------------------------------------------------- the page


def difference(one: t.Sequence[str], other: t.Sequence[str]) -> float:
    """Return which part of the larger page the other one does not have, whatever the order of the lines."""
    larger = max(len(one), len(other))
    if one == other or not larger:
        return 0.0
    common = collections.Counter(one) & collections.Counter(other)
    return 1 - sum(common.values()) / larger


def page(one: t.Sequence[Answer], other: t.Sequence[Answer]) -> tuple[str, float]:
    """Compare pages: ``same``, ``differs``, or ``varies`` where a page differs as much from itself; and by how much."""
    pages, others = ([found.lines for found in group] for group in (one, other))
    between = 1.0
    for first_page in pages:
        for second_page in others:
            between = min(between, difference(first_page, second_page))
            if between <= ALIKE:
                return SAME, between
    itself = max(difference(group[0], more) for group in (pages, others) for more in group)
    return (VARIES if itself > ALIKE else DIFFERS), between


# ---------------------------------------------------------------------------------------------- the time


def late(one: t.Sequence[Answer], other: t.Sequence[Answer]) -> bool | None:
    """Tell whether the second family is slower by more than a client waits; None where there are no times.

    What counts is the time to the first byte of the answer, and that of the whole request, which the connection is part
    of. Even the fastest one must be slower than what is usual over the first family: a machine that is busy for a
    moment delays some answers, and a fault of the path or the server delays them all.
    """
    measured: list[bool] = []
    reads: tuple[t.Callable[[Answer], object], ...] = (
        lambda found: found.seen.get("first_byte"),
        lambda found: found.seconds,
    )
    for read in reads:
        usual, fast = (
            [value for value in (_time(read(found)) for found in group if found.status) if value is not None]
            for group in (one, other)
        )
        if usual and fast:
            measured.append(min(fast) > statistics.median(usual) + SLOWER)
    return any(measured) if measured else None


def _time(value: object) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 3600
    return float(t.cast(float, value)) if good else None


# ---------------------------------------------------------------------------------------------- the certificate


class Certificate(t.NamedTuple):
    """The hash of the public key, and the names that the certificate is for."""

    key: str
    names: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Tell whether it is for a name; a wildcard stands for the first label (RFC 6125, section 6.4.3)."""
        name = name.lower().rstrip(".")
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def certificate(encoded: object) -> Certificate | None:
    """Read a certificate; None where it can't be read."""
    return _read(encoded) if LIBRARY and isinstance(encoded, str) and encoded else None


@functools.lru_cache(maxsize=1024)  # each name of a host is asked for several times
def _read(encoded: str) -> Certificate | None:
    try:
        read = x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
        key = read.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        names = _names(read)
    except Exception:  # pylint: disable=broad-except
        # The octets come from anybody, and the library has many ways to dislike them, errors of its own among them.
        return None
    return Certificate(hashlib.sha256(key).hexdigest(), names)


def _names(read: t.Any) -> tuple[str, ...]:
    try:
        held = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(plain(name.lower().rstrip("."), 253) for name in held.get_values_for_type(x509.DNSName)[:200])
