# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a mail server sends: over which families, from which address, and under which name."""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.ipv6.rollout.plugins.module_utils import main_cf
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_look import entries, mapping, part
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Data, Host

MAIN = "/etc/postfix/main.cf"
MASTER = "/etc/postfix/master.cf"
CLIENT = "smtp/unix"  # the service of master.cf that sends, unless a transport says otherwise
SPOKEN = ("smtp", "submission", "submissions")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def services(host: Host) -> list[Data]:
    """Return the mail services of a host."""
    return [one for one in host.spec["services"] if one["protocol"] == "tcp" and is_mail(one)]


def is_mail(service: Data) -> bool:
    """Tell whether mail comes in by a service."""
    return service["name"] in SPOKEN or service.get("daemon") == "postfix"


def sends(host: Host) -> bool:
    """Tell whether a host has to do with mail at all."""
    return bool(services(host) or host.spec.get("mail_domains"))


def unread(host: Host) -> str:
    """Say why the settings of the mail server are not known; empty where they are."""
    if host.look is None:
        return f"the host could not be looked at: {host.why}"
    held = part(host, "postfix")
    if not held:
        return "the settings of Postfix were not read"
    if not held.get("installed"):
        return "there is no Postfix on the host, and no other mail server can be read"
    if not mapping(held.get("parameters")):
        return f"the settings of Postfix can't be read: {plain(held.get('problem') or 'postconf said nothing', 160)}"
    return ""


def parameter(host: Host, name: str) -> str | None:
    """Return a parameter as main.cf has it; None where this Postfix has no such parameter."""
    value = mapping(part(host, "postfix").get("parameters")).get(name)
    return plain(value, 4000) if isinstance(value, str) else None


def override(host: Host, name: str) -> str | None:
    """Return what master.cf says otherwise for the service that sends."""
    value = mapping(part(host, "postfix").get("overrides")).get(f"{CLIENT}/{name}")
    return plain(value, 4000) if isinstance(value, str) and "$" not in value else None


def sending(host: Host, name: str) -> str:
    """Return a parameter as the service that sends has it."""
    value = override(host, name)
    return (parameter(host, name) or "") if value is None else value


def line(host: Host, name: str) -> str:
    """Return a parameter as a line of evidence."""
    value = override(host, name)
    if value is not None:
        return f"master.cf: {CLIENT}: -o {name}={value}"
    value = parameter(host, name)
    return f"{name} is unknown to this Postfix" if value is None else f"{name} = {value}".rstrip()


def over_ipv6(host: Host) -> bool:
    """Tell whether mail may leave over IPv6."""
    return 6 in main_cf.families(sending(host, "inet_protocols"))


def mode(host: Host) -> str:
    """Return what the inventory says of sending over IPv6."""
    return str(host.variables.get("postfix_send_ipv6") or "confirmed")


def not_over_ipv6(host: Host) -> str:
    """Say why nothing about sending over IPv6 is to be judged; empty where it is, or is meant to be."""
    if 6 not in main_cf.families(parameter(host, "inet_protocols") or ""):
        return "Postfix uses IPv4 only (inet_protocols)"
    if not over_ipv6(host) and mode(host) == "never":
        return "mail leaves over IPv4 only, as postfix_send_ipv6 says"
    return ""


def declared_address(host: Host) -> str:
    """Return the address from which mail is meant to leave over IPv6."""
    return normal(host.variables.get("postfix_address") or host.spec["address"])


def normal(address: object) -> str:
    """Return an address as it is compared; what is none stays as it is."""
    text = str(address).strip("[] ")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return plain(text, 60)


def addresses(host: Host) -> set[str]:
    """Return the addresses that a host has; empty where they are not known."""
    return {normal(one.get("address")) for one in entries(host, "addresses") or ()}


def sources(host: Host) -> tuple[list[str], str]:
    """Return the addresses from which mail leaves over IPv6, and what decides that."""
    bound = sending(host, "smtp_bind_address6")
    if bound:
        return [normal(bound)], line(host, "smtp_bind_address6")
    words = [word.strip("[]") for word in main_cf.words(parameter(host, "inet_interfaces") or "")]
    bindable = [word for word in words if ":" in word]
    if len(bindable) == 1 and normal(bindable[0]) != "::1":
        return [normal(bindable[0])], line(host, "inet_interfaces")
    chosen = mapping(part(host, "selection").get("sources"))
    own = addresses(host)
    found = [
        normal(source)
        for destination, source in chosen.items()
        # What leads to the host itself does not leave it.
        if ":" in str(destination) and source and normal(destination) not in own
    ]
    return sorted(set(found)), "smtp_bind_address6 is not set, so the kernel chooses"


def helo(host: Host) -> str:
    """Return the name that Postfix says at EHLO."""
    own = parameter(host, "myhostname") or ""
    return re.sub(r"\$\{?myhostname\}?", own, sending(host, "smtp_helo_name") or own).lower().rstrip(".")


def seconds(value: str) -> int | None:
    """Read a time of main.cf whose unit is seconds where it has none."""
    found = re.fullmatch(r"(\d{1,7})([smhdw]?)", value.strip())
    return int(found.group(1)) * UNITS[found.group(2)] if found else None


def number(value: str | None) -> int | None:
    """Read a whole number of main.cf."""
    return int(value) if value is not None and re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII) else None
