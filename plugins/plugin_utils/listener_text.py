# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets and findings in words, and the report for the terminal."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import parity_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_declared import FAMILIES
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_model import NEAR, Data, Finding, Host, Socket
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_sources import Fate
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import counted, printable

MARKS = {"alarm": "!", "fault": "x", "unknown": "?", "risk": "~", "note": ""}
WORDS = {
    "alarm": ("alarm", "alarms"),
    "fault": ("fault", "faults"),
    "unknown": ("unknown", "unknown"),
    "risk": ("risk", "risks"),
    "note": ("note", "notes"),
}


def place(told: Data) -> str:
    """Return where a socket listens: ``tcp [2001:db8::1]:80``, ``udp [fe80::1]:546 on eth0``."""
    address = str(told["address"])
    text = f"[{address}]" if ":" in address else address
    device = f" on {printable(str(told['device']))}" if told["device"] else ""
    return f"{told['protocol']} {text}:{told['port']}{device}"


def program(told: Data) -> str:
    """Return who holds a socket, in one word."""
    if told["process"]:
        return printable(str(told["process"]))
    return f"{printable(str(told['socket_unit']))}" if told["socket_unit"] else "-"


def named(told: Data) -> str:
    """Return the socket and its program."""
    return f"{place(told)} ({program(told)})" if program(told) != "-" else f"{place(told)} (no process)"


def families(told: Data) -> str:
    """Return which clients a socket serves."""
    if told["ipv4"] is None:
        return "IPv6, perhaps IPv4"
    return " and ".join(NAMES[family] for family in FAMILIES if told[family])


def socket(told: Data) -> str:
    """Return all that is known of a socket on one line."""
    parts = [place(told)]
    if told["v6only"] is not None:
        parts.append(f"v6only {'on' if told['v6only'] else 'off'}")
    parts.append(f"serves {families(told)}")
    if told["sockets"] > 1:
        parts.append(f"{told['sockets']} sockets")
    for holder in told["processes"]:
        pids = holder["pids"]
        number = f"pid {pids[0]}" + (f" and {len(pids) - 1} more" if len(pids) > 1 else "")
        unit = f", {holder['unit']}" if holder["unit"] else ""
        parts.append(f"{holder['process']} ({number}, user {holder['user']}{unit})")
    if not told["processes"]:
        parts.append(f"no process known, made by {told['user']}")
    if told["socket_unit"]:
        parts.append(f"opened by {told['socket_unit']}" + (f" for {told['starts']}" if told["starts"] else ""))
    return printable(", ".join(parts))


def rule(text: str) -> str:
    """Return the rule that decides, or say that there is none."""
    if not text:
        return "no rule decides it alone"
    return f"no rule matches; {printable(text)}" if text.startswith("the policy of ") else printable(text)


def finding(
    level: str,
    code: str,
    message: str,
    remedy: str,
    host: Host | None = None,
    one: Socket | None = None,
    families: t.Iterable[str] = (),
) -> Finding:
    """Return a finding; with a socket, its line and the rules that decide over these families are the evidence."""
    evidence = []
    if one is not None and host is not None:
        evidence.append(socket(one.told))
        for family in families:
            if family in one.fates:
                decides = host.gates[family].because(
                    one.told["protocol"], one.told["port"], one.ways[family], one.fates[family]
                )
                evidence.append(f"{NAMES[family]}: {rule(decides)}")
    told: t.Mapping[str, t.Any] = one.told if one is not None else {}
    return {
        "code": code,
        "level": level,
        "protocol": str(told.get("protocol", "")),
        "port": int(told.get("port", 0)),
        "address": str(told.get("address", "")),
        "process": printable(str(told.get("process", ""))),
        "message": message,
        "evidence": evidence,
        "remedy": remedy,
    }


def who(fate: Fate, family: str) -> str:
    """Return who gets in over one family."""
    return parity_text.who(fate, family)


def reached(one: Socket) -> str:
    """Return by whom a socket is reached over which family."""
    by = {family: who(fate, family) for family, fate in one.fates.items() if fate.who != "nobody"}
    if one.neighbours and ("ipv6" not in by or one.told["scope"] in NEAR):
        by["ipv6"] = "neighbours on the link"
    told = [f"over {NAMES[family]} by {text}" for family, text in by.items()]
    return f"reached {' and '.join(told) or 'by nobody elsewhere'}"


def by(one: Socket) -> dict[str, str]:
    """Return by which interfaces without a default route somebody gets in."""
    return {family: printable(", ".join(names)) for family, names in one.elsewhere.items() if names}


def over(host: Host, one: Socket, family: str) -> str:
    """Return who reaches a socket over one family, for the table."""
    if one.told[family] is False:
        return "-"
    if one.local:
        return "this host"
    if one.absent:
        return "no such address"
    if family == "ipv6" and host.off:
        return "IPv6 is off"
    if one.told[family] is None:
        return "not known"
    fate = one.fates[family]
    if family == "ipv6" and one.neighbours and (fate.who == "nobody" or (one.told["scope"] in NEAR and fate.accepted)):
        return "neighbours"
    if fate.who == "nobody" and family in by(one):
        return f"by {by(one)[family]} only"
    return who(fate, family)


def row(host: Host, one: Socket) -> dict[str, t.Any]:
    """Return a socket as plain data: all that ``host_info`` told, and what was made of it."""
    told = {key: value for key, value in one.told.items() if key not in FAMILIES}
    return {
        **told,
        "name": place(one.told),
        "declared": one.declared.name if one.declared else "",
        "local": one.local,
        "absent": one.absent,
        "client": one.client,
        **{
            family: {
                "serves": one.told[family],
                "who": one.fates[family].who if family in one.fates else "",
                "text": over(host, one, family),
            }
            for family in FAMILIES
        },
    }


def lines(report: Data) -> list[str]:
    """Return the report as lines for the terminal."""
    summary = report["summary"]
    told = [f"{summary[level]:,} {WORDS[level][summary[level] != 1]}" for level in MARKS if summary[level]]
    head = f"{counted(summary['sockets'], 'socket')} for clients: " + (", ".join(told) or "all as declared")
    rows = [("", "SOCKET", "PROGRAM", "OVER IPV4", "OVER IPV6", "DECLARED AS")]
    worst: dict[tuple[str, int, str], str] = {}
    for finding in report["findings"]:  # the worst comes first
        worst.setdefault((finding["protocol"], finding["port"], finding["address"]), finding["level"])
    for one in report["sockets"]:
        level = worst.get((one["protocol"], one["port"], one["address"]), "note")
        cells = (one["name"], program(one), one["ipv4"]["text"], one["ipv6"]["text"], one["declared"] or "-")
        rows.append((MARKS[level], *cells))
    found = [head, ""]
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows)]
        found += ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip() for cells in rows]
    else:
        found.append("No socket waits for clients.")
    for finding in report["findings"]:
        found += ["", f"{finding['level']}: {finding['message']}."]
        found += [f"  seen: {line}" for line in finding["evidence"]]
        found.append(f"  way out: {finding['remedy']}.")
    return found
