# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that rules make, whichever program keeps them."""

from __future__ import annotations

from fault import Fault, Random, both, fault


@fault("rules: policy drop, all rules flushed")
def _policy(rng: Random) -> Fault:
    chain = rng.choice(["INPUT", "OUTPUT"])
    return Fault(both(f"-P {chain} DROP") + "; " + both("-F"))


@fault("rules: the ssh port alone is closed")
def _port(rng: Random) -> Fault:
    target = rng.choice(["DROP", "REJECT", "REJECT --reject-with tcp-reset"])
    return Fault(both(f"-I INPUT -p tcp --dport 22 -j {target}"))


@fault("rules: what ssh answers is dropped")
def _answers(rng: Random) -> Fault:
    return Fault(both(f"-I OUTPUT -p tcp --sport 22 -j {rng.choice(['DROP', 'REJECT'])}"))


@fault("rules: another table drops")
def _table(rng: Random) -> Fault:
    table, chain = rng.choice(
        [("raw", "PREROUTING"), ("raw", "OUTPUT"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("security", "INPUT")]
    )
    end = "--sport 22" if chain == "OUTPUT" else "--dport 22"
    return Fault(both(f"-t {table} -A {chain} -p tcp {end} -j DROP"))


@fault("rules: a chain of its own drops the controller")
def _chain(rng: Random) -> Fault:
    name = f"own{rng.randrange(1000)}"
    return Fault(
        f"iptables -N {name}; iptables -A {name} -s $peer -j DROP; iptables -I INPUT -j {name}\n"
        f"ip6tables -N {name}; ip6tables -A {name} -j DROP; ip6tables -I INPUT -p tcp -j {name}"
    )


@fault("rules: replaced as a whole")
def _replaced(rng: Random) -> Fault:
    port = rng.choice([80, 443, 2222])
    text = (
        f"*filter\\n:INPUT DROP\\n:FORWARD DROP\\n:OUTPUT DROP\\n-A INPUT -p tcp --dport {port} -j ACCEPT\\nCOMMIT\\n"
    )
    return Fault(
        f"printf '{text}' | tee /etc/iptables/rules.v6 | ip6tables-restore; printf '{text}' | iptables-restore"
    )


@fault("rules: ssh is sent elsewhere")
def _redirected(rng: Random) -> Fault:
    rule = f"-t nat -A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports {rng.randrange(1000, 2000)}"
    return Fault(both(rule))


@fault("rules: only IPv6 is cut")
def _only_ipv6(rng: Random) -> Fault:
    rule = rng.choice(["-P INPUT DROP; ip6tables -F INPUT", "-I INPUT -p tcp -j REJECT", "-I INPUT -p icmpv6 -j DROP"])
    flush = "; ip -6 neigh flush dev $device" if "icmpv6" in rule else ""
    return Fault(f"ip6tables {rule}{flush}; ip6tables -I INPUT -p tcp --syn -j DROP")


@fault("rules: only IPv4 is cut")
def _only_ipv4(rng: Random) -> Fault:
    return Fault(f"iptables -I {rng.choice(['INPUT', 'OUTPUT'])} -p tcp -j DROP")


@fault("rules: the connection is cut, new ones work")
def _established(rng: Random) -> Fault:
    return Fault(
        rng.choice(
            [
                "iptables -I INPUT -p tcp --dport 22 --sport $port -j DROP",
                "iptables -I OUTPUT -p tcp --sport 22 --dport $port -j DROP",
                "iptables -t raw -I PREROUTING -s $peer -p tcp --sport $port -j DROP",
            ]
        )
    )


@fault("rules: new connections are cut, this one works")
def _new(rng: Random) -> Fault:
    rule = rng.choice(["-p tcp --syn --dport 22 -j DROP", "-p tcp --dport 22 -m conntrack --ctstate NEW -j REJECT"])
    return Fault(both(f"-I INPUT {rule}"))


@fault("rules: the legacy back end drops")
def _legacy(rng: Random) -> Fault:
    chain = rng.choice(["INPUT", "OUTPUT"])
    return Fault(
        f"iptables-legacy -I {chain} ! -i lo -p tcp -j DROP; ip6tables-legacy -P INPUT DROP"
        if chain == "INPUT"
        else "iptables-legacy -I OUTPUT ! -o lo -j DROP; ip6tables-legacy -P INPUT DROP"
    )


@fault("nft: a table inet drops")
def _nft_inet(rng: Random) -> Fault:
    hook, priority = rng.choice(["input", "output", "prerouting", "postrouting"]), rng.randrange(-400, 400)
    return Fault(
        f"nft 'add table inet x{priority + 400}; "
        f"add chain inet x{priority + 400} c {{ type filter hook {hook} priority {priority}; policy drop; }}'"
    )


@fault("nft: a table netdev drops")
def _nft_netdev(rng: Random) -> Fault:
    return Fault(
        'nft "add table netdev x; add chain netdev x c { type filter hook ingress device $device '
        f'priority {rng.randrange(-100, 100)}; policy drop; }}"'
    )


@fault("nft: native tables ip and ip6 drop")
def _nft_ip(rng: Random) -> Fault:
    name = rng.choice(["cut", "firewall"])
    return Fault(
        "\n".join(
            f"nft 'add table {family} {name}; add chain {family} {name} c {{ type filter hook input priority 5; }}; "
            f"add rule {family} {name} c tcp dport 22 {rng.choice(['drop', 'reject'])}'"
            for family in ("ip", "ip6")
        )
    )


@fault("nft: the controller gets into a set")
def _nft_set(rng: Random) -> Fault:
    return Fault('nft "add element inet own banned { $peer }"')


@fault("nft: a table that was there is another one")
def _nft_changed(rng: Random) -> Fault:
    return Fault(
        rng.choice(
            [
                "nft 'flush chain inet own input; add rule inet own input tcp dport 22 drop'",
                "nft 'delete table inet own; add table inet own; "
                "add chain inet own input { type filter hook input priority 0; policy drop; }'",
                "nft 'insert rule inet own input tcp sport != 1 reject'",
            ]
        )
    )


@fault("nft: a table of iptables with a set of nft")
def _nft_mixed(rng: Random) -> Fault:
    made = "iptables -t raw -A PREROUTING -p udp -j ACCEPT; nft 'add set ip raw s { type ipv4_addr; }'"
    broken = rng.choice(
        ["nft 'flush chain ip raw PREROUTING'", "nft delete table ip raw", "iptables -t raw -F; iptables -t raw -X"]
    )
    kept = "nft list table ip raw 2>&1 | grep -q '@s drop'"
    return Fault(
        f"{broken}; {both('-I INPUT -p tcp -j DROP')}",
        prepare=f"{made}; nft 'add element ip raw s {{ 203.0.113.66 }}; add rule ip raw PREROUTING ip saddr @s drop'",
        mend=f"if {kept}; then nft delete table ip raw; fi",
    )


@fault("nft: everything is flushed and replaced")
def _nft_flushed(rng: Random) -> Fault:
    return Fault(
        "nft 'flush ruleset; add table inet only; "
        "add chain inet only c { type filter hook input priority 0; policy drop; }'"
    )
