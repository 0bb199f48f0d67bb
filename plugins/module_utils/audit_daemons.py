# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What daemons are told, and what they saw: Postfix's parameters, access rules of web sites, hits in access logs."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_text, audit_web, commands
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import Data

SECONDS = 15.0
TAIL = 256 << 10
LOGS = 100
SEEN = 200
NO_POSTFIX: Data = {"installed": False, "parameters": {}, "overrides": {}, "problem": ""}
NO_WEB: Data = {"server": "", "problem": "", "logs": [], "access": []}
_PARAMETERS = """
always_add_missing_headers anvil_rate_time_unit compatibility_level inet_interfaces inet_protocols mail_version
mydestination mydomain myhostname mynetworks mynetworks_style myorigin non_smtpd_milters proxy_interfaces
relay_domains relayhost smtp_address_preference smtp_balance_inet_protocols smtp_bind_address smtp_bind_address6
smtp_bind_address_enforce smtp_connect_timeout smtp_connection_cache_on_demand smtp_helo_name smtp_host_lookup
smtp_mx_address_limit smtp_mx_session_limit smtp_tls_security_level smtpd_banner smtpd_client_connection_count_limit
smtpd_client_connection_rate_limit smtpd_client_event_limit_exceptions smtpd_client_ipv4_prefix_length
smtpd_client_ipv6_prefix_length smtpd_client_message_rate_limit smtpd_client_recipient_rate_limit
smtpd_client_restrictions smtpd_milters smtpd_recipient_restrictions smtpd_relay_restrictions
smtpd_sender_restrictions smtpd_tls_security_level smtpd_upstream_proxy_protocol transport_maps
"""
PARAMETERS = frozenset(_PARAMETERS.split())
PREFIXES = ("postscreen_", "anvil_")
# In main.cf a value may be as long as somebody likes.
LONGEST = 4000


def _pairs(said: str) -> t.Dict[str, str]:
    found = {}
    for line in said.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip()] = audit_text.plain(value, LONGEST)
    return found


def postfix() -> Data:
    """Return Postfix's parameters with their variables filled in, and what master.cf says otherwise of single services.

    Overrides are by ``service/type/parameter``, as ``postconf -P`` prints them.
    """
    if not commands.found("postconf"):
        return dict(NO_POSTFIX)
    done = commands.run(["postconf", "-x"], timeout=SECONDS)
    parameters = {
        name: value for name, value in _pairs(done.out).items() if name in PARAMETERS or name.startswith(PREFIXES)
    }
    services = commands.run(["postconf", "-P"], timeout=SECONDS)
    problem = next((audit_text.plain(one.said) for one in (done, services) if one.rc != 0), "")
    overrides = {
        name: value
        for name, value in _pairs(services.out).items()
        if name.rpartition("/")[2] in PARAMETERS or name.rpartition("/")[2].startswith(PREFIXES)
    }
    return {"installed": True, "parameters": parameters, "overrides": overrides, "problem": problem}


def web() -> t.Tuple[Data, t.List[str]]:
    """Return who may read which part of the web sites, and all access logs."""
    if commands.found("apache2ctl"):
        found = audit_web.apache()
    elif commands.found("nginx"):
        found = audit_web.nginx()
    else:
        return dict(NO_WEB), []
    return {**found, "logs": [audit_text.plain(path) for path in found["logs"]]}, found["logs"]


def client(line: str) -> str:
    """Return the client's address in a line of an access log.

    It is the first word, or the second behind the name of the site. In logs of another form it is the first address.
    """
    words = line[:500].split()
    for word in [*words[:2], *re.split(r"[\s\"'=,;<>()\[\]{}]+", line[:500])]:
        try:
            found = ipaddress.ip_address(word.strip("[]"))
        except ValueError:
            continue
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return f"::ffff:{mapped}" if mapped else str(found)
    return audit_text.plain(words[0], 100) if words else ""


def hits(token: str, logs: t.Sequence[str]) -> Data:
    """Return the client addresses of the lines that hold a text, at the end of each access log."""
    seen: t.List[Data] = []
    problems = []
    read = 0
    wanted = token.encode()
    for path in list(dict.fromkeys(logs))[:LOGS] if token else []:
        try:
            end = audit_text.content(path, TAIL, last=True)
        except OSError as error:
            problems.append(f"{path}: {error.strerror or error}")
            continue
        read += 1
        # The text is where the client put it, at the end of the line; nothing else of the line is read.
        for line in {line for line in end.split(b"\n") if wanted in line} if wanted in end else ():
            entry = {"file": audit_text.plain(path), "address": client(line.decode(errors="replace"))}
            if entry not in seen and len(seen) < SEEN:
                seen.append(entry)
    seen.sort(key=lambda entry: (entry["file"], entry["address"]))
    return {"seen": seen, "logs": read, "problem": audit_text.plain("; ".join(problems))}
