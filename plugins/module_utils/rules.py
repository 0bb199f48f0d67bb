# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv6 rule set of a host, as text in exactly the form in which ``ip6tables-save`` prints it.

Because the text has the printed form, comparing it with the live rules is comparing lines.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

ICMP_CHAIN = "ROLLOUT-ICMPV6"
"""The user chain that holds the ICMPv6 rules; it is ours, every other user chain is somebody else's."""

LINK_LOCAL = "fe80::/10"

MARK = "ipv6.rollout: "
"""What the comment of each of our rules begins with, so that nobody else's rule is taken for one of ours."""

# RFC 4890, section 4.4: what a host must or should let in, and how each type proves where it comes from.
# (type or type/code, source, hop limit that a packet of this link still has, why)
ICMPV6: t.Tuple[t.Tuple[str, t.Optional[str], t.Optional[int], str], ...] = (
    ("1", None, None, "destination unreachable (4.4.1)"),
    ("2", None, None, "packet too big: path MTU (4.4.1)"),
    ("3", None, None, "time exceeded (4.4.1; code 1: 4.4.2)"),
    ("4", None, None, "parameter problem (4.4.1; code 0: 4.4.2)"),
    ("128", None, None, "echo request (4.4.1)"),
    ("129", None, None, "echo reply (4.4.1)"),
    ("130", LINK_LOCAL, None, "multicast listener query (4.4.1)"),
    # A report or done may come from :: while the sender's address is still tentative (RFC 3590).
    ("131", None, None, "multicast listener report (4.4.1)"),
    ("132", None, None, "multicast listener done (4.4.1)"),
    ("143", None, None, "multicast listener report, version 2 (4.4.1)"),
    ("133", None, 255, "router solicitation (4.4.1)"),
    ("134", LINK_LOCAL, 255, "router advertisement (4.4.1)"),
    # Not from fe80::/10 only: a neighbour may use a global source, and DAD uses :: (RFC 4861, 4862).
    ("135", None, 255, "neighbour solicitation (4.4.1)"),
    ("136", None, 255, "neighbour advertisement (4.4.1)"),
    ("141", None, 255, "inverse neighbour discovery solicitation (4.4.1)"),
    ("142", None, 255, "inverse neighbour discovery advertisement (4.4.1)"),
    ("148", None, 255, "certification path solicitation (4.4.1)"),
    ("149", None, 255, "certification path advertisement (4.4.1)"),
    ("151", LINK_LOCAL, 1, "multicast router advertisement (4.4.1)"),
    ("152", LINK_LOCAL, 1, "multicast router solicitation (4.4.1)"),
    ("153", LINK_LOCAL, 1, "multicast router termination (4.4.1)"),
)


class Service(t.NamedTuple):
    """A service that the world, or the given sources, may reach."""

    name: str
    port: int
    protocol: str = "tcp"
    sources: t.Tuple[str, ...] = ()

    @property
    def rules(self) -> t.List[str]:
        """The lines that let the service in: one without sources, else one a source."""
        return [
            f"-A INPUT {source}-p {self.protocol} -m {self.protocol} --dport {self.port}"
            f' -m comment --comment "{MARK}service {self.name}" -j ACCEPT'
            for source in ([f"-s {source} " for source in self.sources] or [""])
        ]


class Policy(t.NamedTuple):
    """What the rule set lets in, beside ICMPv6 and answers; an empty ``forward`` goes by what the host does."""

    lab_sources: t.Tuple[str, ...] = ()
    management_sources: t.Tuple[str, ...] = ()
    management_port: int = 22
    services: t.Tuple[Service, ...] = ()
    forward: str = "DROP"


def source(value: object, variable: str) -> str:
    """Return a source address or prefix as ip6tables prints it: ``2001:db8::/64``, ``2001:db8::1/128``."""
    if not isinstance(value, str):
        raise RolloutError(f"{variable}: {shown(value)} is no text; put the prefix in quotes")
    text = str(value)
    try:
        if "%" in text:  # ipaddress takes a zone id, which means nothing in a rule
            raise ValueError("a zone id")
        return str(ipaddress.IPv6Network(text))
    except ValueError as error:
        if "host bits" in str(error):
            right = ipaddress.IPv6Network(text, strict=False)
            raise RolloutError(f"{variable}: {shown(text)} has host bits set; write '{right}'") from error
        raise RolloutError(f"{variable}: {shown(text)} is no IPv6 prefix such as '2001:db8:feed::/64'") from error


def service(value: t.Mapping[str, t.Any]) -> Service:
    """Read a service from ``{name, port, protocol, sources}`` and refuse what would not be a safe rule."""
    name = value.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,31}", name):
        raise RolloutError(f"services: the name {shown(name)} is not made of at most 32 of a-z, 0-9, '.', '_' and '-'")
    port = value.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise RolloutError(f"services: {name}: the port {shown(port)} is not a number from 1 to 65535")
    protocol = value.get("protocol") or "tcp"
    if protocol not in ("tcp", "udp"):
        raise RolloutError(f"services: {name}: the protocol {shown(protocol)} is neither 'tcp' nor 'udp'")
    variable = f"services: {name}: sources"
    sources = tuple(source(item, variable) for item in value.get("sources") or ())
    return Service(str(name), int(port), str(protocol), sources)


def policy(
    lab_sources: t.Sequence[object],
    management_sources: t.Sequence[object],
    management_port: int,
    services: t.Sequence[t.Mapping[str, t.Any]],
    forward: str = "DROP",
) -> Policy:
    """Read a policy from what the user wrote; every value is checked before any rule is made."""
    return Policy(
        tuple(source(item, "lab_sources") for item in lab_sources),
        tuple(source(item, "management_sources") for item in management_sources),
        management_port,
        tuple(service(item) for item in services),
        forward,
    )


def icmpv6_rules() -> t.List[str]:
    """The ICMPv6 chain, one line a type; what is not in it goes to the policy of INPUT."""
    lines = []
    for kind, origin, hops, _why in ICMPV6:
        where = f"-s {origin} " if origin else ""
        limit = f" -m hl --hl-eq {hops}" if hops else ""
        lines.append(f"-A {ICMP_CHAIN} {where}-p ipv6-icmp -m icmp6 --icmpv6-type {kind}{limit} -j ACCEPT")
    return lines


def input_rules(wanted: Policy, opened: t.Collection[Service], standing: t.Iterable[str] = ()) -> t.List[str]:
    """The INPUT chain, in the order in which it must stand.

    ``standing`` are rules that are live: a service that is not in ``opened`` keeps those that we wrote for its port.

    ICMPv6 stands before the INVALID rule, since conntrack calls some needed types invalid. The lab machine and the
    management sources stand before the services and the final reject, so that nobody locks themselves out.
    """
    lines = [
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -m rt --rt-type 0 -j DROP",  # RFC 5095: type 0 routing headers are an amplifier
        f"-A INPUT -p ipv6-icmp -j {ICMP_CHAIN}",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        # A DHCPv6 answer is NEW for conntrack: the question went to a multicast group.
        f"-A INPUT -s {LINK_LOCAL} -p udp -m udp --sport 547 --dport 546 -j ACCEPT",
    ]
    lines += [
        f'-A INPUT -s {prefix} -m comment --comment "{MARK}lab machine" -j ACCEPT' for prefix in wanted.lab_sources
    ]
    lines += [
        f"-A INPUT -s {prefix} -p tcp -m tcp --dport {wanted.management_port}"
        f' -m comment --comment "{MARK}management" -j ACCEPT'
        for prefix in wanted.management_sources
    ]
    standing = list(standing)
    for one in wanted.services:
        for rule in one.rules if one in opened else _of_port(standing, one):
            if rule not in lines:
                lines.append(rule)
    lines += [
        # A reset ends a client's attempt at once; an ICMPv6 error would leave some waiting for a second.
        "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
        "-A INPUT -j REJECT --reject-with icmp6-adm-prohibited",
    ]
    return lines


def _of_port(standing: t.Iterable[str], one: Service) -> t.List[str]:
    """Return the rules that we wrote for the port of a service, whatever its name and sources were then."""
    port = f" -p {one.protocol} -m {one.protocol} --dport {one.port} -m comment --comment"
    return [rule for rule in standing if f'{port} "{MARK}service ' in rule]


BUILT_IN = ("INPUT", "FORWARD", "OUTPUT")


class Table(t.NamedTuple):
    """The filter table: built-in policies, all rules, and the names of the user chains."""

    policies: t.Dict[str, str]
    rules: t.List[str]
    chains: t.List[str]

    @property
    def text(self) -> str:
        """The table as ``ip6tables-restore`` takes it, in one form: chains by name, each with its rules in order.

        In which order the kernel lists user chains differs between back ends; only the order within a chain counts.
        """
        chains = sorted(self.chains)
        heads = [f":{chain} {self.policies[chain]} [0:0]" for chain in BUILT_IN]
        heads += [f":{chain} - [0:0]" for chain in chains]
        rules = [rule for chain in (*BUILT_IN, *chains) for rule in self.rules if _chain(rule) == chain]
        return "\n".join(["*filter", *heads, *rules, "COMMIT"]) + "\n"


EMPTY = Table({"INPUT": "ACCEPT", "FORWARD": "ACCEPT", "OUTPUT": "ACCEPT"}, [], [])


def tables(saved: str) -> t.Dict[str, str]:
    """Split what ``ip6tables-save`` printed (or a rules file holds) into its tables, without comments and counters."""
    found: t.Dict[str, str] = {}
    lines: t.List[str] = []
    for line in saved.splitlines():
        line = re.sub(r"^(:\S+ \S+) \[\d+:\d+\]$", r"\1 [0:0]", line.rstrip())
        line = re.sub(r"^\[\d+:\d+\] ", "", line)
        if not line or line.startswith("#"):
            continue
        if line.startswith("*"):
            lines = []
        lines.append(line)
        if line == "COMMIT" and lines[0].startswith("*"):
            found[lines[0][1:]] = "\n".join(lines) + "\n"
    return found


def parse(filter_table: str) -> Table:
    """Read a filter table; an empty text is the table that a kernel without rules has."""
    policies = dict(EMPTY.policies)
    rules: t.List[str] = []
    chains: t.List[str] = []
    for line in filter_table.splitlines():
        if line.startswith(":"):
            chain, standing = line[1:].split()[:2]
            if standing == "-":
                chains.append(chain)
            else:
                policies[chain] = standing
        elif line.startswith("-A "):
            rules.append(line)
    return Table(policies, rules, chains)


def filter_table(saved: str) -> str:
    """Return the filter table out of a saved text, in the one form; an empty text where there is none."""
    text = tables(saved).get("filter", "")
    return parse(text).text if text else ""


def _chain(rule: str) -> str:
    return rule.split(" ", 2)[1]


def _jumps_to(rule: str, chains: t.Collection[str]) -> bool:
    found = re.search(r" -[jg] (\S+)", rule)
    return bool(found) and found.group(1) in chains  # type: ignore[union-attr]


class Foreign(t.NamedTuple):
    """What other programs put into the filter table."""

    chains: t.List[str]
    kept: t.List[str]
    plain: t.List[str]


def foreign(live: Table, ours: t.Collection[str]) -> Foreign:
    """Tell apart what is not ours: user chains with the jumps to them, and plain rules in a built-in chain.

    Docker, fail2ban and ufw work with user chains: those and the jumps to them can stay beside our rules.
    A plain rule in INPUT, FORWARD or OUTPUT can't be kept without knowing what it is for.
    """
    chains = [chain for chain in live.chains if chain != ICMP_CHAIN]
    kept = [rule for rule in live.rules if _chain(rule) in chains or _jumps_to(rule, chains)]
    plain = [
        rule
        for rule in live.rules
        if rule not in kept and rule not in ours and _chain(rule) != ICMP_CHAIN and not _is_ours(rule)
    ]
    return Foreign(chains, kept, plain)


def _is_ours(rule: str) -> bool:
    """Whether a rule that is not wanted (any more) is one that we wrote."""
    return f'--comment "{MARK}' in rule or rule in input_rules(Policy(), ())


def open_services(live: Table, services: t.Iterable[Service]) -> t.List[Service]:
    """Return the services that the live rules let in from everywhere that was declared."""
    present = set(live.rules)
    return [one for one in services if all(rule in present for rule in one.rules)]


def wanted_table(wanted: Policy, opened: t.Collection[Service], live: Table, keep: bool = True) -> Table:
    """The whole filter table: our rules, and beside them the user chains of others with the jumps to them.

    Their jumps stand first, as they do where fail2ban or docker insert them. With ``keep``, a service that is not
    in ``opened`` keeps what was live for its port.
    """
    others = foreign(live, ())
    ours = input_rules(wanted, opened, live.rules if keep else ()) + icmpv6_rules()
    policies = {"INPUT": "DROP", "FORWARD": wanted.forward, "OUTPUT": "ACCEPT"}
    return Table(policies, others.kept + ours, [*others.chains, ICMP_CHAIN])


def given_back(before: Table, live: Table) -> Table:
    """The filter table as it was before us, with what others have put into their own chains since then."""
    then, now = foreign(before, ()), foreign(live, ())
    if (sorted(then.chains), then.kept) == (sorted(now.chains), now.kept):
        return before
    plain = [rule for rule in before.rules if rule not in then.kept]
    return Table(before.policies, now.kept + plain, now.chains)


def difference(before: str, after: str) -> t.List[str]:
    """The lines that go (-) and come (+), in the order of the two texts."""
    old, new = before.splitlines(), after.splitlines()
    return [f"- {line}" for line in old if line not in new] + [f"+ {line}" for line in new if line not in old]
