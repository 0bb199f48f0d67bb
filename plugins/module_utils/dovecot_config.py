# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Dovecot's configuration says about its sockets, as doveconf(1) of 2.3 and 2.4 tells it, and our part of it."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import daemon_change
from ansible_collections.ipv6.rollout.plugins.module_utils.daemon_listen import ANY4
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.sockets import Endpoint

# 2.4 does not tell the ports that a listener has by its name.
PORTS = {"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "submission": 587, "submissions": 465, "sieve": 4190}
PROXIED = {"imaps": "imap", "pop3s": "pop3"}
OPEN = re.compile(r"\s*([\w-]+)(?:\s+(.*?))?\s*\{\s*$")
SETTING = re.compile(r"\s*([\w-]+)\s*=\s*(.*?)\s*$")


class Listener(t.NamedTuple):
    """A listener that Dovecot opens on every address of ``listen``, or on addresses of its own."""

    service: str
    name: str
    port: int
    own: list[str]


class Settings(t.NamedTuple):
    """What matters here of a whole configuration."""

    listen: list[str]
    login_trusted_networks: list[str]
    haproxy_trusted_networks: list[str]
    protocols: list[str]
    ssl: str
    base_dir: str
    listeners: list[Listener]
    complete: bool  # whether the port of every listener is known

    @property
    def named(self) -> bool:
        """Whether ``listen`` has names, of which only Dovecot knows what they come to."""
        return any(not re.fullmatch(r"[0-9.]+|[0-9a-f.]*:[0-9a-f:.]*", entry) for entry in self.listen)

    def expected(self, running: t.Collection[int]) -> set[Endpoint]:
        """Return the sockets of the ports that Dovecot opens on the addresses of ``listen``.

        A port that a running Dovecot does not listen on belongs to a service that it does not start.
        """
        if self.named:
            return set()
        ports = {entry.port for entry in self.listeners if not entry.own and entry.port in running}
        found = {(name, port) for name in self.listen for port in ports}
        own = {(name, entry.port) for entry in self.listeners if entry.port in ports for name in entry.own}
        return found | own  # one listener of a port may be for every address, another one for its own


def words(value: str) -> list[str]:
    """Split a list as either version writes it, with commas or without."""
    return [word for word in re.split(r"[,\s]+", value.strip().strip('"')) if word]


def host(word: str) -> str:
    """Return an address of ``listen`` in canonical form; a name stays a name."""
    try:
        return str(ipaddress.ip_address(ANY4 if word == "*" else word.strip("[]")))
    except ValueError:
        return word


def read(told: str) -> Settings:
    """Read the output of ``doveconf -a``."""
    top: dict[str, str] = {}
    protocols: list[str] = []
    found: list[tuple[str, str, dict[str, str]]] = []
    path: list[tuple[str, str]] = []
    for line in told.splitlines():
        setting = SETTING.match(line)
        opened = None if setting else OPEN.match(line)  # a value may have braces of its own
        if opened:
            path.append((opened.group(1), opened.group(2) or ""))
            if len(path) == 2 and path[0][0] == "service" and path[1][0] == "inet_listener":
                found.append((path[0][1], path[1][1], {}))
        elif line.strip() == "}" and path:
            path.pop()
        elif setting and not path:
            top[setting.group(1)] = setting.group(2)
        elif setting and path[0][0] == "protocols" and setting.group(2) == "yes":
            protocols.append(setting.group(1))
        elif setting and len(path) == 2 and path[1][0] == "inet_listener" and found:
            found[-1][2][setting.group(1)] = setting.group(2)
    listeners = []
    for service, name, said in found:
        port = said.get("port", "")
        number = int(port) if port.isdigit() else PORTS.get(name, 0)
        own = [host(word) for word in words(said.get("address") or said.get("listen") or "")]
        if number:
            listeners.append(Listener(service, name, number, own))
    return Settings(
        [host(word) for word in words(top.get("listen", ""))],
        words(top.get("login_trusted_networks", "")),
        words(top.get("haproxy_trusted_networks", "")),
        protocols or words(top.get("protocols", "")),
        top.get("ssl", "yes"),
        top.get("base_dir", "/run/dovecot"),
        listeners,
        all(said.get("port", "").isdigit() or name in PORTS for _service, name, said in found),
    )


def networks(name: str, given: t.Sequence[t.Any]) -> list[str]:
    """Check a list of prefixes, or of addresses."""
    found = []
    for entry in given:
        if not isinstance(entry, str):
            raise RolloutError(f"{name}: {shown(entry)} is not text; quote the prefix")
        if "%" in entry:
            raise RolloutError(f"{name}: {shown(entry)} has a zone, and a prefix has none; leave it out")
        try:
            network = ipaddress.ip_network(entry)
        except ValueError as error:
            raise RolloutError(f"{name}: {shown(entry)} is no prefix: {error}; write it as 2001:db8::/64") from None
        if not network.prefixlen:
            raise RolloutError(f"{name}: {shown(entry)} is everybody; name the hosts that are trusted")
        if str(network) not in found:
            found.append(str(network))
    return found


class Proxy(t.NamedTuple):
    """The ports at which proxies speak the PROXY protocol, and the proxies."""

    ports: dict[str, int]
    proxies: list[str]


def proxy(given: t.Optional[t.Mapping[str, t.Any]]) -> Proxy:
    """Check ``{ports: {imaps: 10993}, proxies: [prefix]}``; nothing given means no proxy."""
    told = given or {}
    ports, proxies = told.get("ports") or {}, told.get("proxies") or []
    if bool(ports) != bool(proxies):
        missing = "proxies" if ports else "ports"
        raise RolloutError(
            f"proxy_protocol.{missing}: it is empty; name both the ports and the proxies that may connect"
        )
    unknown = sorted(str(name) for name in ports if name not in PROXIED)
    if unknown:
        raise RolloutError(f"proxy_protocol.ports: {shown(unknown[0])} is not known here; it takes imaps and pop3s")
    found: dict[str, int] = {}
    for name, port in sorted(ports.items()):
        number = int(port) if str(port).isascii() and str(port).isdigit() and len(str(port)) < 6 else 0
        if not 0 < number < 65536:
            raise RolloutError(f"proxy_protocol.ports.{name}: {shown(port)} is no port; take one such as 10993")
        if number in PORTS.values() or number in found.values():
            raise RolloutError(
                f"proxy_protocol.ports.{name}: {number} is in use by another listener; take one of its own, such as "
                "10993, since at this port every client must speak the PROXY protocol"
            )
        found[name] = number
    return Proxy(found, networks("proxy_protocol.proxies", proxies))


def check_proxy(wanted: Proxy, base: Settings) -> None:
    """Refuse what this Dovecot could not serve behind a proxy."""
    for name, port in wanted.ports.items():
        if PROXIED[name] not in base.protocols:
            raise RolloutError(
                f"proxy_protocol.ports.{name}: this Dovecot does not serve {PROXIED[name]}; install "
                f"dovecot-{PROXIED[name]}d, or leave {name} out"
            )
        other = next((entry for entry in base.listeners if entry.port == port), None)
        if other is not None:
            raise RolloutError(
                f"proxy_protocol.ports.{name}: {port} belongs to the listener {other.name}; take another"
            )
    everybody = [network for network in base.haproxy_trusted_networks if network.endswith("/0")]
    if wanted.ports and everybody:
        raise RolloutError(
            f"proxy_protocol: another file sets haproxy_trusted_networks to {everybody[0]}, so that everybody could "
            "say which client they speak for; remove it there first ('doveconf -n' shows it)"
        )
    if wanted.ports and base.ssl == "no":
        raise RolloutError("proxy_protocol: this Dovecot has ssl = no; set up TLS first, the ports speak nothing else")


def text(base: Settings, hosts: t.Sequence[str], trusted: t.Sequence[str], wanted: Proxy) -> str:
    """Return the drop-in that is needed beside the other files, empty where none is. Both versions read it."""
    lines: list[str] = []
    if set(base.listen) != set(hosts):
        lines.append("listen = " + ", ".join("*" if name == ANY4 else name for name in hosts))
    for name, there, more in (
        ("login_trusted_networks", base.login_trusted_networks, trusted),
        ("haproxy_trusted_networks", base.haproxy_trusted_networks, wanted.proxies),
    ):
        fresh = [network for network in more if network not in there]
        if fresh:  # the last value wins, so it says what the other files say, too
            lines.append(f"{name} = {' '.join([*there, *fresh])}")
    for name, port in wanted.ports.items():
        lines += [
            f"service {PROXIED[name]}-login {{",
            f"  inet_listener {name}_proxy {{",
            f"    port = {port}",
            "    ssl = yes",
            "    haproxy = yes",
            "  }",
            "}",
        ]
    return daemon_change.HEADER + "".join(f"{line}\n" for line in lines) if lines else ""


def others_trusted(wanted: Proxy, found: Settings) -> list[str]:
    """Tell who else may speak at the ports for proxies: Dovecot has one list for all of them."""
    others = [network for network in found.haproxy_trusted_networks if not _same(network, wanted.proxies)]
    if not wanted.ports or not others:
        return []
    return [
        f"proxy_protocol: other files trust {', '.join(others)} too (haproxy_trusted_networks), at these ports as well"
    ]


def _same(network: str, known: t.Sequence[str]) -> bool:
    try:
        return str(ipaddress.ip_network(network, strict=False)) in known
    except ValueError:
        return False


def at_home(text_: str, directory: str, copied: str) -> str:
    """Turn the !include lines of a staged file to the copy; relative ones lead there anyway."""
    pattern = r"(?m)^(\s*!include(?:_try)?\s+\"?)" + re.escape(directory) + r"(?=/)"
    return re.sub(pattern, lambda match: match.group(1) + copied, text_)


def later(name: str, contents: t.Sequence[tuple[str, str]]) -> list[str]:
    """Name the lines that set something at the top level of files."""
    found = []
    for path, content in contents:
        depth = 0
        for number, line in enumerate(content.splitlines(), 1):
            bare = line.partition("#")[0]
            setting = SETTING.match(bare)
            if depth == 0 and setting and setting.group(1) == name:
                found.append(f"{path} line {number}: {bare.strip()}")
            depth += bare.count("{") - bare.count("}")
    return found
