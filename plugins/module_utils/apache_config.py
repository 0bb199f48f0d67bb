# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the module apache_listen does to a host: what is asked for, and everything given back."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    files,
    httpd_sites,
    httpd_text,
    httpd_values,
    listens,
    sockets,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.apache import DROP_IN, Change, Server, control, installed
from ansible_collections.ipv6.rollout.plugins.module_utils.apache_apply import Outcome, Work, link_at
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

LEDGER = "apache_listen"
_SITES = re.compile(r"^\s*include\S*\s.*sites-enabled(?:/\*|/?\"?\s*$)", re.IGNORECASE | re.MULTILINE)
CONFFILES = "/var/lib/dpkg/info/*.conffiles"

Notes = t.Dict[str, t.Any]


def _mapped_possible(directory: str) -> None:
    told = control(directory, "-V").out
    if "APR_HAVE_IPV6" not in told:
        raise RolloutError("mode: this Apache was built without IPv6")
    if "IPv4-mapped addresses enabled" not in told:
        raise RolloutError("mode: this Apache was built without IPv4-mapped addresses; take mode 'separate'")


def _must_be_here(asked: httpd_values.Wish, really: bool) -> t.List[str]:
    """Refuse what is not on the host, and would keep Apache from starting; in a check run tell of it."""
    wrong = []
    missing = [host for host in asked.hosts if host not in listens.WILDCARDS and not sockets.is_local(host)]
    if missing:
        wrong.append(f"addresses: {', '.join(missing)}: not on this host now, or its DAD is not over")
    for site in asked.sites:
        if not os.path.isdir(site.root):
            wrong.append(f"virtual_hosts: {site.names[0]}: there is no folder {site.root}")
        if site.log and not os.path.isdir(os.path.dirname(site.log)):
            wrong.append(f"virtual_hosts: {site.names[0]}: there is no folder for {site.log}")
    if wrong and really:
        raise RolloutError(f"{'; '.join(wrong)}; Apache would not start, or not serve")
    if asked.proxy and asked.proxy.address not in asked.hosts and not sockets.is_local(asked.proxy.address):
        wrong.append(f"proxy_protocol: {asked.proxy.address} is not on this host now")
    return wrong


class _Plan:
    """What there is, and what it becomes; nothing is written here."""

    def __init__(self, server: Server, asked: httpd_values.Wish, ledger: files.Ledger, outcome: Outcome) -> None:
        self.server, self.asked, self.ledger, self.outcome = server, asked, ledger, outcome
        self.contents: t.Dict[str, t.Optional[bytes]] = {}
        self.links: t.Dict[str, str] = {}
        self._listen()
        self._carry_over()
        self._drop_in()

    def _listen(self) -> None:
        server, ledger, asked = self.server, self.ledger, self.asked
        notes: Notes = dict(ledger.notes.get(server.path, {"ports": [], "hosts": [], "edited": False}))
        edit = listens.edit(server.text, server.path, asked.hosts, asked.ports, notes["hosts"], server.elsewhere)
        if edit.text != server.text:
            if asked.mode == "mapped":
                _mapped_possible(server.directory)
            if ledger.before(server.path) is not None and not ledger.untouched(server.path):
                notes["edited"] = True
            notes["ports"], notes["hosts"] = sorted({*notes["ports"], *edit.ports}), list(asked.hosts)
            ledger.notes[server.path] = notes
            ledger.wrote(server.path, server.saved, httpd_text.encode(edit.text))
        self.contents[server.path] = httpd_text.encode(edit.text)
        self.outcome.ports, self.outcome.left = edit.ports, edit.left
        self.listened = server.expected(edit.text)
        for site in asked.sites:
            for host in site.addresses or [""]:
                self._heard(host, site.port, f"virtual_hosts: {site.names[0]}")
        self.proxied: t.Optional[httpd_sites.Proxied] = None
        if asked.proxy:
            ports = asked.proxy.ports or tuple(port for port in edit.ports if port in self.listened)
            for port in ports:
                self._heard(asked.proxy.address, port, "proxy_protocol")
            self.proxied = httpd_sites.Proxied(asked.proxy.address, ports)

    def _heard(self, host: str, port: int, where: str) -> None:
        if not listens.hears(self.listened.get(port, set()), host, port):
            place = httpd_sites.bracketed(host, port) if host else f"port {port}"
            raise RolloutError(f"{where}: Apache does not listen on {place}; name {port} in ports, with the others")

    def _carry_over(self) -> None:
        server, ledger = self.server, self.ledger
        key = f"edited {server.directory}"
        edited: t.Dict[str, t.List[t.Any]] = dict(ledger.notes.get(key, {}))
        wide: t.List[t.Tuple[str, str]] = []
        fresh: t.List[t.Tuple[str, str]] = []
        for path, text in server.texts.items():
            base, _lost = httpd_text.undo(text, edited.get(path, []))
            made = httpd_sites.Edit(base, [], [], [], [], [])
            if self.asked.mode != "ipv4":
                made = httpd_sites.carry_over(base, server.names[path][0], self.asked.ipv6_of, self.proxied)
            self.outcome.untranslated += made.untranslated
            self.outcome.warnings += made.opens
            wide += made.wide
            fresh += made.places if made.text != text else []
            for host, port in made.places:
                if port.isdigit() and not listens.hears(self.listened.get(int(port), set()), host, int(port)):
                    self.outcome.warnings.append(
                        f"{server.names[path][0]}: nothing listens on {httpd_sites.bracketed(host, port)}; "
                        f"name {port} in ports, with the others"
                    )
            if not made.changed and path not in edited:
                continue
            self.contents[path] = httpd_text.encode(made.text)
            if made.changed:
                edited[path] = [list(line) for line in made.changed]
                if made.text != text:
                    ledger.wrote(path, files.look(path), self.contents[path])
            else:
                del edited[path]
                ledger.files.pop(path, None)
        for host, port in dict.fromkeys(fresh):
            hidden = [where for where, other in wide if other in (port, "", "*") or port in ("", "*")]
            if hidden:
                self.outcome.warnings.append(
                    f"{httpd_sites.bracketed(host, port)}: the virtual hosts on * are not served there any more, as on "
                    f"its IPv4 address ({', '.join(hidden)}); a name of theirs with this AAAA record needs another one"
                )
        _keep(ledger, key, edited)

    def _drop_in(self) -> None:
        server, ledger, asked = self.server, self.ledger, self.asked
        other = httpd_sites.takes_proxy_protocol({server.names[path][0]: text for path, text in server.texts.items()})
        text = httpd_values.drop_in(asked, self.proxied.ports if self.proxied else (), not other)
        if asked.proxy and other:
            self.outcome.warnings.append(
                f"{other} takes the PROXY protocol too, and Apache has one list of who must not send it; so a site "
                f"with <If> and Require inside could serve a forged address on {asked.proxy.address}: let only the "
                "proxies in at the firewall"
            )
        path = f"{server.directory}/sites-available/{DROP_IN}"
        if text:
            if not any(_SITES.search(found) for found in server.texts.values()):
                raise RolloutError(
                    f"config_directory: apache2.conf of {server.directory} does not read sites-enabled/*"
                )
            self.contents[path] = httpd_text.encode(text)
            self._link("sites", DROP_IN)
            if self.contents[path] != files.read(path):
                ledger.wrote(path, files.look(path), self.contents[path])
        elif path in ledger.files:
            before = ledger.before(path)
            self.contents[path] = before.content if before else None
            del ledger.files[path]
        ours: t.Dict[str, str] = dict(ledger.notes.get(f"links {server.directory}", {}))
        for name in httpd_values.MODULES if asked.proxy else ():
            for end in ("load", "conf"):
                wanted = (
                    f"{name}_module" not in server.modules or f"{server.directory}/mods-enabled/{name}.{end}" in ours
                )
                if wanted and os.path.exists(f"{server.directory}/mods-available/{name}.{end}"):
                    self._link("mods", f"{name}.{end}")
        for here in ours:
            self.links.setdefault(here, "")
        _keep(ledger, f"links {server.directory}", {here: led for here, led in self.links.items() if led})

    def _link(self, kind: str, name: str) -> None:
        """Have a file read by a link as a2ensite writes it; an absolute one where the folder is a link itself."""
        there = f"{self.server.directory}/{kind}-available/{name}"
        enabled = f"{self.server.directory}/{kind}-enabled"
        near = os.path.realpath(f"{enabled}/../{kind}-available") == os.path.realpath(os.path.dirname(there))
        self.links[f"{enabled}/{name}"] = f"../{kind}-available/{name}" if near else there


def _keep(ledger: files.Ledger, key: str, value: t.Mapping[str, t.Any]) -> None:
    if value:
        ledger.notes[key] = dict(value)
    else:
        ledger.notes.pop(key, None)


def present(given: t.Mapping[str, t.Any], directory: str, really: bool) -> Outcome:
    """Make Apache listen as a mode says, and its sites say of IPv6 what they say of IPv4."""
    outcome = Outcome()
    asked = httpd_values.wish(given)
    if not installed():
        outcome.needs_package = "apache2"
        return outcome
    outcome.warnings = _must_be_here(asked, really)
    server = Server(directory)
    ledger = files.Ledger(LEDGER)
    plan = _Plan(server, asked, ledger, outcome)
    Work(server, Change(plan.contents, plan.links), ledger, files.Ledger(LEDGER)).apply(outcome, really)
    outcome.elsewhere = [f"{entry.place}: Listen {entry.spec}" for entry in server.elsewhere]
    owned = _conffiles() if outcome.files else set()
    outcome.distribution = [path for path in outcome.files if path in owned]
    for entry in server.elsewhere:
        if (
            entry.address == listens.ANY4
            and asked.mode != "ipv4"
            and (listens.ANY6, entry.port) not in server.listening()
        ):
            outcome.warnings.append(f"{entry.place}: Listen {entry.spec} serves IPv4 only; it is not edited here")
    return outcome


def _conffiles() -> t.Set[str]:
    """Return the configuration files that packages brought, of which dpkg asks when they were edited."""
    found: t.Set[str] = set()
    for path in glob.glob(CONFFILES):
        found.update((files.read(path) or b"").decode(errors="replace").split())
    return found


def absent(directory: str, really: bool) -> Outcome:
    """Give everything back: byte for byte, or line by line where somebody has edited a file since."""
    ledger = files.Ledger(LEDGER)
    outcome = Outcome()
    keys = [f"{kind} {directory}" for kind in ("edited", "links", "pending")] + [f"{directory}/ports.conf"]
    if not any(key in ledger.notes for key in keys) and f"{directory}/ports.conf" not in ledger.files:
        return outcome
    edited: t.Dict[str, t.List[t.Any]] = ledger.notes.get(keys[0], {})
    change = _former(directory, ledger, edited, outcome.warnings)
    if installed() and files.read(f"{directory}/ports.conf") is not None:
        Work(Server(directory), change, ledger, files.Ledger(LEDGER)).apply(outcome, really)
    else:
        outcome.warnings.append(f"{directory}: Apache is gone, so its files went back without a test")
        if really:
            Work.put({path: (content, files.look(path)) for path, content in change.files.items()}, change.links)
    if really:
        for path in [*edited, f"{directory}/ports.conf", f"{directory}/sites-available/{DROP_IN}"]:
            ledger.files.pop(path, None)
        for key in keys:
            ledger.notes.pop(key, None)
        ledger.save()
    return outcome


def _former(
    directory: str, ledger: files.Ledger, edited: t.Mapping[str, t.Sequence[t.Any]], warnings: t.List[str]
) -> Change:
    """Return what was there before."""
    contents: t.Dict[str, t.Optional[bytes]] = {}
    ports = f"{directory}/ports.conf"
    now, before = files.read(ports), ledger.before(ports)
    notes: Notes = ledger.notes.get(ports, {"ports": [], "hosts": [], "edited": False})
    if now is not None and before is not None and before.content is not None:
        whole = now == before.content or (ledger.untouched(ports) and not notes["edited"])
        contents[ports] = before.content if whole else _single(ports, now, before.content, notes, warnings)
    for path, lines in edited.items():
        now, before = files.read(path), ledger.before(path)
        if now is None or before is None:
            warnings.append(
                f"{path} is gone; where its text went, the IPv6 addresses that were written here are still in it"
            )
            continue
        text, lost = httpd_text.undo(httpd_text.decode(now), [(line[0], line[1], line[2]) for line in lines])
        contents[path] = httpd_text.encode(text)
        if lost:
            warnings.append(f"{path} was edited since: {', '.join(lost)} went back already, or was changed")
        elif contents[path] != before.content:
            warnings.append(f"{path} was edited since: only the lines that were written here went back")
    path = f"{directory}/sites-available/{DROP_IN}"
    before = ledger.before(path)
    if before is not None and ledger.untouched(path):
        contents[path] = before.content
    elif before is not None and files.read(path) is not None:
        warnings.append(f"{path} was edited since: it stays, but Apache does not read it any more")
    ours: t.Dict[str, str] = ledger.notes.get(f"links {directory}", {})
    return Change(contents, {here: "" for here, led in ours.items() if link_at(here) == led})


def _single(file: str, now: bytes, old: bytes, notes: t.Mapping[str, t.Any], warnings: t.List[str]) -> bytes:
    """Give back the Listen lines of the ports that still are as we wrote them."""
    text = httpd_text.decode(now)
    former = listens.parse(httpd_text.decode(old), file)
    back = []
    for port in notes["ports"]:
        written = {entry.address for entry in listens.parse(text, file) if entry.port == port}
        if written == set(notes["hosts"]):
            hosts = list(dict.fromkeys(entry.address for entry in former if entry.port == port))
            text = listens.edit(text, file, hosts, [port]).text
            back.append(str(port))
    warnings.append(f"{file} was edited since: only the Listen lines of {', '.join(back) or 'no port'} went back")
    return httpd_text.encode(text)
