# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rule sets of both families, and the packets that show what they do: at the borders of every range."""

from __future__ import annotations

import re

from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.parity_kernel import INTERFACE, SELF

SOURCES = {
    "ipv4": ["198.51.100.7", "198.51.100.8", "198.51.100.15", "198.51.100.127", "198.51.100.128", "203.0.113.1"],
    "ipv6": [
        "2001:db8:0:2::7",
        "2001:db8:0:2::8",
        "2001:db8:0:2::f",
        "2001:db8:0:2:8000::",
        "2001:db8:0:3::",
        "3fff:1::1",
    ],
}
PREFIXES = {
    "ipv4": ["198.51.100.7", "198.51.100.8/29", "198.51.100.0/25", "198.51.100.128/255.255.255.128", "203.0.113.0/24"],
    "ipv6": ["2001:db8:0:2::7", "2001:db8:0:2::8/125", "2001:db8:0:2::/65", "2001:db8:0:2::/63", "3fff::/20"],
}
# Masks with holes: no prefix, but iptables takes them.
ODD_MASKS = {
    "ipv4": ["0.0.0.7/0.0.0.255", "198.51.0.8/255.255.0.255", "0.0.0.1/0.0.0.1"],
    "ipv6": ["::7/::ffff", "2001:db8:0:2::/ffff:ffff:0:ffff::"],
}
# IPv6 refuses BROADCAST, BLACKHOLE and more.
TYPES = {
    "ipv4": ["LOCAL", "LOCAL", "UNICAST", "UNICAST", "MULTICAST", "BROADCAST", "ANYCAST", "UNSPEC", "BLACKHOLE"],
    "ipv6": ["LOCAL", "LOCAL", "UNICAST", "UNICAST", "MULTICAST", "ANYCAST", "UNSPEC", "UNREACHABLE"],
}
# Without 0:65535: iptables-legacy-save leaves that out, negated or not.
CLIENT_PORTS = ["1024:65535", "1024:65535", ":1023", "1:65535", "600", "1024:65534"]
RANGES = {
    "ipv4": ["198.51.100.7-198.51.100.8", "198.51.100.8-198.51.100.127"],
    "ipv6": ["2001:db8:0:2::7-2001:db8:0:2::8", "2001:db8:0:2::f-2001:db8:0:3::"],
}
OTHERS = {"ipv4": "192.0.2.77", "ipv6": "2001:db8:0:1::77"}
PORTS = [1, 22, 23, 25, 79, 80, 443, 1023, 1024, 3306, 8080, 65535]
WAY = [("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT"), ("security", "INPUT")]
BUILT_IN = {
    "raw": ["PREROUTING", "OUTPUT"],
    "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
    "filter": ["INPUT", "FORWARD", "OUTPUT"],
    "security": ["INPUT", "FORWARD", "OUTPUT"],
}


def _not(random, option):
    return f"! {option}" if random.random() < 0.2 else option


def _port_range(random):
    low, high = sorted(random.sample(PORTS, 2))
    return f"{low}:{high}"


def _ports(random):
    kind = random.randrange(4)
    if kind == 0:
        words = [_port_range(random), str(random.choice(PORTS)), str(random.choice(PORTS))]
        return "-m multiport " + _not(random, f"--dports {','.join(random.sample(words, random.randint(1, 3)))}")
    word = str(random.choice(PORTS)) if kind < 3 else _port_range(random)
    return _not(random, f"--dport {word}")


def _types(random, family):
    return ",".join(dict.fromkeys(random.choices(TYPES[family], k=random.choice([1, 1, 2, 3]))))


def _protocol(random, family):
    """Return the words for a protocol, its ports or types, and whether it is TCP."""
    icmp = ("icmp", "--icmp-type", "8", "3") if family == "ipv4" else ("ipv6-icmp", "--icmpv6-type", "128", "1")
    protocol = random.choice(["tcp"] * 4 + ["udp"] * 3 + [icmp[0], "41", "! tcp", "! udp"])
    if protocol.startswith("!"):
        return [f"! -p {protocol[2:]}"], False
    found = [f"-p {protocol}"]
    if protocol in ("tcp", "udp"):
        if protocol == "tcp" and random.random() < 0.2:
            flags = ["--syn", "--tcp-flags FIN,SYN,RST,ACK SYN", "--tcp-flags ALL NONE", "--tcp-flags SYN,FIN SYN,FIN"]
            found.append(_not(random, random.choice(flags)))
        if random.random() < 0.8:
            found.append(_ports(random))
        if random.random() < 0.1:
            found.append(f"-m {protocol} " + _not(random, f"--sport {random.choice(CLIENT_PORTS)}"))
        elif random.random() < 0.05:
            words = random.choice(
                ["--sports 1024:65535", "--sports 600,1024:65535", "--ports 1024:65535", "--ports 22"]
            )
            found.append("-m multiport " + _not(random, words))
    elif protocol == icmp[0] and random.random() < 0.6:
        found.append(_not(random, f"{icmp[1]} {random.choice(icmp[2:])}"))
    return found, protocol == "tcp"


def _matches(random, family, table, protocol):
    """Other matches: each now and then."""
    states = [
        "NEW",
        "ESTABLISHED,RELATED",
        "INVALID",
        "NEW,ESTABLISHED",
        "UNTRACKED",
        "UNTRACKED",
        "UNTRACKED,NEW",
        "DNAT",
    ]
    kinds = [
        (0.45, lambda: _not(random, f"-s {random.choice(PREFIXES[family] * 4 + ODD_MASKS[family])}")),
        (0.10, lambda: "-m iprange " + _not(random, f"--src-range {random.choice(RANGES[family])}")),
        (0.10, lambda: _not(random, f"-d {random.choice([SELF[family], OTHERS[family]])}")),
        (0.12, lambda: _not(random, f"-i {random.choice([INTERFACE, 'srv+', 'lo', 'other0'])}")),
        (
            0.40 if table == "raw" else 0.15,
            lambda: "-m conntrack " + _not(random, f"--ctstate {random.choice(states)}"),
        ),
        (0.05, lambda: f"-m state --state {random.choice(['NEW', 'ESTABLISHED', 'INVALID'])}"),
        (0.08, lambda: "-m addrtype " + _not(random, f"--dst-type {_types(random, family)}")),
        (0.05, lambda: "-m addrtype " + _not(random, f"--src-type {_types(random, family)}")),
        (0.04, lambda: "-m pkttype " + _not(random, f"--pkt-type {random.choice(['unicast', 'multicast'])}")),
        (0.06, lambda: random.choice(["-m mark --mark 0x1", "-m limit --limit 1/hour --limit-burst 3"])),
        (0.06, lambda: '-m comment --comment "a b -j DROP"'),
    ]
    if family == "ipv6":
        kinds.append((0.04, lambda: random.choice(["-m rt --rt-type 0", "-m frag --fragid 1", "-m hl --hl-lt 5"])))
    elif table != "raw":
        kinds.append((0.04, lambda: random.choice(["-f", "! -f", "-m ttl --ttl-lt 5"])))
    return [make() for share, make in kinds if random.random() < share]


def _target(random, table, chain, later, is_tcp):
    """A target that the table allows; jumps only go to later chains, so there is no loop."""
    found = ["-j ACCEPT"] * 5 + ["-j DROP"] * 4 + ["-j RETURN"] * 2 + ["-j MARK --set-mark 0x1"] * (table == "mangle")
    found += [f"-j {name}" for name in later] * 2 + [f"-g {name}" for name in later]
    if table == "filter":
        found += [
            "-j REJECT",
            "-j REJECT --reject-with tcp-reset" if is_tcp else "-j REJECT",
            '-j LOG --log-prefix "x "',
        ]
    if table == "raw":
        found += ["-j CT --notrack"] * 5
    if table in ("raw", "mangle", "security"):
        found += ["-j ACCEPT"] * 6  # else nothing comes to the rules of the filter table
    return random.choice(found)


def _rules(random, family, table, chain, later, count):
    for _number in range(count):
        protocol, is_tcp = _protocol(random, family) if random.random() < 0.75 else ([], False)
        words = [f"-A {chain}", *protocol, *_matches(random, family, table, protocol)]
        yield " ".join([*words, _target(random, table, chain, later, is_tcp)])


def rule_set(random, family):
    """A rule set in the words of an administrator; tables without rules are there, too."""
    lines = []
    for table, built_in in BUILT_IN.items():
        busy = table == "filter" or random.random() < 0.35
        users = [f"USER{number}" for number in range(random.randint(0, 3))] if busy else []
        lines.append(f"*{table}")
        policy = "DROP" if table == "filter" and random.random() < 0.6 else "ACCEPT"
        lines += [f":{chain} {policy if chain == 'INPUT' else 'ACCEPT'} [0:0]" for chain in built_in]
        lines += [f":{name} - [0:0]" for name in users]
        if busy:
            for owner, chain in WAY:
                if owner == table:
                    lines += _rules(
                        random, family, table, chain, users, random.randint(1, 8 if table == "filter" else 3)
                    )
            for number, name in enumerate(users):
                lines += _rules(random, family, table, name, users[number + 1 :], random.randint(0, 4))
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"


# The words of the way out for those of the way in.
_OUT = {
    "-s": "-d",
    "-d": "-s",
    "-i": "-o",
    "--src-range": "--dst-range",
    "--src-type": "--dst-type",
    "--dst-type": "--src-type",
    "--dport": "--sport",
    "--dports": "--sports",
    "--sport": "--dport",
    "--sports": "--dports",
    "--icmp-type 8": "--icmp-type 0",
    "--icmpv6-type 128": "--icmpv6-type 129",
    "NEW": "ESTABLISHED",
    "ESTABLISHED": "NEW",
}
_OUT_CHAINS = {
    ("mangle", "INPUT"): "POSTROUTING",
    ("mangle", "PREROUTING"): "OUTPUT",
    ("raw", "PREROUTING"): "OUTPUT",
    ("filter", "INPUT"): "OUTPUT",
    ("security", "INPUT"): "OUTPUT",
}


def turned(text):
    """The same rules for the answers: all that stood for the client stands for the host, and the other way round."""
    found, table = [], ""
    for line in text.splitlines():
        table = line[1:] if line.startswith("*") else table
        words = re.sub(
            r"(?<=[ ,])(--icmp\S* \d+|-\S+|NEW|ESTABLISHED)(?=[ ,]|$)", lambda word: _OUT.get(word[0], word[0]), line
        )
        chain = re.match(r"(:|-A )(\S+)", words)
        if chain and line.startswith(":") and (table, chain[2]) == ("filter", "OUTPUT"):
            continue
        if chain and (line.startswith("-A") or table == "filter"):
            words = chain[1] + _OUT_CHAINS.get((table, chain[2]), chain[2]) + words[chain.end() :]
        found.append(words)
    return "\n".join(found) + "\n"


def questions(families, ports, first):
    """Packets that the host answers: a SYN to ports at which it listens, and an echo request. Numbers are used once."""
    found = []
    for family in families:
        for source in SOURCES[family]:
            found += [{"family": family, "protocol": "tcp", "source": source, "port": port} for port in ports]
            echo = "icmp" if family == "ipv4" else "ipv6-icmp"
            found.append({"family": family, "protocol": echo, "source": source, "port": 0})
    return [{**probe, "id": first + number} for number, probe in enumerate(found)]


def probes(random, texts):
    """Packets of all protocols from all sources, to ports at the borders of what the rules name.

    The number of a packet is the port that it comes from: for one of four below those of ordinary clients.
    """
    found = []
    for family, text in texts.items():
        named = {int(port) for words in re.findall(r"--dports? ([\d:,]+)", text) for port in re.findall(r"\d+", words)}
        borders = {port + step for port in named for step in (-1, 0, 1)} | {1, 65535}
        borders = sorted(port for port in borders if 0 < port < 65536)
        ports = random.sample(borders, min(len(borders), 8))
        for source in SOURCES[family]:
            for protocol in ("tcp", "udp"):
                found += [{"family": family, "protocol": protocol, "source": source, "port": port} for port in ports]
            echo = "icmp" if family == "ipv4" else "ipv6-icmp"
            found.append({"family": family, "protocol": echo, "source": source, "port": 0})
    low = set(random.sample(range(len(found)), len(found) // 4))
    return [{**probe, "id": number + (500 if number in low else 1024)} for number, probe in enumerate(found)]
