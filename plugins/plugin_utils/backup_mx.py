# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two mail exchangers for hosts without IPv4: what Postfix needs on the backup and on the primary, and the MX records.

The primary has IPv6 only and the lowest preference value. The backup has both families and the next one: whoever has no
IPv6 delivers there. What the backup has accepted it must deliver, or it would bounce mail to forged senders
(backscatter), so it accepts only recipients that the primary has.
"""

from __future__ import annotations

import collections.abc
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import addresses, names

SERVICE = "backup_mx6"
# Pinned to IPv6: a name of the primary may have an A record too, of the proxy, and that may be this very machine.
MASTER = {f"{SERVICE}/unix": f"{SERVICE} unix - - y - - smtp -o inet_protocols=ipv6 -o syslog_name=postfix/{SERVICE}"}
DOMAINS, RECIPIENTS, TRANSPORT, VERIFY = (
    f"backup_mx_{part}" for part in ("domains", "recipients", "transport", "verify")
)
ACCESS, POSTSCREEN = "backup_mx_access", "backup_mx_postscreen"
LOOPBACK = "127.0.0.0/8, [::ffff:127.0.0.0]/104, [::1]/128"
RELAY = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
CLOSED = ("reject_unauth_destination", "reject")
KEYS = ("name", "primary", "mx", "recipients")
LOCAL = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")
# What smtpd looks at while it still has nothing but the client.
LISTS = tuple(f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "recipient", "data"))
PREFERENCES = (10, 20)

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}", re.ASCII)
# What a list of networks has for "everybody".
_EVERYBODY = re.compile(r"\[?[0-9A-Fa-f.:]+\]?/0+", re.ASCII)
_TIME = re.compile(r"[1-9][0-9]{0,6}[smhdw]", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

Data = t.Dict[str, t.Any]


class Domain(t.NamedTuple):
    """A mail domain: the primary as the backup finds it, the name in the MX record, the recipients (None: ask)."""

    name: str
    primary: str
    literal: bool
    mx: str
    recipients: t.Optional[t.Tuple[str, ...]]


def domains(value: object) -> list[Domain]:
    """Read the mail domains."""
    what = "backup_mx_domains"
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: {shown(value)} is not a list of dictionaries with {', '.join(KEYS)}")
    found: list[Domain] = []
    for place, entry in enumerate(value):
        where = f"{what}[{place}]"
        if not isinstance(entry, collections.abc.Mapping) or set(entry) - set(KEYS):
            raise RolloutError(f"{where}: {shown(entry)} is not a dictionary with {', '.join(KEYS)}")
        found.append(_domain(entry, where))
        if found[-1].name in [other.name for other in found[:-1]]:
            raise RolloutError(f"{where}.name: {found[-1].name} is there twice; write one entry for each domain")
    return found


def _domain(entry: t.Mapping[str, t.Any], where: str) -> Domain:
    name = names.domain(entry.get("name"), f"{where}.name")
    given = addresses.text_value(entry.get("primary"), f"{where}.primary", names.LONGEST)
    literal = ":" in given
    if literal:
        primary = addresses.ipv6_text(addresses.ipv6(given, f"{where}.primary"))
    elif re.fullmatch(r"[0-9.]+", given):
        raise RolloutError(f"{where}.primary: {shown(given)} is IPv4; a primary that has it needs no backup for IPv4")
    else:
        primary = names.host_name(given, f"{where}.primary")
    if literal and not entry.get("mx"):
        raise RolloutError(
            f"{where}.mx: nothing is given, and an MX record can't hold {primary}; write a name of the primary's "
            "that has an AAAA record"
        )
    mx = names.host_name(entry.get("mx") or primary, f"{where}.mx")
    return Domain(name, primary, literal, mx, _recipients(entry.get("recipients"), name, f"{where}.recipients"))


def _recipients(value: object, domain: str, where: str) -> tuple[str, ...] | None:
    if value == "verify":
        return None
    if not isinstance(value, (list, tuple)) or not value:
        raise RolloutError(
            f"{where}: {shown(value)} is neither a list of addresses nor 'verify'; a backup that takes mail for "
            "anybody bounces it later, to forged senders"
        )
    found = []
    for place, entry in enumerate(value):
        text = addresses.text_value(entry, f"{where}[{place}]", 320)
        local, _at, host = text.rpartition("@")
        if not _LOCAL_PART.fullmatch(local) or names.domain(host, f"{where}[{place}]") != domain:
            raise RolloutError(f"{where}[{place}]: {shown(text)} is no address in {domain}; write user@{domain}")
        found.append(f"{local}@{domain}")
    return tuple(found)


def seconds(value: object, what: str) -> int:
    """Read a time as Postfix writes it, such as 5d."""
    text = addresses.text_value(value, what, 16)
    if not _TIME.fullmatch(text):
        raise RolloutError(f"{what}: {shown(text)} is no time with a unit, such as 5d or 30m")
    return int(text[:-1]) * _SECONDS[text[-1]]


def parameters_of(text: object) -> dict[str, str]:
    """Read what ``postconf`` prints; a name that is there twice has its last value."""
    found = {}
    for line in str(text or "").splitlines():
        name, equal, value = line.partition(" =")
        if equal and re.fullmatch(r"[a-z0-9_]+", name):
            found[name] = value.strip()
    return found


def _words(value: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", value) if word]


def _table(name: str, kind: str = "hash") -> str:
    return f"{kind}:$config_directory/{name}"


def _beside(value: str, reference: str) -> str:
    """Put a table behind what a parameter has; once, however often this is done."""
    # Nothing else is taken apart: an inline table may have spaces and commas of its own.
    rest = re.sub(rf"(?:^|[\s,]+){re.escape(reference)}(?=[\s,]|$)", "", value).strip(", \t")
    return f"{rest}, {reference}" if rest else reference


def _before(value: str, check: str, reference: str) -> str:
    """Put a check in front of a list of restrictions; once, however often this is done."""
    rest = re.sub(rf"{check}\s+{re.escape(reference)}\s*,?\s*", "", value)
    rest = ", ".join(part.strip() for part in re.split(r"[\n,]+", rest) if part.strip())
    return f"{check} {reference}, {rest}" if rest else f"{check} {reference}"


def backup(value: object, hostname: object, told: t.Mapping[str, t.Any], own: object = "", local: object = "") -> Data:
    """Return what the backup needs: ``parameters``, ``tables`` and ``master`` of Postfix, MX records, and checks.

    :param told: source, mynetworks, proxy_interfaces, queue_lifetime, retry, size_limit
    :param own: what ``postconf -n`` says there now; what somebody has set himself is kept
    :param local: what ``postconf -x`` says of :data:`LOCAL`
    """
    given = domains(value)
    if not given:
        raise RolloutError("backup_mx_domains: it is empty; name the mail domains, or use backup_mx_state absent")
    name = names.host_name(hostname, "backup_mx_hostname")
    for domain in given:
        if domain.mx == name:
            raise RolloutError(
                f"backup_mx_hostname: {name} is the primary of {domain.name}; the backup has another name"
            )
    now = parameters_of(own)
    _refuse_local(given, parameters_of(local), name)
    _refuse_without_recipients(now)
    networks = told.get("mynetworks") or now.get("mynetworks") or LOOPBACK
    _refuse_everybody(networks, "backup_mx_mynetworks" if told.get("mynetworks") else "mynetworks")
    parameters: Data = {
        "inet_protocols": "all",
        "myhostname": name,
        "mynetworks": networks,
        "relay_domains": _beside(now.get("relay_domains", ""), _table(DOMAINS)),
        "relay_recipient_maps": _beside(now.get("relay_recipient_maps", ""), _table(RECIPIENTS)),
        "transport_maps": _beside(now.get("transport_maps", ""), _table(TRANSPORT)),
        "smtpd_relay_restrictions": _relay(now.get("smtpd_relay_restrictions", ""), "backup"),
        "smtpd_recipient_restrictions": _before(
            now.get("smtpd_recipient_restrictions", ""), "check_recipient_access", _table(VERIFY)
        ),
        "unverified_recipient_reject_code": 550,
        **_opened(now),
        **_times(told),
    }
    if told.get("source"):
        source = addresses.ipv6_text(addresses.ipv6(told["source"], "backup_mx_source"))
        # Without the second one Postfix takes another address where this one is missing, and says so only in the log.
        parameters.update(smtp_bind_address6=source, smtp_bind_address_enforce=True)
    if told.get("proxy_interfaces"):
        if not isinstance(told["proxy_interfaces"], (list, tuple)):
            raise RolloutError(
                f"backup_mx_proxy_interfaces: {shown(told['proxy_interfaces'])} is not a list of addresses"
            )
        parameters["proxy_interfaces"] = [_proxy_interface(entry) for entry in told["proxy_interfaces"]]
    if told.get("size_limit"):
        parameters["message_size_limit"] = told["size_limit"]
    return {
        "parameters": parameters,
        "tables": _tables(given),
        "master": dict(MASTER),
        "records": records(given, name),
        "checks": [_check(domain) for domain in given],
    }


def _opened(now: t.Mapping[str, str]) -> Data:
    """Undo what Debian's answer "Local only" means: no clients from outside, and no delivery. The rest is kept."""
    found: Data = {}
    for parameter, shut, wanted in (
        ("inet_interfaces", ("", "loopback-only", "localhost"), "all"),
        ("default_transport", ("error",), "smtp"),
        ("relay_transport", ("error",), "relay"),
    ):
        if now.get(parameter, "") in (*shut, wanted):
            found[parameter] = wanted
    return found


def _proxy_interface(value: object) -> str:
    family, number = addresses.any_address(value, "backup_mx_proxy_interfaces")
    text = addresses.address_text(family, number)
    return f"[{text}]" if family == 6 else text


def _times(told: t.Mapping[str, t.Any]) -> Data:
    lifetime, retry = told.get("queue_lifetime", "5d"), told.get("retry", "30m")
    if seconds(retry, "backup_mx_retry") >= seconds(lifetime, "backup_mx_queue_lifetime"):
        raise RolloutError(
            f"backup_mx_retry: {shown(retry)} is not shorter than backup_mx_queue_lifetime {shown(lifetime)}"
        )
    # Postfix wants the shortest wait to be no longer than the longest.
    shortest = min(300, seconds(retry, "backup_mx_retry"))
    return {
        "maximal_queue_lifetime": str(lifetime),
        "bounce_queue_lifetime": str(lifetime),
        "maximal_backoff_time": str(retry),
        "minimal_backoff_time": f"{shortest}s",
        "queue_run_delay": f"{shortest}s",
    }


def _relay(now: str, whose: str) -> str:
    """Keep a closed relay as it is; make one that only puts others off refuse them."""
    if not now:
        return RELAY
    plain = re.sub(r"\bdefer_unauth_destination\b", "reject_unauth_destination", now)
    # Postfix stops at the first word that decides; behind warn_if_reject a refusal is only written to the log.
    words = [word.lower() for word in _words(plain)]
    deciding = [
        word
        for before, word in zip(["", *words], words)
        if word == "permit" or (word in CLOSED and before != "warn_if_reject")
    ]
    if not deciding or deciding[0] == "permit":
        raise RolloutError(
            f"smtpd_relay_restrictions: {shown(now)} on the {whose} lets anybody relay; put "
            "reject_unauth_destination there"
        )
    return plain


def _refuse_local(given: t.Iterable[Domain], local: t.Mapping[str, str], name: str) -> None:
    for domain in given:
        for parameter in LOCAL:
            if domain.name in [word.lower() for word in _words(local.get(parameter, ""))]:
                raise RolloutError(
                    f"backup_mx_domains: {domain.name} is in {parameter} of {name}, which would keep its mail; take it "
                    "out there first"
                )


def _refuse_without_recipients(now: t.Mapping[str, str]) -> None:
    """Refuse relay domains of before without a list of recipients: with one for ours, all theirs would be unknown."""
    others = [word for word in _words(now.get("relay_domains", "")) if word not in (_table(DOMAINS), "$mydestination")]
    if others and not [word for word in _words(now.get("relay_recipient_maps", "")) if word != _table(RECIPIENTS)]:
        raise RolloutError(
            f"relay_domains: {shown(', '.join(others))} on the backup has no relay_recipient_maps, and its mail would "
            "be refused once other domains have a list; add a table with its recipients (@domain OK for all) there"
        )


def _refuse_everybody(networks: object, what: str) -> None:
    words = _words(networks) if isinstance(networks, str) else networks if isinstance(networks, (list, tuple)) else ()
    for word in words:
        if _EVERYBODY.fullmatch(str(word)):
            raise RolloutError(f"{what}: {shown(word)} lets anybody relay; name the networks of your own")


def _tables(given: t.Iterable[Domain]) -> list[Data]:
    recipients: dict[str, str] = {}
    for domain in given:
        # With "verify" every address passes here, and the next table lets the primary decide.
        recipients.update(dict.fromkeys(domain.recipients or [f"@{domain.name}"], "OK"))
    contents = {
        DOMAINS: {domain.name: "OK" for domain in given},
        RECIPIENTS: recipients,
        TRANSPORT: {domain.name: f"{SERVICE}:[{domain.primary}]" for domain in given},
        VERIFY: {domain.name: "reject_unverified_recipient" for domain in given if domain.recipients is None},
    }
    return [{"name": name, "type": "hash", "entries": entries} for name, entries in contents.items()]


def _check(domain: Domain) -> Data:
    place = {"address": domain.primary} if domain.literal else {"name": domain.primary}
    return {"id": f"{domain.name} at {domain.primary}", "kind": "smtp", "family": "ipv6", "port": 25, **place}


def records(given: t.Iterable[Domain], hostname: str) -> list[Data]:
    """Return the MX records: the primary first, then the backup."""
    return [
        {"name": f"{domain.name}.", "type": "MX", "data": f"{preference} {target}."}
        for domain in given
        for preference, target in zip(PREFERENCES, (domain.mx, hostname))
    ]


def primary(backups: object, lists: object, own: object = "") -> Data:
    """Return what a primary needs so that it judges no mail by the address of its backup.

    :param backups: addresses and prefixes of the backup mail exchangers
    :param lists: the lists of restrictions (:data:`LISTS`) that the backup is let through
    :param own: what ``postconf -n`` says there now
    """
    if not isinstance(backups, (list, tuple)) or not backups:
        raise RolloutError(
            f"backup_mx_backups: {shown(backups)} is not a list of addresses; name the backup's addresses"
        )
    if not isinstance(lists, (list, tuple)) or set(map(str, lists)) - set(LISTS):
        raise RolloutError(f"backup_mx_exempt_from: {shown(lists)} is not a list of some of {', '.join(LISTS)}")
    now = parameters_of(own)
    # What lets the backup through a later list must not let it relay.
    if now.get("smtpd_relay_restrictions") == "" and "smtpd_recipient_restrictions" in map(str, lists):
        raise RolloutError(
            "smtpd_relay_restrictions: it is empty on the primary, so backups that skip smtpd_recipient_restrictions "
            f"could relay anywhere; set it to {RELAY}, or take that list out of backup_mx_exempt_from"
        )
    _relay(now.get("smtpd_relay_restrictions", ""), "primary")
    keys, exceptions = [], _words(now.get("smtpd_client_event_limit_exceptions", "$mynetworks"))
    for place, entry in enumerate(backups):
        family, number = addresses.any_address(entry, f"backup_mx_backups[{place}]")
        text = addresses.address_text(family, number)
        keys.append(text)
        written = f"[{text}]" if family == 6 else text
        exceptions += [written] if written not in exceptions else []
    screen = _table(POSTSCREEN, "cidr")
    rest = [word for word in _words(now.get("postscreen_access_list", "permit_mynetworks")) if word != screen]
    parameters: Data = {
        name: _before(now.get(name, ""), "check_client_access", _table(ACCESS, "cidr")) for name in map(str, lists)
    }
    parameters["postscreen_access_list"] = ", ".join([screen, *rest])
    # After an outage the backup comes with all that it has kept.
    parameters["smtpd_client_event_limit_exceptions"] = exceptions
    return {
        "parameters": parameters,
        "tables": [
            {"name": ACCESS, "type": "cidr", "entries": dict.fromkeys(keys, "OK")},
            {"name": POSTSCREEN, "type": "cidr", "entries": dict.fromkeys(keys, "permit")},
        ],
        "master": {},
        "records": [],
        "checks": [],
    }
