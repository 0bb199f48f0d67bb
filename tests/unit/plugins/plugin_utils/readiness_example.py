# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small healthy site as the checks of addresses, routing and transport see it, and ways to spoil it.

It is kept as plain data until :func:`built`, so that a test case is a list of paths and values.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    readiness_addresses,
    readiness_routing,
    readiness_transport,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import FAIL, Host, Result, Site

GROUPS = (readiness_addresses, readiness_routing, readiness_transport)
CHECKS = {check.id: check for group in GROUPS for check in group.CHECKS}
WWW = "hosts/www1"
AUDIT = f"{WWW}/look/audit"
OWN = f"{AUDIT}/addresses/3"
ETH0 = f"{AUDIT}/settings/ipv6/eth0"
GONE = object()  # as a value: take the entry away
FLAGS = ("tentative", "dadfailed", "deprecated", "temporary", "dynamic", "nodad", "optimistic")
WWW1, MAIL1, BOX1 = "2001:db8:1200::80", "2001:db8:1200:25::25", "2001:db8:1200::b"
ROUTER = "fe80::1"
OUTSIDE = "2001:db8:beef::10"
SEEN = {
    "tcp": {"mss": 1440, "family": "ipv6"},
    "ping": {"family": "ipv6"},
    "mtu": {"before": 1500, "after": 1280, "replied_before": True, "replied_after": True},
    "transfer": {"octets": 2000, "seconds": 0.1, "complete": True, "status": 200, "mss": 1220},
    "ra": {"interface": "eth0", "routers": []},
}


def address(text: str, length: int = 64, interface: str = "eth0", scope: str = "global", **flags: bool) -> dict:
    """Return an address as the look has it."""
    family = "ipv6" if ":" in text else "ipv4"
    told = {"interface": interface, "address": text, "length": length, "family": family, "scope": scope}
    return {**told, **dict.fromkeys(FLAGS, False), "valid": None, "preferred": None, **flags}


def route(destination: str, gateway: str = "", device: str = "eth0", **more: t.Any) -> dict:
    """Return a route as the look has it."""
    told = {"destination": destination, "gateway": gateway, "device": device, "metric": 1024, "protocol": "boot"}
    return {**told, "expires": None, "type": "unicast", "source": "", "dead": False, **more}


def router(text: str = ROUTER, **more: t.Any) -> dict:
    """Return a router as the probe heard it."""
    told = {"address": text, "lifetime": 1800, "managed": False, "other": False, "mtu": 0, "prefixes": []}
    return {**told, "pref64": "", **more}


def _look(ipv6: str, ipv4: str) -> dict:
    of_interface = {"accept_ra": "0", "autoconf": "0", "accept_redirects": "1", "accept_source_route": "0"}
    of_interface.update(
        forwarding="0", use_tempaddr="0", addr_gen_mode="0", mtu="1500", disable_ipv6="0", accept_dad="1"
    )
    ipv4_settings = {"rp_filter": "0", "accept_redirects": "1", "accept_source_route": "0", "forwarding": "0"}
    return {
        "network_backend": "ifupdown",
        "firewall": {
            "ipv6": {"installed": True, "saved": "*filter\n:INPUT DROP [0:0]\nCOMMIT\n", "other": "", "problem": ""},
            "nft_tables": [],
            "nft_problem": "",
        },
        "audit": {
            "problems": {},
            "addresses": [
                address("127.0.0.1", 8, "lo", "host"),
                address("::1", 128, "lo", "host"),
                address(ipv4, 24),
                address(ipv6),
                address("fe80::c6ff:fe12:1f50", scope="link"),
            ],
            "routes": {
                "ipv4": [route("192.0.2.0/24", metric=0, protocol="kernel")],
                "ipv6": [
                    route("default", ROUTER),
                    route("2001:db8:1200::/64", metric=256, protocol="kernel"),
                    route("fe80::/64", metric=256, protocol="kernel"),
                ],
            },
            "neighbours": [{"address": ROUTER, "device": "eth0", "state": "REACHABLE", "router": True}],
            "gateways": {
                "ipv6": [{"address": ROUTER, "device": "eth0", "asked": True, "answered": True, "state": "REACHABLE"}]
            },
            "tunnels": [],
            "settings": {
                "ipv6": {name: dict(of_interface) for name in ("all", "default", "eth0", "lo")},
                "ipv4": {name: dict(ipv4_settings) for name in ("all", "default", "eth0", "lo")},
            },
            "kernel": {
                "net.ipv4.ip_forward": "0",
                "net.ipv6.conf.all.forwarding": "0",
                "net.ipv4.tcp_mtu_probing": "0",
                "net.ipv6.neigh.default.gc_thresh3": "1024",
            },
            "disk": {
                "backend": "ifupdown",
                "addresses": [{"interface": "eth0", "address": ipv6, "length": 64}],
                "gateways": [{"interface": "eth0", "address": ROUTER}],
                "problem": "",
                "files": ["/etc/network/interfaces"],
            },
        },
    }


def _host(ipv6: str, ipv4: str, subnet: str, names: list, services: list) -> dict:
    ports = {"http": 80, "https": 443, "smtp": 25, "dns": 53}
    entries = [
        {"name": name, "port": ports[name], "protocol": "udp" if name == "dns" else "tcp", "sources": [], "daemon": ""}
        for name in services
    ]
    spec = {"address": ipv6, "ipv4": ipv4, "subnet": subnet, "prefix_length": 64, "interface": "", "names": names}
    return {"spec": {**spec, "services": entries}, "variables": {}, "look": _look(ipv6, ipv4), "why": ""}


def parts() -> dict:
    """Return the healthy site as plain data."""
    return {
        "hosts": {
            "www1": _host(WWW1, "192.0.2.80", "web", ["www.example.com"], ["http", "https"]),
            "mail1": _host(MAIL1, "192.0.2.25", "mail", ["mail1.example.com"], ["smtp"]),
            "box1": _host(BOX1, "192.0.2.11", "web", [], ["dns"]),
        },
        "plan": {
            "prefix": "2001:db8:1200::/48",
            "subnets": {"web": "2001:db8:1200::/64", "mail": "2001:db8:1200:25::/64"},
            "hosts": {"www1": WWW1, "mail1": MAIL1, "box1": BOX1},
        },
        "dns": {"records": [{"name": "www.example.com.", "type": "AAAA", "data": WWW1, "ttl": 3600}]},
        "lab": {"name": "lab1", "ipv4": "192.0.2.200", "outside_source": OUTSIDE},
        "proofs": {},
        "outside_why": "",
    }


def _site(data: dict) -> Site:
    hosts = {
        name: Host(name, one["spec"], one["variables"], one["look"], one["why"]) for name, one in data["hosts"].items()
    }
    return Site(hosts, data["plan"], data["proofs"], data["dns"], data["lab"], {}, data["outside_why"])


def spoilt(data: dict, changes: t.Mapping[str, t.Any]) -> dict:
    """Return the data with other values at some paths; ``+`` as the last step appends, and ``~`` stands for ``/``."""
    data = copy.deepcopy(data)
    for path, value in changes.items():
        *steps, last = (step.replace("~", "/") for step in path.split("/"))
        place = data
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place[step]
        key = int(last) if isinstance(place, list) and last != "+" else last
        if value is GONE:
            del place[key]
        elif key == "+":
            place.append(copy.deepcopy(value))
        else:
            place[key] = copy.deepcopy(value)
    return data


def built(changes: t.Mapping[str, t.Any] | None = None) -> Site:
    """Return the site, with a proof for each probe that the checks ask for; then the changes are made."""
    before = {path: value for path, value in (changes or {}).items() if not path.startswith("proofs/")}
    after = {path: value for path, value in (changes or {}).items() if path.startswith("proofs/")}
    data = spoilt(parts(), before)
    asked = [*readiness_routing.probes(_site(parts())), *readiness_transport.probes(_site(parts()))]
    if not data["outside_why"]:
        data["proofs"] = {
            one["id"]: {"id": one["id"], "ok": True, "evidence": "connected", "seen": dict(SEEN[one["kind"]])}
            for one in asked
        }
    return _site(spoilt(data, after))


def judged(site: Site) -> list[Result]:
    """Return what all checks of the three groups say."""
    return [result for check in CHECKS.values() for result in check.results(site)]


def verify(check: str, changes: t.Mapping[str, t.Any], status: str, says: str, also: t.Collection[str]) -> None:
    """See that a check says what is expected, with evidence and a cause, and that only the named others are red."""
    found = judged(built(changes))
    told = [(result.status, result.message) for result in found if result.check == check]
    assert any(state == status and says in message for state, message in told), told
    red = {result.check for result in found if result.status == FAIL}
    assert red == {*also, *([check] if status == FAIL else [])}
    for result in found:
        assert result.status != FAIL or (result.evidence and (result.variable or result.file) and result.fix), result
        lines = [result.message, result.address, result.name, *result.evidence]
        assert all(line.isprintable() and len(line) < 400 for line in lines), result
