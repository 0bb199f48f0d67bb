# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv6 over a tunnel: what a user wants, checked and in canonical form. Nothing here looks at the host."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel_values import (
    COMMON_NAME,
    certificates,
    host_name,
    interface_address,
    interface_name,
    key_text,
    outer_address,
    outer_ipv4,
    path,
    pem,
    plain,
    port_number,
    prefix,
    refuse,
    subnet,
)

# The MTU of each kind: default, lowest and highest. docs/tunnels.md tells why.
MTU = {"openvpn": (1420, 1280, 1500), "6in4": (1280, 1280, 1480), "wireguard": (1420, 1280, 1500)}
OPENVPN_PORT = 1194
# What each kind needs of the options that not all have.
NEEDS = {
    "openvpn server": ("network", "clients", "ca", "certificate"),
    "openvpn client": ("remote", "ca", "certificate"),
    "6in4": ("local", "remote", "addresses"),
    "wireguard": ("addresses", "peers"),
}
ALLOWED = {
    "openvpn server": ("network", "clients", "ca", "certificate", "tls_crypt", "proto", "port", "local", "routes"),
    "openvpn client": ("remote", "server_name", "ca", "certificate", "tls_crypt", "proto", "port", "routes"),
    "6in4": ("local", "remote", "addresses", "routes"),
    "wireguard": ("addresses", "peers", "port"),
}
KEYED = ("openvpn server", "openvpn client", "wireguard")
OPTIONAL = frozenset(name for names in ALLOWED.values() for name in names) | {"key", "key_file"}

Params = t.Mapping[str, t.Any]


class File(t.NamedTuple):
    """A file to be: a secret is never shown, and a group may read it where a daemon of that group must."""

    content: bytes
    mode: int = 0o644
    secret: bool = False
    group: str = ""


Files = t.Dict[str, File]


class Client(t.NamedTuple):
    """A client of an OpenVPN server: the common name of its certificate, its address, the prefixes behind it."""

    name: str
    address: str
    routed: t.Tuple[str, ...]


class Peer(t.NamedTuple):
    """A WireGuard peer. ``allowed`` is what it may send from, and what is routed to it."""

    public_key: str
    endpoint: str
    allowed: t.Tuple[str, ...]
    preshared_key: str
    keepalive: int


class Wish(t.NamedTuple):
    """One tunnel, as it shall be."""

    kind: str
    name: str
    role: str
    mtu: int
    forwarding: bool
    local: str
    remote: str
    port: int
    proto: str
    network: str
    addresses: t.Tuple[str, ...]
    routes: t.Tuple[str, ...]
    clients: t.Tuple[Client, ...]
    peers: t.Tuple[Peer, ...]
    server_name: str
    ca: str
    certificate: str
    key: str
    key_file: str
    tls_crypt: str

    @property
    def sort(self) -> str:
        """The kind, with the end for OpenVPN, whose ends differ."""
        return f"{self.kind} {self.role}" if self.kind == "openvpn" else self.kind


def _clients(value: t.Sequence[Params], network: str) -> t.Tuple[Client, ...]:
    inside = ipaddress.IPv6Network(network)
    found: t.List[Client] = []
    for given in value:
        name = str(given["name"])
        if not COMMON_NAME.fullmatch(name) or name == "DEFAULT":  # OpenVPN's name for everybody else
            refuse("clients: name", name, "is no common name of letters, digits and ._@-")
        try:
            address = ipaddress.IPv6Address(plain(given["address"]))
        except ValueError:
            refuse(f"clients: {name}: address", given["address"], "is no IPv6 address; write it without a length")
        if address not in inside or address in (inside[0], inside[1]):
            refuse(f"clients: {name}: address", address, f"is not in {network}, or the server's own; take another")
        routed = tuple(prefix(f"clients: {name}: routed", item) for item in given.get("routed") or ())
        found.append(Client(name, str(address), routed))
    for field in ("name", "address"):
        values = [getattr(client, field) for client in found]
        twice = sorted({item for item in values if values.count(item) > 1})
        if twice:
            refuse(f"clients: {field}", twice[0], "is there twice; each client has its own")
    _apart("clients: routed", [inside, *(ipaddress.IPv6Network(item) for client in found for item in client.routed)])
    return tuple(found)


def _apart(option: str, networks: t.Sequence[ipaddress.IPv6Network]) -> None:
    for index, one in enumerate(networks):
        for other in networks[:index]:
            if one.overlaps(other):
                refuse(option, str(one), f"overlaps {other}; a prefix leads to one place only")


def _addresses(value: t.Sequence[object]) -> t.Tuple[str, ...]:
    found = [interface_address("addresses", item) for item in value]
    plain_ones = [item.partition("/")[0] for item in found]
    for item in plain_ones:
        if plain_ones.count(item) > 1:
            refuse("addresses", item, "is there twice; write it once, with one length")
    return tuple(found)


def _endpoint(value: object) -> str:
    host, _colon, port = str(value).rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        refuse("peers: endpoint", value, "is not clear; write an IPv6 address in brackets, [2001:db8::1]:51820")
    if not re.fullmatch(r"[0-9]{1,5}", port):
        refuse("peers: endpoint", value, "has no port; write host:port")
    name, number = host_name("peers: endpoint", host), port_number("peers: endpoint", int(port))
    return f"[{name}]:{number}" if ":" in name else f"{name}:{number}"


def _peers(value: t.Sequence[Params]) -> t.Tuple[Peer, ...]:
    found: t.List[Peer] = []
    for given in value:
        endpoint = _endpoint(given["endpoint"]) if given.get("endpoint") else ""
        allowed = tuple(prefix("peers: allowed", item) for item in given.get("allowed") or ())
        if not allowed:
            raise RolloutError(
                "peers: allowed: it is empty, so nothing could pass; name the IPv6 prefixes of that peer"
            )
        outer = endpoint.rpartition(":")[0].strip("[]")
        if ":" in outer:
            for item in allowed:
                if ipaddress.IPv6Address(outer) in ipaddress.IPv6Network(item):
                    refuse("peers: allowed", item, f"contains the endpoint {outer}: the tunnel would run in itself")
        keepalive = given.get("keepalive") or 0
        if not 0 <= keepalive < 65536:
            refuse("peers: keepalive", keepalive, "is no number of seconds from 0 to 65535")
        secret = key_text("peers: preshared_key", given["preshared_key"]) if given.get("preshared_key") else ""
        found.append(Peer(key_text("peers: public_key", given["public_key"]), endpoint, allowed, secret, keepalive))
    keys = [peer.public_key for peer in found]
    for key in keys:
        if keys.count(key) > 1:
            refuse("peers: public_key", key, "is there twice; each peer has its own")
    _apart("peers: allowed", [ipaddress.IPv6Network(item) for peer in found for item in peer.allowed])
    return tuple(found)


def _combination(sort: str, params: Params) -> None:
    given = {name for name in OPTIONAL if params.get(name) not in (None, "", [], 0)}
    missing = [name for name in NEEDS[sort] if name not in given]
    if missing:
        raise RolloutError(f"{missing[0]}: it is missing; a tunnel of kind {sort} needs {', '.join(NEEDS[sort])}")
    keyed = given & {"key", "key_file"}
    if sort in KEYED and len(keyed) != 1:
        raise RolloutError(f"key: a tunnel of kind {sort} needs either key or key_file")
    stray = sorted(given - set(ALLOWED[sort]) - ({"key", "key_file"} if sort in KEYED else set()))
    if stray:
        raise RolloutError(f"{stray[0]}: a tunnel of kind {sort} has no use for it; take it out")


def _sort(params: Params) -> str:
    kind, role = params["kind"], params.get("role") or ""
    if kind not in MTU:
        refuse("kind", kind, f"is none of {', '.join(MTU)}")
    if kind != "openvpn":
        if role:
            refuse("role", role, f"is for openvpn only; both ends of {kind} are alike")
        return str(kind)
    if role not in ("server", "client"):
        refuse("role", role, "is neither server nor client, which an OpenVPN tunnel needs")
    return f"{kind} {role}"


def _mtu(kind: str, value: object) -> int:
    default, low, high = MTU[kind]
    if value in (None, 0) and not isinstance(value, bool):
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        refuse("mtu", value, f"is not from {low} to {high}; IPv6 needs 1280 (RFC 8200), and {kind} adds its headers")
    return value


def _material(sort: str, params: Params) -> t.Dict[str, str]:
    """Certificates and keys."""
    wireguard = sort == "wireguard"
    return {
        "ca": certificates("ca", params["ca"]) if params.get("ca") else "",
        "certificate": certificates("certificate", params["certificate"]) if params.get("certificate") else "",
        "key": (key_text if wireguard else pem)("key", params["key"]) if params.get("key") else "",
        "key_file": path("key_file", params["key_file"]) if params.get("key_file") else "",
        "tls_crypt": pem("tls_crypt", params["tls_crypt"]) if params.get("tls_crypt") else "",
    }


def wanted(params: Params) -> Wish:
    """Return the tunnel that the options describe, or refuse with the way out."""
    sort = _sort(params)
    kind = str(params["kind"])
    _combination(sort, params)
    outer = outer_ipv4 if kind == "6in4" else host_name
    local = outer_ipv4 if kind == "6in4" else outer_address
    network = subnet("network", params["network"]) if params.get("network") else ""
    server_name = str(params.get("server_name") or "")
    if server_name and not COMMON_NAME.fullmatch(server_name):
        refuse("server_name", server_name, "is no common name of letters, digits and ._@-")
    wish = Wish(
        kind=kind,
        name=interface_name(params["name"]),
        role=str(params.get("role") or ""),
        mtu=_mtu(kind, params.get("mtu")),
        forwarding=bool(params.get("forwarding")),
        local=local("local", params["local"]) if params.get("local") else "",
        remote=outer("remote", params["remote"]) if params.get("remote") else "",
        port=port_number("port", params["port"]) if params.get("port") else 0,
        proto=str(params.get("proto") or ""),
        network=network,
        addresses=_addresses(params.get("addresses") or ()),
        routes=tuple(dict.fromkeys(prefix("routes", item) for item in params.get("routes") or ())),
        clients=_clients(params.get("clients") or (), network) if network else (),
        peers=_peers(params.get("peers") or ()),
        server_name=server_name,
        **_material(sort, params),
    )
    if wish.local and wish.local == wish.remote:
        refuse("remote", wish.remote, "is the local end as well; name the address of the other host")
    if wish.kind == "openvpn":
        wish = wish._replace(port=wish.port or OPENVPN_PORT, proto=wish.proto or "udp")
        for option, outer_end in (("local", wish.local), ("remote", wish.remote)):
            _of_family(option, outer_end, wish.proto)
    return wish


def _of_family(option: str, text: str, proto: str) -> None:
    """Refuse an address that the outer protocol can't have; OpenVPN would try it for ever."""
    try:
        version = ipaddress.ip_address(text).version
    except ValueError:
        return  # a name, or nothing
    if proto in ("udp4", "udp6") and proto != f"udp{version}":
        refuse(option, text, f"is an IPv{version} address, and proto is {proto}; change one of them")
