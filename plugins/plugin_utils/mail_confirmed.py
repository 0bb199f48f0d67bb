# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the DNS says of an address that mail is to be sent from: a forward-confirmed PTR record, and SPF that passes.

The site's own name server is asked first, without recursion. What it is not responsible for, the system's resolver
is asked. What nobody answers is told as unknown, and is never taken for a missing record.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names, spf
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6, ipv6_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_server import ALIAS, Problem, Server
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_spf_policy import Policies, plain_domain
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import Record, World
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of

try:
    import dns.exception
    import dns.resolver
except ImportError:
    pass  # dns_names.need_library says so

PATIENCE = 5.0
_ALIASES = 8
_STEPS = 12  # an include within an include, and so on; receivers stop after ten lookups
_RESULTS = {"-": "fail", "~": "softfail", "?": "neutral", None: "nothing that can be told from here"}

Found = t.Union[t.Tuple[str, ...], Problem, None]
Look = t.Callable[[t.Sequence[Key]], t.Mapping[Key, "Rrset | Problem | None"]]


class Resolver:
    """The resolver of this machine, as a name server that answers for everything."""

    def __init__(self) -> None:
        self._resolver: dns.resolver.Resolver | None = None

    def look(self, keys: t.Sequence[Key]) -> dict[Key, Rrset | Problem | None]:
        """Ask for RRsets."""
        return {key: self._one(key) for key in keys}

    def _one(self, key: Key) -> Rrset | Problem | None:
        try:
            if self._resolver is None:
                self._resolver = dns.resolver.Resolver()
            answer = self._resolver.resolve(
                key.name, key.type, raise_on_no_answer=False, lifetime=PATIENCE, search=False
            )
        except dns.resolver.NXDOMAIN:
            return None
        except (dns.exception.DNSException, OSError) as error:
            return Problem(f"this machine's resolver has no answer: {type(error).__name__}")
        if answer.rrset is None:
            return None
        return Rrset(answer.rrset.ttl, tuple(sorted(rdata.to_text() for rdata in answer.rrset)))


class Asker:
    """Asks the site's name server, and the resolver for all that is not its own; an alias is followed."""

    def __init__(self, server: Look | None, resolver: Look) -> None:
        self._server, self._resolver = server, resolver
        self._known: dict[Key, Found] = {}
        self.unknown: dict[str, None] = {}
        self.silent: set[str] = set()

    def ask(self, keys: t.Iterable[Key]) -> dict[Key, tuple[str, ...]]:
        """Return what RRsets hold; empty where there is none, and where nobody answers."""
        wanted = list(dict.fromkeys(keys))
        new = [key for key in wanted if key not in self._known]
        if new:
            self._known.update(self._through(new))
        found = {}
        for key in wanted:
            held = self._known[key]
            if isinstance(held, Problem):  # a tuple too
                self.unknown[f"{key.name} {key.type}: {held.reason}"] = None
                self.silent.add(key.name)
                held = ()
            found[key] = held or ()
        return found

    def _through(self, keys: list[Key]) -> dict[Key, Found]:
        """Ask, and go on with the target of an alias."""
        at = {key: key for key in keys}
        found: dict[Key, Found] = {}
        for _step in range(_ALIASES):
            held = self._look(list(dict.fromkeys(at.values())))
            turns = [key for key, place in at.items() if _is_alias(held[place])]
            found.update({key: _data(held[place]) for key, place in at.items() if key not in turns})
            if not turns:
                return found
            names = self._look([Key(at[key].name, "CNAME") for key in turns])
            step = {}
            for key in turns:
                target = names[Key(at[key].name, "CNAME")]
                if isinstance(target, Rrset):
                    step[key] = Key(target.data[0].lower(), key.type)
                else:
                    found[key] = Problem("it is an alias that leads nowhere")
            at = step
        found.update({key: Problem("its aliases do not end") for key in at})
        return found

    def _look(self, keys: list[Key]) -> dict[Key, Rrset | Problem | None]:
        held: dict[Key, Rrset | Problem | None] = {}
        silent = False
        if self._server is not None:
            try:
                held.update(self._server(keys))
            except RolloutError as error:
                silent = True
                held.update({key: Problem(str(error)) for key in keys})
        left = [key for key in keys if key not in held or (isinstance(held[key], Problem) and not _is_alias(held[key]))]
        if left:
            for key, found in self._resolver(left).items():
                # Where both have no answer, that of the site's own server says more. While it is silent, others may
                # be, too, or not see what it has: no record then does not mean that there is none.
                if key not in held or isinstance(found, Rrset) or (found is None and not silent):
                    held[key] = found
        return held


class Heard(World):
    """The records that were found; a name that nobody answered for is not known to have none."""

    def __init__(self, records: list[Record], silent: set[str]) -> None:
        super().__init__(records, None)
        self._silent = silent

    def knows(self, name: str) -> bool:
        """Tell whether a name that has no record is known to have none."""
        return name not in self._silent and super().knows(name)


def _is_alias(found: Rrset | Problem | None) -> bool:
    return isinstance(found, Problem) and found.reason.startswith(ALIAS)


def _data(found: Rrset | Problem | None) -> Found:
    return found.data if isinstance(found, Rrset) else found


def confirmed(address: object, domains: object, asker: Asker) -> dict[str, list[str]]:
    """Return ``names`` (of forward-confirmed PTR records), ``why`` (what is missing) and ``unknown``."""
    why: list[str] = []
    if not address:
        why.append("it does not know from which address; set postfix_address, or let the plan file have the host")
    wanted = _domains(domains)
    if not wanted:
        why.append("it does not know for which domains; set ipv6_mail_domains to those that this host sends mail for")
    if why or not address:
        return {"names": [], "why": why, "unknown": []}
    number = ipv6(address, "postfix_address")
    names = _pointers(number, asker, why)
    _judge(number, wanted, names, asker, why)
    return {"names": [name.rstrip(".") for name in names], "why": why, "unknown": list(asker.unknown)}


def _domains(domains: object) -> list[str]:
    if isinstance(domains, str):
        domains = [domains] if domains else []
    if not isinstance(domains, (list, tuple)):
        raise RolloutError(f"ipv6_mail_domains: {shown(domains)} is not a list of domains")
    found = (dns_names.absolute(domain, f"ipv6_mail_domains[{place}]") for place, domain in enumerate(domains))
    return list(dict.fromkeys(found))


def _pointers(number: int, asker: Asker, why: list[str]) -> list[str]:
    """Return the names that the address leads to and that lead back."""
    address = ipv6_text(number)
    key = Key(name_of(6, number), "PTR")
    targets = [name.lower() for name in asker.ask([key])[key]]
    if not targets:
        if not asker.unknown:
            why.append(f"{address} has no PTR record ({key.name}); the role ptr makes one")
        return []
    back = asker.ask([Key(name, "AAAA") for name in targets])
    names = [name for name in targets if number in [ipv6(data, name) for data in back[Key(name, "AAAA")]]]
    if not names and not asker.unknown:
        why.append(
            f"the PTR record of {address} leads to {' and '.join(targets)}, which has no AAAA record with it; "
            "publish that, or let the PTR record lead to a name that has it"
        )
    return names


def _judge(number: int, domains: list[str], names: list[str], asker: Asker, why: list[str]) -> None:
    """Judge the SPF records of the domains, and those of the names, which count where the sender is empty."""
    address = ipv6_text(number)
    policies, broken = _policies([*domains, *names], asker)
    for name in dict.fromkeys([*domains, *names]):
        if name in broken:
            why.append(f"the SPF record of {name} is an error for every receiver: {broken[name]}")
        elif name not in policies.known:
            if name in domains and not any(told.startswith(f"{name} TXT: ") for told in asker.unknown):
                why.append(f"{name} has no SPF record; publish one that has ip6:{address} (TXT, v=spf1 ...)")
        else:
            policy = policies.known[name]
            result = policies.result(policy, 6, number)
            if result is None and asker.unknown:
                continue  # it is told as unknown
            if result != "+":
                told = _RESULTS.get(result, result)
                where = "into it" if result else "in front of its other terms"
                why.append(f"the SPF record of {name} gives {address} {told}; put ip6:{address} {where}")
            elif policies.lookups(policy) > spf.MOST_LOOKUPS:
                why.append(f"the SPF record of {name} needs more than the {spf.MOST_LOOKUPS} DNS lookups that are made")


def _policies(domains: list[str], asker: Asker) -> tuple[Policies, dict[str, str]]:
    """Read the SPF records with all that they lead to."""
    records: list[Record] = []
    texts: dict[str, tuple[Record, list[spf.Term]]] = {}
    broken: dict[str, str] = {}
    left = list(domains)
    for _step in range(_STEPS):
        left = [name for name in dict.fromkeys(left) if name not in texts and name not in broken]
        found = asker.ask([Key(name, "TXT") for name in left])
        left = []
        for key, held in found.items():
            lines = [text for text in map(dns_names.txt_text, held) if text.lower().split(" ", 1)[0] == "v=spf1"]
            if len(lines) > 1:
                broken[key.name] = f"there are {len(lines)} of them"
            if len(lines) != 1:
                continue
            try:
                terms = spf.read_terms(lines[0], strict=True)
                spf.check_modifiers(lines[0], terms)
            except RolloutError as error:
                broken[key.name] = str(error)
                continue
            record = Record("", key.name, None, "TXT", lines[0])
            texts[key.name] = (record, terms)
            records.append(record)
            records += _hosts(key.name, terms, asker)
            left += [plain_domain(term, key.name) for term in terms if term.name in ("include", "redirect=")]
        left = [name for name in left if name]
        if not left:
            break
    policies = Policies(Heard(records, asker.silent))
    for name, (record, terms) in texts.items():
        policies.add(name, record, terms)
    return policies, broken


def _hosts(name: str, terms: list[spf.Term], asker: Asker) -> t.Iterator[Record]:
    """Return the AAAA and MX records that the terms of a record ask for."""
    hosts = [plain_domain(term, name) for term in terms if term.name == "a"]
    domains = [Key(domain, "MX") for domain in (plain_domain(term, name) for term in terms if term.name == "mx")]
    for key, data in asker.ask([key for key in domains if key.name]).items():
        for line in data:
            target = line.rpartition(" ")[2].lower()
            hosts.append(target)
            yield Record("", key.name, None, "MX", f"{line.rpartition(' ')[0]} {target}")
    for key, data in asker.ask([Key(host, "AAAA") for host in hosts if host and host != "."]).items():
        for address in data:
            yield Record("", key.name, None, "AAAA", address)


def server_of(given: object) -> tuple[str, int] | None:
    """Return the site's name server and its port, where there is one."""
    if not given:
        return None
    if not isinstance(given, t.Mapping):
        raise RolloutError(f"sending.dns: {shown(given)} is no dictionary with server and port")
    if not given.get("server"):
        return None
    port = given.get("port") or 53
    if isinstance(port, bool) or not re.fullmatch("[0-9]{1,5}", str(port)):
        raise RolloutError(f"sending.dns.port: {shown(port)} is no port")
    return str(given["server"]), int(str(port))


def look_up(address: object, domains: object, dns_given: object) -> dict[str, list[str]]:
    """Ask the real servers."""
    where = server_of(dns_given)
    if where is None:
        return confirmed(address, domains, Asker(None, Resolver().look))
    with Server(*where, timeout=PATIENCE) as server:
        return confirmed(address, domains, Asker(server.look, Resolver().look))
