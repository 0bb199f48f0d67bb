# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web servers: a page and where it leads to, and a transfer through a narrow hop."""

from __future__ import annotations

import http.client
import socket
import time
import typing as t
import urllib.parse

from ansible_collections.ipv6.rollout.plugins.module_utils import probe_body, probe_tls
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import shown
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import (
    Check,
    Failed,
    Seen,
    Stream,
    connect,
    family_of,
    largest_segment,
    plain,
)

PAGE = 262144  # octets of a page that are looked at
TRANSFER = 64 << 20  # octets of a transfer that are counted
REDIRECTS = 5
HEADERS, HEADER = 40, 200  # how many are told, and how much of each
PORTS = {"http": 80, "https": 443}
HEADS = {"ipv4": 40, "ipv6": 60}  # IP and TCP headers without options


class Place(t.NamedTuple):
    """Where a request goes: by which scheme, for which Host header, to which port, for which path."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """The host without a port, as it is compared."""
        return _name(self.host)

    @property
    def url(self) -> str:
        """The place as a URL; the port is told where the Host header does not hold it and the scheme needs it."""
        told = self.host.rpartition(":")[2].isdecimal()
        port = "" if told or self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"


class Answer(t.NamedTuple):
    """What a server answered to one request."""

    place: Place
    status: int
    reason: str
    headers: t.List[t.Tuple[str, str]]
    body: bytes
    first_byte: float
    certificate: str
    client: str

    def header(self, name: str) -> str:
        """Return a header's text, empty where there is none."""
        return ", ".join(text for key, text in self.headers if key.lower() == name)


def _name(host: str) -> str:
    """Return a Host header without its port, in lower case."""
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[").lower()
    return host.partition(":")[0].rstrip(".").lower()


def _requested(check: Check, link: socket.socket, place: Place) -> None:
    """Send the request."""
    lines = [f"GET {place.path} HTTP/1.1", f"Host: {place.host}", "Accept-Encoding: identity"]
    if check.agent:
        lines.append(f"User-Agent: {check.agent}")
    link.settimeout(check.timeout)
    link.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())


def _begun(link: socket.socket, stream: Stream) -> http.client.HTTPResponse:
    """Read the head of the answer."""
    answer = http.client.HTTPResponse(t.cast(socket.socket, stream), method="GET")
    try:
        answer.begin()
    except (http.client.HTTPException, ValueError) as error:
        raise Failed(f"no HTTP answer: {plain(str(error) or type(error).__name__)}") from error
    return answer


def get(check: Check, address: str, place: Place, seen: Seen) -> Answer:
    """Ask for one page and read it up to a limit."""
    link = connect(check, address, place.port)
    seen["family"] = family_of(link)
    client = str(link.getsockname()[0])
    certificate = ""
    try:
        if place.scheme == "https":
            secured = probe_tls.shake_hands(link, probe_tls.server_name(place.host))
            link, certificate = secured, probe_tls.certificate(secured)
        _requested(check, link, place)
        stream = Stream(link, check.timeout)
        answer = _begun(link, stream)
        try:
            body = answer.read(PAGE)
        except (http.client.HTTPException, ValueError) as error:
            raise Failed(f"HTTP {answer.status}, but the page breaks off: {plain(type(error).__name__)}") from error
        return Answer(
            place,
            answer.status,
            plain(answer.reason or ""),
            answer.getheaders(),
            body,
            stream.first or 0.0,
            certificate,
            client,
        )
    finally:
        link.close()


def onward(answer: Answer) -> t.Optional[Place]:
    """Return where an answer leads to on the same host; None where it leads nowhere, or to another name."""
    location = answer.header("location")
    if not (300 <= answer.status < 400 and location):
        return None
    try:
        leads = urllib.parse.urlsplit(urllib.parse.urljoin(answer.place.url, location))
        port = leads.port or PORTS.get(leads.scheme, 0)
    except ValueError:
        return None
    if leads.scheme not in PORTS or not port or _name(leads.netloc.rpartition("@")[2]) != answer.place.name:
        return None
    path = urllib.parse.quote(leads.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = urllib.parse.quote(leads.query, safe="/%:@!$&'()*+,;=~-._?")
    host = answer.place.host
    if f"{leads.scheme}:{port}" != f"{answer.place.scheme}:{answer.place.port}":
        name = f"[{answer.place.name}]" if ":" in answer.place.name else answer.place.name
        host = name if port == PORTS[leads.scheme] else f"{name}:{port}"
    return Place(leads.scheme, host, port, path + (f"?{query}" if query else ""))


def web(check: Check, address: str, seen: Seen) -> str:
    """An HTTP answer below 500, with the wanted text in its body. Where it leads to on the same host is looked at."""
    host = check.host or check.name or (f"[{address}]" if ":" in address else address)
    answer = first = get(check, address, Place(check.kind, host, check.port, check.path), seen)
    _tell(answer, address, check, seen)
    for _step in range(REDIRECTS):
        place = onward(answer)
        if place is None:
            break
        try:
            answer = get(check, address, place, seen)
        except (Failed, OSError) as error:
            seen["redirect_problem"] = plain(f"{place.url}: {error}", HEADER)
            break
        _tell(answer, address, check, seen)
    if first.status >= 500:
        raise Failed(f"HTTP {first.status}")
    if check.says and not any(check.says.encode(errors="replace") in one.body for one in (first, answer)):
        raise Failed(f"HTTP {first.status}, but the page does not contain {shown(check.says)}")
    told = f"HTTP {first.status}, {len(first.body)} octets"
    return told if answer is first else f"{told}, leads to {plain(answer.place.url)}: HTTP {answer.status}"


def _tell(answer: Answer, address: str, check: Check, seen: Seen) -> None:
    """Write down the last answer. The time is that of the first one, before anything led elsewhere."""
    headers: t.Dict[str, str] = {}
    for key, text in answer.headers:
        key = plain(key.lower(), 60)
        if key in headers or len(headers) < HEADERS:
            headers[key] = plain(f"{headers[key]}, {text}" if key in headers else text, HEADER)
    seen.update(
        status=answer.status,
        reason=answer.reason,
        location=plain(answer.header("location"), HEADER),
        final=plain(answer.place.url, HEADER),
        headers=headers,
        lines=probe_body.hashes(answer.body, (answer.place.name, check.host, check.name, address, answer.client)),
        octets=len(answer.body),
    )
    seen.setdefault("first_byte", answer.first_byte)
    if answer.certificate:
        seen["certificate"] = answer.certificate


def transfer(check: Check, address: str, seen: Seen) -> str:
    """A page that is read to its end, in segments that fit a hop of the wanted size. TLS is spoken on port 443."""
    start = time.monotonic()
    host = check.host or check.name or (f"[{address}]" if ":" in address else address)
    place = Place("https" if check.port == PORTS["https"] else "http", host, check.port, check.path)
    link = connect(check, address, largest=check.mtu - HEADS[check.family])
    seen.update(family=family_of(link), mss=largest_segment(link), octets=0, complete=False, seconds=0.0)
    try:
        if place.scheme == "https":
            link = probe_tls.shake_hands(link, probe_tls.server_name(place.host))
        _requested(check, link, place)
        answer = _begun(link, Stream(link, check.timeout, TRANSFER + PAGE))
        seen["status"] = answer.status
        try:
            while True:
                piece = answer.read(65536)
                if not piece:
                    break
                seen["octets"] += len(piece)
        except (http.client.HTTPException, ValueError) as error:
            raise Failed(f"the transfer breaks off after {seen['octets']} octets") from error
        except Failed as failure:
            raise Failed(f"{failure}: {seen['octets']} octets came") from failure
        if answer.length:  # what the server announced and did not send
            raise Failed(f"the transfer breaks off after {seen['octets']} octets")
    finally:
        link.close()
        seen["seconds"] = round(time.monotonic() - start, 3)
    seen["complete"] = True
    if answer.status >= 400:
        raise Failed(f"HTTP {answer.status}")
    return f"HTTP {answer.status}, {seen['octets']} octets in segments for a path of {check.mtu}"
