# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of transport: large packets find a narrow way, and TCP does not send more than fits."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_routing
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    Check,
    Data,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    probe,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import (
    default_routes,
    kernel,
    number,
    of_host,
    short,
    tunnel_interfaces,
)

MTUS = (1280, 1400)
NARROW = 1280  # the smallest MTU of IPv6, which transfers are tried with
HEADERS = 60  # octets of the headers of IPv6 and TCP, without options
WEB = ("http", "https")
SILENT = ("no answer", "does not end", "timed out")  # what a probe says where packets get lost
RULES = "/etc/iptables/rules.v6"
LET_IN = "let ICMPv6 type 2 (Packet Too Big) in from everywhere, on the host and on the way"
PROBING = "net.ipv4.tcp_mtu_probing"  # it holds for IPv6 as well


def _mtu_parts(host: Host, mtu: int) -> tuple[str, ...]:
    return ("transport", host.name, "mtu", "ipv6", str(mtu))


def _transfer_parts(host: Host, entry: Data) -> tuple[str, ...]:
    return ("transport", host.name, str(entry["name"]), "ipv6", str(NARROW), str(entry["port"]))


def _web(host: Host) -> list[Data]:
    return [entry for entry in readiness_routing.tcp_services(host) if entry["name"] in WEB]


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Ask for large answers, and say that the way is narrow; and read a page in segments for a narrow hop.

    A host remembers for ten minutes that the way to an address is narrow. So that is said from outside, and P02 sees
    what the host announces to the other address, to which nobody says such a thing.
    """
    made = []
    outside = str(site.lab.get("outside_source") or "")
    for host in site.hosts.values():
        address = host.spec["address"]
        made += [probe(_mtu_parts(host, mtu), "mtu", "ipv6", address=address, source=outside, mtu=mtu) for mtu in MTUS]
        name = host.spec["names"][0] if host.spec["names"] else ""
        for entry in _web(host):
            fields = {"address": address, "port": entry["port"], "host": name, "path": "/", "mtu": NARROW}
            made.append(probe(_transfer_parts(host, entry), "transfer", "ipv6", **fields))
    return made


# ---------------------------------------------------------------------------------------------- P01


@of_host
def narrow_way(host: Host, site: Site) -> t.Iterator[Result]:
    """P01: what a host sends fits through a hop of 1280 and of 1400 octets."""
    return _narrow(host, site)


def _narrow(host: Host, site: Site) -> t.Iterator[Result]:
    for mtu in MTUS:
        about = {"name": f"MTU {mtu}", "address": host.spec["address"], "family": "ipv6"}
        yield _answered(site, _mtu_parts(host, mtu), mtu, about)
    for entry in _web(host):
        about = {"service": str(entry["name"]), "address": host.spec["address"], "family": "ipv6"}
        about["name"] = f"MTU {NARROW}, port {entry['port']}"
        yield _transferred(site, _transfer_parts(host, entry), about)


def _answered(site: Site, parts: tuple[str, ...], mtu: int, about: dict[str, t.Any]) -> Result:
    proof = site.proof(*parts)
    if proof is None:
        return unknown(site.no_proof(*parts), **about)
    seen = proof.get("seen") or {}
    if proof.get("ok"):
        # How large they were before depends on what the host still remembers of an earlier run.
        about["evidence"] = (f"no packet of more than {mtu} octets after packet too big ({mtu})",)
        return passed(f"the host heeds Packet Too Big and answers in pieces of at most {mtu} octets", **about)
    if seen.get("problem"):
        return unknown(f"the probe could not be made: {short(seen['problem'])}", **about)
    about["evidence"] = (short(proof.get("evidence", "")),)
    if not seen.get("replied_before"):
        return unknown("the host answers no large echo requests, so its path MTU could not be tried", **about)
    wrong: dict[str, t.Any] = {"variable": "ip6tables_services", "file": RULES, "fix": LET_IN, **about}
    if not seen.get("replied_after"):
        return failed(f"after Packet Too Big ({mtu}) no answer arrives any more", **wrong)
    return failed(f"the host ignores Packet Too Big: its pieces are larger than {mtu} octets", **wrong)


def _transferred(site: Site, parts: tuple[str, ...], about: dict[str, t.Any]) -> Result:
    proof = site.proof(*parts)
    if proof is None:
        return unknown(site.no_proof(*parts), **about)
    seen = proof.get("seen") or {}
    if seen.get("complete"):
        # Whatever the page says, an error among it: all of it came.
        about["evidence"] = ("the transfer is complete",)
        return passed(f"a whole page arrives in segments for a hop of {NARROW} octets", **about)
    if seen.get("problem"):
        return unknown(f"the probe could not be made: {short(seen['problem'])}", **about)
    evidence = short(proof.get("evidence", ""))
    about["evidence"] = (evidence,)
    if "complete" not in seen or ("status" not in seen and not any(word in evidence for word in SILENT)):
        return unknown("the service gave no page, so its transfers could not be tried", **about)
    return failed(
        f"a page does not arrive whole in segments for a hop of {NARROW} octets",
        variable="ipv6_services",
        file=RULES,
        fix=LET_IN,
        **about,
    )


# ---------------------------------------------------------------------------------------------- P02


@of_host
def segments_fit(host: Host, site: Site) -> t.Iterator[Result]:
    """P02: behind a tunnel, TCP announces no larger segments than the tunnel takes."""
    mtu, source = _path_mtu(host)
    if not mtu:
        yield not_applicable("the host's way out is no tunnel, and readiness_path_mtu names no MTU", family="ipv6")
        return
    limit = mtu - HEADERS
    for entry in readiness_routing.tcp_services(host):
        parts = readiness_routing.path_parts(host, entry, "inside")
        proof = site.proof(*parts)
        about: dict[str, t.Any] = {
            "service": str(entry["name"]),
            "name": f"port {entry['port']}",
            "address": host.spec["address"],
            "family": "ipv6",
        }
        size = ((proof or {}).get("seen") or {}).get("mss")
        if proof is None or not size:
            why = site.no_proof(*parts) if proof is None else short(proof.get("evidence") or "it tells no segment size")
            yield unknown(f"the size of its segments is not known: {why}", **about)
            continue
        about["evidence"] = (f"largest segment {int(size)}", f"MTU {mtu} ({source})")
        if int(size) <= limit and not site.lab.get("outside_source"):
            yield unknown(
                "the audit itself told the host that the way is narrow, so the size of its segments proves nothing",
                **{**about, "variable": "ipv6_outside_source"},
                fix="give the lab machine an address that no rule lets in, and name it in ipv6_outside_source",
            )
        elif int(size) <= limit:
            yield passed(f"segments of {int(size)} octets fit into the path's MTU of {mtu}", **about)
        else:
            yield failed(
                f"segments of {int(size)} octets don't fit into the path's MTU of {mtu}: {limit} do",
                variable="readiness_path_mtu" if source == "readiness_path_mtu" else "tunnel_mtu",
                file=RULES,
                fix="clamp them where the tunnel begins: ip6tables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN"
                " -j TCPMSS --clamp-mss-to-pmtu",
                **about,
            )


def _path_mtu(host: Host) -> tuple[int, str]:
    """Return the MTU of the host's way out where it is not that of its link, and who says so."""
    if host.variables.get("readiness_path_mtu") is not None:
        return number(host.variables["readiness_path_mtu"], "readiness_path_mtu", NARROW), "readiness_path_mtu"
    tunnels = tunnel_interfaces(host)
    for route in default_routes(host)[:1]:
        if route.device in tunnels:
            return int(tunnels[route.device].get("mtu") or 0), f"of {route.device}"
    return 0, ""


# ---------------------------------------------------------------------------------------------- P03


@of_host
def probing_as_fallback(host: Host, site: Site) -> t.Iterator[Result]:
    """P03: where no Packet Too Big arrives, TCP finds the MTU by itself."""
    value = kernel(host, PROBING)
    about: dict[str, t.Any] = {"family": "ipv6", "evidence": (f"{PROBING} = {value}",)}
    wrong: dict[str, t.Any] = {
        "variable": "readiness_mtu_probing",
        "file": "/etc/sysctl.d",
        "fix": f"set {PROBING} to 1, and TCP tries smaller segments where large ones get lost",
        **about,
    }
    declared = host.variables.get("readiness_mtu_probing")
    if declared is not None:
        wanted = number(int(declared) if isinstance(declared, bool) else declared, "readiness_mtu_probing")
        if value == wanted:
            yield passed(f"{PROBING} is {value}, as declared", **about)
        else:
            yield failed(f"{PROBING} is {value}, and {wanted} is declared", **wrong)
        return
    if value >= 1:
        yield passed("TCP finds the path MTU by itself where it has to", **about)
        return
    found = {result.status for result in _narrow(host, site)} - {NOT_APPLICABLE}
    if FAIL in found:
        yield failed("Packet Too Big does not do its work here, and TCP does not look for the MTU by itself", **wrong)
    elif UNKNOWN in found or PASS not in found:
        yield unknown("whether the host needs it is not known, since P01 is not", **about)
    else:
        yield not_applicable("Packet Too Big does its work (P01), so it is not needed", **about)


CHECKS = (
    Check(
        "P01",
        "Large packets find a narrow way",
        "outside",
        4,
        "After a Packet Too Big that names 1280 or 1400 octets, the host's echo replies come in pieces that fit, and"
        " web pages arrive whole in segments that fit 1280. Mail and ssh are not tried, and times are not compared.",
        "RFC 8201, section 4; RFC 8200, section 5",
        narrow_way,
    ),
    Check(
        "P02",
        "TCP segments fit into the tunnel",
        "outside",
        3,
        "Where the host's default route is a tunnel, or readiness_path_mtu names an MTU, the largest segment of each"
        " TCP service is at least 60 octets smaller than that MTU.",
        "RFC 9293, section 3.7.1",
        segments_fit,
    ),
    Check(
        "P03",
        "TCP copes without Packet Too Big",
        "inside",
        2,
        "tcp_mtu_probing is readiness_mtu_probing; where that is not set, it is 1 or more, or P01 shows that the host"
        " can do without it.",
        "RFC 4821, section 3; kernel documentation, ip-sysctl (tcp_mtu_probing)",
        probing_as_fallback,
    ),
)
