# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of mail servers that look at settings: families, source address, fallback, trusted networks, limits."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import main_cf
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_mail_records as records
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_mail_sender as sender
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_look import part, rows
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    Check,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)

PATIENCE = 60  # seconds
KERNEL_GIVES_UP = 127  # seconds; tcp_syn_retries = 6, where smtp_connect_timeout is 0
RATES = (
    "smtpd_client_connection_rate_limit",
    "smtpd_client_message_rate_limit",
    "smtpd_client_recipient_rate_limit",
)
PREFIX = "smtpd_client_ipv6_prefix_length"
USUAL_PREFIX = 84  # what Postfix 3.8 and later have where nobody sets it
WIDE = ("default", "::/0", "2000::/3")


# ---------------------------------------------------------------------------------------------- M03


def source(host: Host, _site: Site) -> t.Iterator[Result]:
    """M03: mail leaves from the declared address."""
    if not sender.sends(host):
        return
    why = sender.unread(host)
    if why:
        yield unknown(why, host=host.name)
        return
    about = {"host": host.name, "family": "ipv6", "address": sender.declared_address(host)}
    if not sender.over_ipv6(host):
        yield not_applicable("mail leaves over IPv4 only", evidence=(sender.line(host, "inet_protocols"),), **about)
    else:
        yield _source(host, about)
    bound = sender.sending(host, "smtp_bind_address")
    if bound:
        yield _bound_ipv4(host, sender.normal(bound))


def _source(host: Host, about: t.Mapping[str, str]) -> Result:
    found, decides = sender.sources(host)
    own = sender.addresses(host)
    wanted = about["address"]
    if not found:
        return unknown(f"from which address mail leaves can't be told: {decides}", **about)
    evidence = (decides, f"it leaves from {', '.join(found)}", f"declared: {wanted}")
    cause = {
        "evidence": evidence,
        "variable": "postfix_address",
        "file": sender.MAIN,
        "fix": "run the role postfix again, which sets smtp_bind_address6 to the planned address",
    }
    if found != [wanted]:
        return failed("mail leaves over IPv6 from another address than the declared one", **cause, **about)
    if not own:
        return unknown("which addresses the host has is not known", evidence=evidence, **about)
    if wanted not in own:
        return failed("the address that mail is to leave from is not on the host", **cause, **about)
    return passed("mail leaves over IPv6 from the declared address", evidence=evidence, **about)


def _bound_ipv4(host: Host, bound: str) -> Result:
    about: dict[str, t.Any] = {"host": host.name, "family": "ipv4", "address": bound}
    own = sender.addresses(host)
    about["evidence"] = (sender.line(host, "smtp_bind_address"),)
    if not own:
        return unknown("which addresses the host has is not known", **about)
    if bound not in own:
        return failed(
            "the address that mail is to leave from over IPv4 is not on the host",
            variable="postfix_parameters",
            file=sender.MAIN,
            fix="set smtp_bind_address to an address of the host, or leave it out",
            **about,
        )
    return passed("mail leaves over IPv4 from an address of the host", **about)


# ---------------------------------------------------------------------------------------------- M04


def families(host: Host, site: Site) -> t.Iterator[Result]:
    """M04: the families are those that are declared, and without a route there is no try over IPv6."""
    if not sender.sends(host):
        return
    why = sender.unread(host)
    if why:
        yield unknown(why, host=host.name)
        return
    bad: list[tuple[str, str, str, str]] = []  # what is wrong, evidence, variable, file
    for name, default in (("inet_protocols", "all"), ("smtp_address_preference", "any")):
        found, wanted = sender.parameter(host, name), _declared(host, name, default)
        if found is None:
            yield unknown(f"{name} is not known", host=host.name)
            return
        if main_cf.normal(name, found) != main_cf.normal(name, wanted):
            told = f"{name} is not as declared"
            bad.append((told, f"{sender.line(host, name)}, declared: {wanted}", f"postfix_{name}", sender.MAIN))
    bad += _held_back(host, site)
    route = _route(host)
    if sender.over_ipv6(host) and route is False:
        told = "mail is tried over IPv6, and the host has no way out over IPv6"
        bad.append((told, "no default route in the IPv6 main table", "ipv6_gateway", ""))
    evidence = (sender.line(host, "inet_protocols"), sender.line(host, "smtp_address_preference"))
    if bad:
        yield failed(
            "; ".join(entry[0] for entry in bad),
            host=host.name,
            evidence=tuple(entry[1] for entry in bad),
            variable=bad[0][2],
            file=bad[0][3],
            fix="run the role postfix again, or declare what is there; a host without a route wants a route first",
        )
    elif sender.over_ipv6(host) and route is None:
        yield unknown("whether the host has a way out over IPv6 is not known", host=host.name, evidence=evidence)
    else:
        yield passed("the families are as declared", host=host.name, evidence=evidence)


def _declared(host: Host, name: str, default: str) -> str:
    """Return what the inventory says of a parameter, in the order in which the role takes it."""
    given = host.variables.get("postfix_parameters")
    if isinstance(given, t.Mapping) and given.get(name) not in (None, ""):
        return str(given[name])
    return str(host.variables.get(f"postfix_{name}") or default)


def _held_back(host: Host, site: Site) -> t.Iterator[tuple[str, str, str, str]]:
    """Find mail that is kept on IPv4 though nothing says so any more."""
    uses6 = 6 in main_cf.families(sender.parameter(host, "inet_protocols") or "")
    if not uses6 or sender.over_ipv6(host) or sender.mode(host) == "never":
        if uses6 and sender.over_ipv6(host) and sender.mode(host) == "never":
            yield (
                "mail leaves over IPv6, and is declared not to",
                sender.line(host, "inet_protocols"),
                "postfix_send_ipv6",
                sender.MASTER,
            )
        return
    evidence = sender.line(host, "inet_protocols")
    if sender.mode(host) == "always":
        yield (
            "mail leaves over IPv4 only, and is declared to leave over both",
            evidence,
            "postfix_send_ipv6",
            sender.MASTER,
        )
    elif records.all_right(host, site):
        yield (
            "mail leaves over IPv4 only, and the DNS has all that IPv6 needs",
            evidence,
            "postfix_send_ipv6",
            sender.MASTER,
        )


def _route(host: Host) -> bool | None:
    """Tell whether there is a way out over IPv6; None where that is not known."""
    table = rows(part(host, "routes").get("ipv6"))
    return None if table is None else any(_leads_out(entry) for entry in table)


def _leads_out(entry: t.Mapping[str, t.Any]) -> bool:
    refuses = entry.get("type") in ("unreachable", "blackhole", "prohibit")
    return entry.get("destination") in WIDE and not refuses and entry.get("device") != "lo" and not entry.get("dead")


# ---------------------------------------------------------------------------------------------- M05


def fallback(host: Host, _site: Site) -> t.Iterator[Result]:
    """M05: where IPv6 is dead, IPv4 is tried soon."""
    if not sender.sends(host):
        return
    why = sender.unread(host)
    names = ("smtp_connect_timeout", "smtp_mx_address_limit", "smtp_balance_inet_protocols", "smtp_address_preference")
    if why:
        yield unknown(why, host=host.name)
    elif not sender.over_ipv6(host):
        yield not_applicable("mail leaves over IPv4 only", host=host.name)
    elif not main_cf.families(sender.sending(host, "inet_protocols")) & {4}:
        yield not_applicable("mail leaves over IPv6 only, so there is nothing to fall back to", host=host.name)
    else:
        lines = tuple(sender.line(host, name) for name in (*names, "smtp_mx_session_limit"))
        yield _worst_case(host, lines)


def _worst_case(host: Host, lines: tuple[str, ...]) -> Result:
    timeout = sender.seconds(sender.sending(host, "smtp_connect_timeout"))
    limit = sender.number(sender.sending(host, "smtp_mx_address_limit"))
    if timeout is None or limit is None:
        return unknown("smtp_connect_timeout or smtp_mx_address_limit is not known", host=host.name, evidence=lines)
    cause = {
        "host": host.name,
        "evidence": lines,
        "variable": "postfix_smtp_connect_timeout",
        "file": sender.MAIN,
        "fix": "set smtp_connect_timeout to 10s, and leave smtp_mx_address_limit and smtp_balance_inet_protocols alone",
    }
    if sender.sending(host, "smtp_address_preference") == "ipv4":
        return passed("IPv4 is tried first", host=host.name, evidence=lines)
    if limit == 0:
        return failed("every dead IPv6 address of a receiver is waited for, however many there are", **cause)
    if limit == 1 or sender.sending(host, "smtp_balance_inet_protocols") != "yes":
        said = f"of a receiver with {limit} dead IPv6 addresses no IPv4 address is tried in the same delivery"
        return failed(said, **cause)
    # Of the addresses that are tried, one is of IPv4. Sessions that never begin do not count for the session limit.
    worst = (limit - 1) * (timeout or KERNEL_GIVES_UP)
    said = f"{limit - 1} dead IPv6 addresses are waited for, {worst} s in all, before IPv4 is tried"
    if worst >= PATIENCE:
        return failed(said, **cause)
    return passed(said, host=host.name, evidence=lines)


# ---------------------------------------------------------------------------------------------- M06, the settings


def trusted(host: Host, site: Site) -> t.Iterator[Result]:
    """The part of M06 that is in main.cf: nobody outside of the site is trusted."""
    why = sender.unread(host)
    held = sender.parameter(host, "mynetworks") if not why else None
    if held is None:
        yield unknown(why or "mynetworks is not known", host=host.name)
        return
    bad, tables = [], []
    lengths = [network.prefixlen for network in _site_prefixes(host, site)]
    least = min(lengths, default=64)
    for word in main_cf.words(held):
        network = _network(word)
        try:
            main_cf.check_network("mynetworks", word)
        except RolloutError as error:
            bad.append(plain(str(error), 300))
            continue
        if network is None:
            if not word.startswith("!"):
                tables.append(word)
        elif network.version == 6 and network.prefixlen < least and not word.startswith("!"):
            bad.append(f"{word} is wider than the site")
    about: dict[str, t.Any] = {"host": host.name, "evidence": (f"mynetworks = {held}"[:400],)}
    if bad:
        yield failed(
            f"mynetworks trusts more than the site, or can't be read: {bad[0]}",
            variable="postfix_trusted_networks",
            file=sender.MAIN,
            fix="list the prefixes of the site only, each as [2001:db8:1::]/48",
            **about,
        )
    elif tables:
        yield unknown(f"mynetworks has a table, whose entries are not read: {plain(tables[0], 100)}", **about)
    else:
        yield passed("mynetworks trusts no IPv6 prefix that is wider than the site", **about)


def _network(word: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    address, slash, length = word.lstrip("!").partition("/")
    try:
        return ipaddress.ip_network(address.strip("[]") + slash + length.strip("[]"), strict=False)
    except ValueError:
        return None


def _site_prefixes(host: Host, site: Site) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    given = host.variables.get("ipv6_prefix") or site.setting("ipv6_prefix") or site.plan.get("prefix")
    texts = given if isinstance(given, (list, tuple)) else [given]
    return [network for network in (_network(str(text)) for text in texts if text) if network is not None]


def is_trusted(host: Host, address: object) -> bool:
    """Tell whether mynetworks holds an address."""
    try:
        number = ipaddress.ip_address(str(address))
    except ValueError:
        return False
    for word in main_cf.words(sender.parameter(host, "mynetworks") or ""):
        network = _network(word)
        if network is not None and number in network:
            return not word.startswith("!")
    return False


# ---------------------------------------------------------------------------------------------- M08


def limits(host: Host, _site: Site) -> t.Iterator[Result]:
    """M08: a client is a /64."""
    if not sender.services(host):
        return
    why = sender.unread(host)
    if why:
        yield unknown(why, host=host.name)
        return
    held = sender.parameter(host, PREFIX)
    length = sender.number(held)
    rates = {name: sender.number(sender.parameter(host, name)) for name in RATES}
    lines = (sender.line(host, PREFIX), *(sender.line(host, name) for name in RATES))
    limited = [name for name, value in rates.items() if value]
    about: dict[str, t.Any] = {"host": host.name, "evidence": lines}
    if held is None:
        yield not_applicable(
            "this Postfix counts single addresses and nothing else; 3.8 and later count prefixes", **about
        )
    elif length is None:
        yield unknown(f"{PREFIX} is no number", **about)
    elif length <= 64:
        yield passed("limits count an IPv6 client by its /64, or by a wider prefix", **about)
    elif length == USUAL_PREFIX and not limited:
        if None in rates.values():
            yield unknown("whether there are limits on clients is not known", **about)
        else:
            yield not_applicable(
                f"there is no limit on what a client may send; set {PREFIX} before there is one", **about
            )
    else:
        counted = limited[0] if limited else "smtpd_client_connection_count_limit"
        yield failed(
            f"{counted} counts an IPv6 client by its /{length}, and whoever has a /64 has many of them",
            variable="postfix_parameters",
            file=sender.MAIN,
            fix=f"set {PREFIX} to 64",
            **about,
        )


SOURCE = Check(
    "M03",
    "Mail leaves from the declared address",
    "inside",
    4,
    "The address that mail leaves from over IPv6, by the settings of Postfix or else by the choice of the kernel, is "
    "the declared one, and is on the host. No mail is sent.",
    "postconf(5), smtp_bind_address6; RFC 7208, section 4.1",
    source,
)
FAMILIES = Check(
    "M04",
    "Mail uses the declared families",
    "inside",
    3,
    "inet_protocols and smtp_address_preference are as declared, and a host without an IPv6 route tries none.",
    "postconf(5), inet_protocols, smtp_address_preference",
    families,
)
FALLBACK = Check(
    "M05",
    "Mail falls back to IPv4 soon",
    "inside",
    3,
    "Where all IPv6 addresses of a receiver are dead, the settings of Postfix let an IPv4 address be tried in the same "
    "delivery within 60 seconds. No mail is sent.",
    "postconf(5), smtp_connect_timeout, smtp_balance_inet_protocols; RFC 5321, section 5.1",
    fallback,
)
LIMITS = Check(
    "M08",
    "Limits count IPv6 clients by /64",
    "inside",
    1,
    "Where clients are counted, smtpd_client_ipv6_prefix_length is at most 64.",
    "postconf(5), smtpd_client_ipv6_prefix_length; RFC 6177, section 2",
    limits,
)
