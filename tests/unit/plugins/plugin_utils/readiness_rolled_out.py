# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as the rollout leaves it, what it says of itself and what the lab machine saw: for checks to be broken."""

from __future__ import annotations

import copy

from ansible_collections.ipv6.rollout.plugins.module_utils import rule_set, rules
from ansible_collections.ipv6.rollout.plugins.module_utils.address_labels import KERNEL
from ansible_collections.ipv6.rollout.plugins.module_utils.filter_table import EMPTY
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import TABLES
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import STATUSES, Host, Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.services import services

ADDRESS, IPV4 = "2001:db8:1200::80", "192.0.2.80"
OTHER, OTHER4 = "2001:db8:1200::81", "192.0.2.81"
LAB, OUTSIDE = "2001:db8:feed::/64", "2001:db8:beef::10"
OPEN = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"


def strict(*lines, policy="DROP"):
    """Rules with these lines in INPUT."""
    text = OPEN.replace("INPUT ACCEPT", f"INPUT {policy}")
    return text.replace("COMMIT", "".join(f"{line}\n" for line in lines) + "COMMIT")


def rolled_out(offered=("http",), *, without="", first=(), **policy):
    """The rules that the role ip6tables writes: less the lines with a text, and with some in front."""
    told = {"lab_sources": [LAB], "management_sources": [], "management_port": 22, **policy}
    wanted = rules.policy(services=services(offered), **told)
    text = rule_set.wanted_table(wanted, wanted.services, EMPTY).text
    lines = [line for line in text.split("\n") if not without or without not in line]
    at = next(index for index, line in enumerate(lines) if line.startswith("-A INPUT"))
    return "\n".join([*lines[:at], *first, *lines[at:]])


RULES = rolled_out()


def listener(address="::", port=80, protocol="tcp", process="apache2", **fields):
    """A socket as host_info tells it."""
    six = ":" in address
    scope = {"::": "wildcard", "0.0.0.0": "wildcard", "::1": "loopback", "127.0.0.1": "loopback"}.get(address, "global")
    v6only = fields.pop("v6only", (address != "::") if six else None)
    told = {
        "protocol": protocol,
        "address": address,
        "port": port,
        "device": "",
        "scope": "link" if address.startswith("fe80") else scope,
        "v6only": v6only,
        "ipv4": (address == "::" and not v6only) if six else True,
        "ipv6": six,
        "freebind": False,
        "sockets": 1,
        "process": process,
        "program": process,
        "pid": 400,
        "user": "root",
        "unit": f"{process}.service",
        "socket_unit": "",
        "starts": "",
        "waits": None,
        "processes": [
            {"process": process, "program": process, "user": "root", "unit": f"{process}.service", "pids": [400, 401]}
        ],
    }
    return {**told, **fields}


SSHD = (listener("0.0.0.0", 22, process="sshd"), listener("::", 22, process="sshd", v6only=True))
SOCKETS = (*SSHD, listener())


def _address(text, length, scope="global"):
    return {"address": text, "length": length, "family": "ipv6" if ":" in text else "ipv4", "scope": scope}


def look(sockets=SOCKETS, ipv4=OPEN, ipv6=RULES, audit=None, firewall=None, **fields):
    """What host_info returns with rules and audit, as far as these checks read it."""
    told = {
        "listeners": list(sockets),
        "sockets": {"exact": True, "complete": True, "others": {}},
        "firewall": {
            "ipv4": {"installed": True, "saved": ipv4, "other": "", "problem": ""},
            "ipv6": {"installed": True, "saved": ipv6, "other": "", "problem": "", "tracking_refused": ""},
            "nft_tables": [],
            "nft_problem": "",
        },
        "interfaces": [
            {"name": "lo", "addresses": [_address("127.0.0.1", 8, "host"), _address("::1", 128, "host")]},
            {
                "name": "eth0",
                "addresses": [_address(IPV4, 24), _address(ADDRESS, 64), _address("fe80::80", 64, "link")],
            },
        ],
        "routes": {"ipv4": [{"dev": "eth0"}], "ipv6": [{"dev": "eth0", "gateway": "fe80::1"}]},
        "sysctls": {
            "net.ipv4.ip_local_port_range": "32768\t60999",
            "net.ipv6.ip_nonlocal_bind": "0",
            "net.ipv6.conf.all.forwarding": "0",
        },
        "ipv6": {"enabled": True, "why": ""},
        "managers": ["netfilter-persistent"],
    }
    told["firewall"].update(firewall or {})
    told["audit"] = {
        "conntrack": {"ipv4": True, "ipv6": True},
        "disk": {"backend": "networkd", "addresses": []},
        "hits": {"seen": [{"address": OUTSIDE, "file": "/var/log/apache2/access.log"}], "logs": 1, "problem": ""},
        "saved": {
            "ipv4": {"path": "/etc/iptables/rules.v4", "rules": "", "problem": "it does not exist"},
            "ipv6": {"path": "/etc/iptables/rules.v6", "rules": RULES, "problem": ""},
            "loader": {"unit": "netfilter-persistent.service", "enabled": True, "before_network": True},
        },
        "selection": {
            "sources": {OTHER: ADDRESS, OUTSIDE: ADDRESS, OTHER4: IPV4},
            "order": [{"name": "www.example.com", "got": [OTHER, OTHER4], "problem": ""}],
            "gai_conf": [row._asdict() for row in TABLES["glibc"]],
            "labels": [{"prefix": prefix, "label": label} for prefix, label in KERNEL.items()],
            "interface_labels": [],
            "default_policy": True,
            "problem": "",
        },
        **(audit or {}),
    }
    return {**told, **fields}


def proof(ok=True, **seen):
    """A proof as the module probe returns it, without its id."""
    return {"ok": ok, "evidence": "", "address": "", "seconds": 0.1, "seen": seen}


def proofs(ipv4=(22, 80), ipv6=(80,), asked=(22, 80), **others):
    """What the lab machine saw of a host that is as it should be; ``others`` by the middle part of the id."""

    def ports(opened, family):
        closed = [port for port in asked if port not in opened]
        return proof(open=list(opened), closed=closed, silent=[], family=family)

    found = {
        "firewall|www1|ports|ipv4": ports(ipv4, "ipv4"),
        "firewall|www1|ports|ipv6": ports(ipv6, "ipv6"),
        "firewall|www1|ping|ipv6": proof(family="ipv6"),
        "firewall|www1|mtu|ipv6|1280": proof(
            before=1500, after=1280, replied_before=True, replied_after=True, family="ipv6"
        ),
        "firewall|www1|extension|ipv6": proof(
            echo="answered",
            valid_fragments="answered",
            routing_header_0="silent",
            overlapping="silent",
            tiny_first="refused",
            unknown_header="refused",
            family="ipv6",
        ),
        "selection|www1|race|ipv4": proof(winner=IPV4, within_300ms=True, family="ipv4"),
    }
    for part, told in others.items():
        name = next(one for one in found if f"|{part}|" in one)
        if told is None:
            del found[name]
        else:
            found[name] = told
    return {name: {"id": name, **told} for name, told in found.items()}


def spec(address=ADDRESS, ipv4=IPV4, offered=("http",)):
    """A host's specification."""
    return {
        "address": address,
        "prefix_length": 64,
        "ipv4": ipv4,
        "names": ["www.example.com"],
        "lab_names": ["ipv6.www.example.com"],
        "services": services(list(offered)),
        "mail_domains": [],
        "interface": "",
        "subnet": "web",
    }


def site(seen=None, offered=("http",), variables=None, outside=None, lab=None, address4=IPV4, why="", **looked):
    """A site of one host; ``seen`` is its look (False: none), ``looked`` what is other than usual in it."""
    told = {"ipv6_lab_sources": [LAB], "ansible_host": address4, **(variables or {})}
    there = None if seen is False else seen or look(**looked)
    host = Host("www1", spec(ipv4=address4, offered=offered), told, there, why)
    machine = {"name": "lab1", "ipv4": "192.0.2.200", "outside_source": OUTSIDE} if lab is None else lab
    return Site({"www1": host}, proofs=proofs() if outside is None else outside, lab=machine)


def worst(results):
    """The worst status among results."""
    return min((result.status for result in results), key=STATUSES.index)


def told(results):
    """All that results say, as one text."""
    return "\n".join(
        " | ".join([result.message, result.service, result.variable, result.file, result.fix, *result.evidence])
        for result in results
    )


def judged(checks, case):
    """Run one check of a case ``(check, keywords of site, status, text)`` and hold the results against it."""
    name, keywords, status, text = case
    check = {one.id: one for one in checks}[name]
    given = site(**keywords) if isinstance(keywords, dict) else keywords
    before = copy.deepcopy(given)
    results = check.results(given)
    assert given == before  # nothing was changed
    assert worst(results) == status, told(results)
    assert text in told(results)
    for result in results:
        assert result.check == name
        assert result.host == "www1" or check.of == "site" or not given.hosts
        if result.status == "fail":
            assert result.evidence and result.fix and (result.variable or result.file)  # as Z02 wants it
        assert not result.message.endswith(".")
    assert len({result.key for result in results}) == len(results)
    return results


def statuses(cases, name):
    """The statuses that the cases of a check have."""
    return {status for check, _keywords, status, _text in cases if check == name}
