# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a v4 proxy is to do: each value is refused in words, or returned in the one form that goes into files.

Nothing else reaches the configuration, so nothing that a user writes can end a line of it, or open another one.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

MODES = ("http", "tls")
PROTOCOLS = ("none", "v1", "v2")
HTTP = 80
SSH = 22
WILDCARDS = ("0.0.0.0", "::")

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,254}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_LONGEST = 253
_HOST_KEYS = ("address", "backend", "names", "ports", "forward")
_PORT_KEYS = ("port", "to", "mode", "proxy_protocol")
# Global and unique local unicast: where a server can be.
_SERVER = tuple(ipaddress.IPv6Network(text) for text in ("2000::/3", "fc00::/7"))


class Port(t.NamedTuple):
    """One port that the proxy serves for a host: what it looks at, and where it leads."""

    port: int
    to: int
    mode: str
    protocol: str


class Host(t.NamedTuple):
    """One host behind the proxy. ``backend`` is where what comes by name goes, and mostly the address."""

    name: str
    address: str
    backend: str
    names: t.Tuple[str, ...]
    ports: t.Tuple[Port, ...]
    forward: int


class Wish(t.NamedTuple):
    """What the proxy is to do. Times are in seconds."""

    addresses: t.Tuple[str, ...]
    hosts: t.Tuple[Host, ...]
    check: bool
    maxconn: int
    idle: int
    forward_idle: int

    def ports(self) -> t.List[int]:
        """Return the ports that the proxy listens on: those that are shared by name, and the forwards."""
        shared = {entry.port for host in self.hosts if host.names for entry in host.ports}
        return sorted(shared | {host.forward for host in self.hosts if host.forward})


def _refuse(what: str, value: object, why: str) -> t.NoReturn:
    raise RolloutError(f"{what}: {shown(value)} {why}")


def _list(value: object, what: str) -> t.List[t.Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        _refuse(what, value, "is no list; write [...] around it")
    return list(value)


def _mapping(value: object, what: str, keys: t.Sequence[str] = ()) -> t.Mapping[t.Any, t.Any]:
    if not isinstance(value, t.Mapping):
        _refuse(what, value, "is no dictionary")
    for key in value:
        if keys and key not in keys:
            _refuse(what, key, f"is not known here; the keys are {', '.join(keys)}")
    return value


def number(value: object, what: str, lowest: int, highest: int) -> int:
    """Return a whole number in a range."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value, re.ASCII)):
        _refuse(what, value, "is no whole number")
    found = int(str(value)) if isinstance(value, str) else t.cast(int, value)
    if not lowest <= found <= highest:
        _refuse(what, value, f"is not between {lowest} and {highest}")
    return found


def name(value: object, what: str) -> str:
    """Return a name that clients ask for, in lower case without the final dot. ``*.`` stands for one label."""
    if not isinstance(value, str) or not value.isascii():
        _refuse(what, value, "is no name; write one in ASCII, such as www.example.com")
    text = value.lower()
    text = text[:-1] if text.endswith(".") else text
    labels = text.split(".")
    if labels[0] == "*":
        labels = labels[1:]
    if len(labels) < 2 or len(text) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        _refuse(what, value, "is no full name; write one such as www.example.com, or *.example.com for one label more")
    if labels[-1].isdigit():
        _refuse(what, value, "ends in a number, as no domain name does; write a name, not an address")
    return text


def address(value: object, what: str) -> str:
    """Return the address of a back end: IPv6, and one that a server can have."""
    try:
        found = ipaddress.IPv6Address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        _refuse(what, value, "is no IPv6 address; the plan has the one of this host")
    if not any(found in network for network in _SERVER):
        _refuse(what, value, "is not global or unique local unicast, so no server has it")
    return str(found)


def listen_address(value: object, what: str) -> str:
    """Return an address to listen on, of either family."""
    try:
        found = ipaddress.ip_address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        _refuse(what, value, "is no address; write one of this host, 0.0.0.0, or ::")
    if found.is_multicast or found.is_link_local or getattr(found, "ipv4_mapped", None):
        _refuse(what, value, "is no address to listen on; write a unicast address of this host, 0.0.0.0, or ::")
    return str(found)


def _word(value: object, what: str, words: t.Sequence[str]) -> str:
    if not isinstance(value, str) or value not in words:
        _refuse(what, value, f"is not one of {', '.join(words)}")
    return str(value)


def port(value: object, what: str) -> Port:
    """Read one port: a number, or ``{port, to, mode, proxy_protocol}``."""
    given = value if isinstance(value, t.Mapping) else {"port": value}
    given = _mapping(given, what, _PORT_KEYS)
    found = number(given.get("port"), f"{what}: port", 1, 65535)
    kind = given.get("mode")
    protocol = given.get("proxy_protocol")
    return Port(
        found,
        found if given.get("to") is None else number(given["to"], f"{what}: to", 1, 65535),
        ("http" if found == HTTP else "tls") if kind is None else _word(kind, f"{what}: mode", MODES),
        "none" if protocol is None else _word(protocol, f"{what}: proxy_protocol", PROTOCOLS),
    )


def host(key: object, value: object) -> Host:
    """Read one host behind the proxy."""
    if not isinstance(key, str) or not _HOST.fullmatch(key):
        _refuse("hosts", key, "is no name of a host; letters, digits, '.', '-' and '_' make one")
    what = f"hosts: {key}"
    given = _mapping(value, what, _HOST_KEYS)
    ports = [port(item, f"{what}: ports") for item in _list(given.get("ports"), f"{what}: ports")]
    for place, entry in enumerate(ports):
        if entry.port in [other.port for other in ports[:place]]:
            _refuse(f"{what}: ports", entry.port, "is there twice; keep one of them")
        plain = entry.protocol == "none"
        if any(entry.to == other.to and plain != (other.protocol == "none") for other in ports[:place]):
            _refuse(
                f"{what}: ports",
                entry.to,
                "is asked with the PROXY header and without it; a socket takes it from everybody or from nobody, so "
                "name another port (to) for one of the two",
            )
    names = [name(item, f"{what}: names") for item in _list(given.get("names"), f"{what}: names")]
    forward, backend = given.get("forward"), given.get("backend")
    own = address(given.get("address"), f"{what}: address")
    return Host(
        str(key),
        own,
        own if backend is None else address(backend, f"{what}: backend"),
        tuple(dict.fromkeys(names)),
        tuple(ports),
        0 if forward is None else number(forward, f"{what}: forward", 0, 65535),
    )


def wish(given: t.Mapping[str, t.Any]) -> Wish:
    """Read all that a proxy is to do."""
    addresses = [listen_address(item, "addresses") for item in _list(given.get("addresses"), "addresses")]
    if not addresses:
        raise RolloutError("addresses: there is none; write those of this host that clients come to, or 0.0.0.0")
    for wildcard in WILDCARDS:
        covered = [text for text in addresses if text != wildcard and (":" in text) == (":" in wildcard)]
        if wildcard in addresses and covered:
            _refuse("addresses", covered[0], f"is covered by {wildcard}; keep one of the two")
    found = _mapping({} if given.get("hosts") is None else given["hosts"], "hosts")
    hosts = [host(key, value) for key, value in sorted(found.items(), key=lambda item: str(item[0]))]
    result = Wish(
        tuple(dict.fromkeys(addresses)),
        tuple(hosts),
        bool(given["check"]),
        number(given["maxconn"], "maxconn", 10, 1000000),
        number(given["idle"], "idle", 10, 604800),
        number(given["forward_idle"], "forward_idle", 10, 2592000),
    )
    _no_conflict(result.hosts)
    return result


def _no_conflict(hosts: t.Sequence[Host]) -> None:
    """Refuse what can't be told apart: a name on a port twice, a port with two meanings."""
    owners: t.Dict[t.Tuple[int, str], str] = {}
    meanings: t.Dict[int, t.Tuple[str, str]] = {}
    for entry in hosts:
        for served in entry.ports:
            meaning, other = meanings.setdefault(served.port, (served.mode, entry.name))
            if meaning != served.mode:
                raise RolloutError(
                    f"hosts: {entry.name}: port {served.port} is {served.mode}, and {meaning} for {other}; a port of "
                    "the proxy has one mode"
                )
            for text in entry.names:
                owner = owners.setdefault((served.port, text), entry.name)
                if owner != entry.name:
                    raise RolloutError(
                        f"hosts: {entry.name}: {text} on port {served.port} leads to {owner} already; give the name to "
                        "one of them"
                    )
    for entry in hosts:
        if not entry.forward:
            continue
        meaning, other = meanings.setdefault(entry.forward, ("forward", entry.name))
        if other != entry.name or meaning != "forward":
            what = "the forward" if meaning == "forward" else "a port shared by name"
            raise RolloutError(
                f"hosts: {entry.name}: forward: port {entry.forward} is {what} of {other} already; take another one"
            )
    if not any((entry.names and entry.ports) or entry.forward for entry in hosts):
        raise RolloutError(
            "hosts: nobody is behind the proxy: no host has a name and a port, or a forward; name the hosts, or set "
            "state to absent"
        )
