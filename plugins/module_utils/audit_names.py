# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address a connection from this host takes: the sources, names in the order of getaddrinfo(), the policy."""

from __future__ import annotations

import ipaddress
import json
import socket
import sys
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    address_labels,
    audit_text,
    commands,
    destination_info,
    gai_conf,
)
from ansible_collections.ipv6.rollout.plugins.module_utils import ipv4_use as users
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import Data

SECONDS = 5.0
STARTS = 10.0  # how long a busy host may take to start Python
PORT = 9  # discard: nothing is sent
NONE: Data = {"sources": {}, "order": [], "gai_conf": [], "labels": [], "default_policy": False}
# What a process of its own runs, since a line of gai.conf may crash the C library: all names at once, as far as the
# resolver answers in time.
ASK = """
import json, os, queue, socket, sys, threading, time
names, port, seconds = json.load(sys.stdin)
answers = queue.Queue()
def ask(name):
    try:
        told = [one[4][0] for one in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
        answers.put((name, list(dict.fromkeys(told)), ""))
    except (OSError, ValueError) as error:
        answers.put((name, [], getattr(error, "strerror", "") or str(error)))
waiting = list(names)
def work():
    while waiting:
        try:
            name = waiting.pop(0)
        except IndexError:
            return
        ask(name)
for _each in names[:16]:
    threading.Thread(target=work, daemon=True).start()
end = time.monotonic() + seconds
found = {}
while len(found) < len(names):
    try:
        name, told, problem = answers.get(timeout=max(0.0, end - time.monotonic()))
    except queue.Empty:
        break
    found[name] = [told, problem]
sys.stdout.write(json.dumps(found))
sys.stdout.flush()
os._exit(0)
"""


def source(destination: str) -> str:
    """Return the source address that the kernel takes, empty where there is no way; nothing is sent."""
    try:
        address = ipaddress.ip_address(destination.partition("%")[0])
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect(
                socket.getaddrinfo(destination, PORT, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4]
            )
            return str(one.getsockname()[0])
    except (OSError, ValueError):
        return ""


def order(names: t.Sequence[str], suspects: t.Sequence[str]) -> t.List[Data]:
    """Return the addresses of names in the order of getaddrinfo()."""
    if not names:
        return []
    given = json.dumps([list(names), PORT, SECONDS])
    done = commands.run([sys.executable, "-I", "-S", "-c", ASK], given, timeout=SECONDS + STARTS)
    found, problem = {}, ""
    if done.rc < 0:
        why = "; ".join(suspects) or "the reason is not known"
        problem = f"getaddrinfo() crashes on this host (signal {-done.rc}): {why}"
    elif done.rc:
        problem = done.said
    else:
        found = json.loads(done.out)
    late = f"no name server answered within {SECONDS:g} s"
    told = {name: found.get(name, [[], problem or late]) for name in names}
    return [{"name": name, "got": got, "problem": audit_text.plain(why)} for name, (got, why) in told.items()]


def look(destinations: t.Sequence[str], names: t.Sequence[str]) -> Data:
    """Return the sources for destinations, the order of names, and the policy that both go by."""
    problem = ""
    conf = b""
    try:
        conf = audit_text.content(gai_conf.PATH)
    except FileNotFoundError:
        pass
    except OSError as error:
        problem = f"{gai_conf.PATH}: {error.strerror or error}"
    policy = destination_info.gai(conf)
    labels: t.Dict[str, int] = {}
    bound: t.List[str] = []
    speaks_ipv6 = address_labels.available()
    try:
        if speaks_ipv6:
            labels, bound = address_labels.see()
    except audit_text.UNREADABLE as error:
        problem = problem or f"ip addrlabel: {error}"
    changed = bool(policy["replaced"] or bound or (speaks_ipv6 and labels != address_labels.KERNEL))
    return {
        "sources": {destination: source(destination) for destination in destinations},
        "order": order(names, destination_info.crashes(conf)),
        "gai_conf": policy["rows"],
        "remarks": [audit_text.plain(remark) for remark in policy["remarks"]][:20],
        "labels": [{"prefix": prefix, "label": label} for prefix, label in labels.items()],
        "interface_labels": bound,
        "default_policy": not problem and not changed,
        "problem": audit_text.plain(problem),
    }


def ipv4_use(prefix: t.Optional[ipaddress.IPv6Network], since: str) -> Data:
    """Return who on this host uses IPv4 by itself."""
    return users.look(prefix, (), since)
