# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real connections, each pinned to one family and one address.

Nothing here races families or falls back from one to the other: a client that does would hide what is broken
(RFC 8305). The kind ``race`` alone does so, since it is about such a client. What a server says is kept as short
plain text. This is the front; the other ``probe_*`` modules speak the protocols.
"""

from __future__ import annotations

import concurrent.futures
import socket
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_check import check
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_dns import dns, question
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_headers import extension, mtu
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import (
    Check,
    Failed,
    Missing,
    Seen,
    Unreached,
    endpoint,
    plain,
    resolve,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_mail import relay, smtp
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_ports import ports, race, tcp
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_router import ra
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_tls import tls
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_web import transfer, web

__all__ = ["Check", "Failed", "check", "endpoint", "plain", "prove", "prove_all", "question", "resolve"]

WORKERS = 64
LONGEST = 3600.0  # seconds of patience
PAUSE = 0.25  # seconds between two tries of one check
UNANSWERED = (1, 124)  # return codes of a ping that got no reply, and of one that never ended


def ping(check: Check, address: str, seen: Seen) -> str:
    """An echo reply."""
    source = ["-I", check.source] if check.source else []
    flag = "-6" if check.family == "ipv6" else "-4"
    wait = str(max(1, round(check.timeout)))
    done = commands.run(["ping", flag, "-n", "-c", "1", "-W", wait, *source, address], timeout=check.timeout + 5)
    if done.rc in UNANSWERED:
        raise Unreached(f"ping {address}: {plain(done.err) or 'no echo reply'}")
    if done.rc != 0:  # no route, no such source, no program
        raise Missing(f"ping {address}: {plain(done.err) or f'return code {done.rc}'}")
    seen["family"] = check.family
    return "echo reply"


def reverse(check: Check, address: str, seen: Seen) -> str:
    """A PTR record whose name has the address again: forward-confirmed reverse DNS (RFC 1912, section 2.1)."""
    try:
        name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0].rstrip(".").lower()
    except OSError as error:
        raise Failed(f"{address} has no PTR record here: {plain(str(error))}") from error
    seen["name"] = plain(name)
    if check.says and name != check.says.rstrip(".").lower():
        raise Failed(f"{address} is {plain(name)} in the reverse zone, not {check.says}")
    if address not in resolve(name, check.family):
        raise Failed(f"{address} is {plain(name)} in the reverse zone, but that name does not have the address")
    return f"{plain(name)}, forward-confirmed"


KINDS: t.Dict[str, t.Callable[[Check, str, Seen], str]] = {
    "tcp": tcp,
    "tls": tls,
    "http": web,
    "https": web,
    "transfer": transfer,
    "smtp": smtp,
    "relay": relay,
    "dns": dns,
    "ping": ping,
    "reverse": reverse,
    "ports": ports,
    "race": race,
    "mtu": mtu,
    "extension": extension,
    "ra": ra,
}
# Some wait for what may never come, so they begin first. A host that was told of a small MTU remembers it and announces
# smaller segments from then on, so that comes last.
ORDER = {"ra": 0, "ports": 0, "extension": 0, "transfer": 0, "mtu": 2}


def targets(check: Check) -> t.List[str]:
    """Return the addresses to connect to; the name, where given, must lead to them."""
    if not check.name:
        return [check.address]
    found = resolve(check.name, check.family)
    if not check.address:
        return found
    if check.address not in found:
        raise Failed(f"{check.name} leads to {', '.join(found)}, not to {check.address}")
    return [check.address]


def prove(check: Check) -> t.Dict[str, t.Any]:
    """Make the connection and return ``{id, ok, evidence, address, seconds, seen}``."""
    start = time.monotonic()
    address = check.address
    seen: Seen = {}
    try:
        evidence = ""
        for address in targets(check):
            seen = {}
            evidence = KINDS[check.kind](check, address, seen)
        good = check.expect == "open"
        if not good:
            evidence = f"{endpoint(address, check.port)} is reachable ({evidence}), and must not be"
    except Missing as missing:
        evidence, good = str(missing), False
        seen = {"problem": evidence}
    except Failed as failure:
        evidence = str(failure)
        good = check.expect == "closed" and isinstance(failure, Unreached)
    except OSError as error:
        evidence, good = plain(str(error)), False
    seconds = round(time.monotonic() - start, 3)
    return {"id": check.id, "ok": good, "evidence": evidence, "address": address, "seconds": seconds, "seen": seen}


def patiently(check: Check, patience: float) -> t.Dict[str, t.Any]:
    """Make the connection again until it comes out as expected or the patience, in seconds, is used up.

    A daemon may need a moment to notice a new address, and a resolver to see a new record.
    """
    end = time.monotonic() + patience
    proof = prove(check)
    while not proof["ok"] and time.monotonic() < end:
        time.sleep(PAUSE)
        proof = prove(check)
    return proof


def prove_all(checks: t.Sequence[Check], patience: float = 0.0) -> t.List[t.Dict[str, t.Any]]:
    """Make all connections, some at a time, and return the proofs in the order of the checks."""
    if not 0 <= patience <= LONGEST:
        raise RolloutError(f"patience: {shown(patience)} is not a number of seconds from 0 to {LONGEST:g}")
    order = sorted(range(len(checks)), key=lambda place: ORDER.get(checks[place].kind, 1))
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        proofs = dict(zip(order, pool.map(lambda place: patiently(checks[place], patience), order)))
    return [proofs[place] for place in range(len(checks))]
