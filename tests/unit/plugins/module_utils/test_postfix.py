# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module postfix on files, with a Postfix that is only played."""

from __future__ import annotations

import functools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    mail_tables,
    main_cf,
    master_cf,
    postfix,
    postfix_server,
    sockets,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

MAIN = """\
# ours
myhostname = mail1.example.com
inet_protocols = ipv4
"""
MASTER = """\
smtp      inet  n       -       y       -       -       smtpd
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
retry     unix  -       -       y       -       -       error
"""
DEFAULTS = {
    "inet_protocols": "all",
    "inet_interfaces": "all",
    "smtp_helo_name": "",
    "smtp_connect_timeout": "30s",
    "smtp_bind_address6": "",
    "smtp_bind_address_enforce": "no",
    "smtp_address_preference": "any",
    "relayhost": "",
    "mynetworks": "",
    "smtpd_client_restrictions": "",
}
ADDRESS = "2001:db8::25"
GOOD = {"names": ["mail1.example.com"], "why": [], "unknown": []}


class Played:
    """Postfix as far as the module can tell."""

    def __init__(self, directory):
        self.directory = directory
        self.said = []
        self.there = self.running = True
        self.refuses = self.fails = None
        self.sockets = {("0.0.0.0", 25)}

    def main(self, directory):
        """Return the effective parameters."""
        found = {**DEFAULTS, **main_cf.values((files.read(f"{directory}/main.cf") or b"").decode())}
        return {**found, "smtp_helo_name": found["smtp_helo_name"] or found["myhostname"]}

    def run(self, argv, *_given):
        """Play postconf and postmap."""
        argv = list(argv)
        directory = argv[2] if "-c" in argv else self.directory
        values = self.main(directory)
        if argv[0] == "postmap":
            kind, _colon, path = argv[-1].partition(":")
            text = files.read(path)
            if b"broken" in text:
                return commands.Result(0, "", f"postmap: warning: {path}, line 2: broken\n")
            if "-q" not in argv:
                files.write(f"{path}{mail_tables.INDEX[kind]}", b"index of " + text)
            return commands.Result(0, "", "")
        if argv[0] != "postconf":
            return commands.Result(1, "", "")
        if "-m" in argv:
            return commands.Result(0, "btree\ncidr\nhash\ntexthash\n", "")
        if "-hx" in argv:
            return commands.Result(0, "".join(f"{values.get(name, '')}\n" for name in argv[4:]), "")
        if "-hd" in argv:
            return commands.Result(0, "3.7.11\n", "")
        if "-d" in argv:
            known = [name for name in argv[4:] if name in DEFAULTS]
            return commands.Result(0, "".join(f"{name} = {DEFAULTS[name]}\n" for name in known), "")
        unused = [name for name in values if name not in DEFAULTS and name != "myhostname"]
        return commands.Result(0, "", "".join(f"warning: main.cf: unused parameter: {name}=x\n" for name in unused))

    def spoken(self, argv, timeout=60.0):
        """Play postfix(1)."""
        directory, what = argv[2], argv[3]
        text = (files.read(f"{directory}/main.cf") or b"").decode()
        if what in ("check", "status"):
            bad = self.refuses and self.refuses in text
            return commands.Result(1, "", f"fatal: {self.refuses}\n") if bad else commands.Result(0, "", "")
        self.said.append(what)
        if what in ("reload", "start"):
            words = self.main(directory)["inet_protocols"]
            if what == "start":
                wide = {4: "0.0.0.0", 6: "::"}
                self.sockets = {(wide[family], 25) for family in main_cf.families(words)}
            master = (files.read(f"{directory}/master.cf") or b"").decode()
            hosts = {host for host, _port in self.sockets}
            self.sockets = {(host, port) for host in hosts for port in master_cf.ports(master)}
            self.running = not (self.fails and self.fails in text)
        return commands.Result(0, "", "")


@pytest.fixture(name="played")
def _played(tmp_path, monkeypatch):
    directory = f"{tmp_path}/etc/postfix"
    os.makedirs(directory)
    files.write(f"{directory}/main.cf", MAIN.encode(), 0o640, os.getuid(), os.getgid())
    files.write(f"{directory}/master.cf", MASTER.encode(), 0o644, os.getuid(), os.getgid())
    played = Played(directory)
    monkeypatch.setattr(files, "Ledger", functools.partial(files.Ledger, folder=f"{tmp_path}/var"))
    monkeypatch.setattr(commands, "run", played.run)
    monkeypatch.setattr(commands, "found", lambda program: f"/sbin/{program}" if played.there else None)
    monkeypatch.setattr(postfix_server, "spoken", played.spoken)
    monkeypatch.setattr(postfix_server, "WAIT", 0.2)
    monkeypatch.setattr(postfix_server, "kernel_has_ipv6", lambda: True)
    monkeypatch.setattr(postfix_server, "has_ipv4_route", lambda: True)
    monkeypatch.setattr(sockets, "daemon", lambda *_given: 7 if played.running else 0)
    monkeypatch.setattr(sockets, "listening", lambda _pid: set(played.sockets))
    monkeypatch.setattr(sockets, "taken", lambda *_given: [])
    monkeypatch.setattr(sockets, "is_local", lambda address: address == ADDRESS)
    monkeypatch.setattr(sockets, "wait", lambda reached, *_given: reached())
    return played


def everything(directory):
    """Return every file with its mode."""
    return {
        name: (files.read(f"{directory}/{name}"), os.stat(f"{directory}/{name}").st_mode)
        for name in sorted(os.listdir(directory))
    }


def present(played, really=True, **given):
    """Run the module."""
    return postfix.present(given, played.directory, really)


def sending(mode="confirmed", **records):
    """Return what the controller sends along."""
    return {"mode": mode, "address": ADDRESS, "records": {**GOOD, **records}}


ALL = {
    "parameters": {"inet_protocols": "all", "smtpd_client_restrictions": "check_client_access hash:/x/clients"},
    "trusted_networks": ["2001:db8::/64"],
    "tables": [
        {"name": "clients", "type": "hash", "entries": {"[2001:DB8::1]": "OK"}},
        {"name": "nets", "type": "cidr", "entries": {"2001:db8::/32": "OK"}},
    ],
    "services": {"retry/unix": {"relayhost": "[2001:db8::9]"}},
    "master": {"2525/inet": "2525 inet n - y - - smtpd"},
    "sending": sending(),
}


def test_everything_comes_and_goes(played, tmp_path):
    before = everything(played.directory)
    predicted = present(played, really=False, **ALL)
    assert everything(played.directory) == before and not played.said and predicted.changed
    done = present(played, **ALL)
    assert (done.parameters, done.services, done.restarted) == (
        predicted.parameters,
        predicted.services,
        predicted.restarted,
    )
    assert done.listening == predicted.listening == ["0.0.0.0:25", "[::]:25", "0.0.0.0:2525", "[::]:2525"]
    assert done.texts == predicted.texts
    assert played.said == ["stop", "start"]
    assert sorted(everything(played.directory)) == ["clients", "clients.db", "main.cf", "master.cf", "nets"]
    assert files.read(f"{played.directory}/clients").endswith(b"\n2001:db8::1 OK\n")
    assert done.tables["clients"] == {"map": f"hash:{played.directory}/clients", "changed": True}
    now = everything(played.directory)
    again = present(played, **ALL)
    assert not again.changed and not again.texts and everything(played.directory) == now
    assert played.said == ["stop", "start"]
    gone = postfix.absent(played.directory, False)
    assert gone.changed and everything(played.directory) == now
    gone = postfix.absent(played.directory, True)
    assert gone.restarted and not gone.warnings
    assert everything(played.directory) == before
    assert not os.path.exists(f"{tmp_path}/var")
    assert not postfix.absent(played.directory, True).changed


def test_the_tables_of_before_come_back_with_their_index(played):
    for name, content in (("clients", b"a b\n"), ("clients.db", b"made long ago")):
        files.write(f"{played.directory}/{name}", content, 0o600, os.getuid(), os.getgid())
    before = everything(played.directory)
    present(played, **ALL)
    assert everything(played.directory)["clients"][1] == before["clients"][1]
    postfix.absent(played.directory, True)
    assert everything(played.directory) == before


def test_a_missing_or_old_index_is_made_anew(played):
    present(played, **ALL)
    files.remove(f"{played.directory}/clients.db")
    assert present(played, **ALL).changed
    os.utime(f"{played.directory}/clients.db", (1, 1))
    assert present(played, **ALL).changed
    assert not present(played, **ALL).changed


def test_a_table_that_somebody_edited_or_still_names_stays(played):
    present(played, **ALL)
    files.write(f"{played.directory}/nets", b"2001:db8::/33 OK\n", 0o644, os.getuid(), os.getgid())
    text = files.read(f"{played.directory}/main.cf").replace(
        b"check_client_access hash:", b"check_client_access btree:"
    )
    files.write(f"{played.directory}/main.cf", text, 0o640, os.getuid(), os.getgid())
    outcome = postfix.absent(played.directory, True)
    assert "nets was edited since" in " ".join(outcome.warnings)
    assert "clients stays, since main.cf" in " ".join(outcome.warnings)
    assert files.read(f"{played.directory}/nets") == b"2001:db8::/33 OK\n"


def test_where_somebody_has_edited_only_our_part_goes(played):
    present(played, **ALL)
    for name in ("main.cf", "master.cf"):
        text = files.read(f"{played.directory}/{name}").decode()
        files.write(f"{played.directory}/{name}", (text + "# theirs\n").encode(), 0o640, os.getuid(), os.getgid())
    outcome = postfix.absent(played.directory, True)
    assert len(outcome.warnings) == 2
    assert files.read(f"{played.directory}/main.cf").decode() == MAIN + "# theirs\n"
    assert files.read(f"{played.directory}/master.cf").decode() == MASTER + "# theirs\n"


def test_sending_over_ipv6_waits_for_the_dns(played):
    both = {"inet_protocols": "all"}
    first = present(played, parameters=both, sending=sending(names=["ipv6.mail1.example.com"]))
    assert first.restarted and not first.sending["ipv6"]
    assert first.services == {
        name: {"inet_protocols": {"before": None, "after": "ipv4"}} for name in ("smtp/unix", "relay/unix")
    }
    assert "leads to ipv6.mail1.example.com" in first.warnings[0]
    again = present(played, parameters=both, sending=sending(names=["ipv6.mail1.example.com"]))
    assert not again.changed and again.warnings == first.warnings
    second = present(played, parameters=both, sending=sending())
    assert second.sending["ipv6"] and second.reloaded and not second.restarted and not second.warnings
    assert files.read(f"{played.directory}/master.cf").decode() == MASTER
    assert main_cf.values(files.read(f"{played.directory}/main.cf").decode())["smtp_bind_address6"] == ADDRESS
    silent = present(played, parameters=both, sending=sending(names=[], unknown=["no answer"]))
    assert not silent.changed and silent.sending["ipv6"] and "goes on" in silent.warnings[0]
    third = present(played, parameters=both, sending=sending("never"))
    assert third.reloaded and not third.sending["ipv6"] and not third.warnings
    postfix.absent(played.directory, True)
    assert files.read(f"{played.directory}/main.cf").decode() == MAIN


def test_the_helo_name_that_is_being_set_counts(played):
    name = "mail.example.org"
    given = {"parameters": {"inet_protocols": "all", "smtp_helo_name": name}}
    assert present(played, False, **given, sending=sending(names=[name])).sending["ipv6"]
    assert not present(played, False, **given, sending=sending()).sending["ipv6"]


def test_an_override_of_somebody_else_stays(played):
    text = MASTER.replace("       smtp\n", "       smtp -o inet_protocols=ipv6\n", 1)
    files.write(f"{played.directory}/master.cf", text.encode(), 0o644, os.getuid(), os.getgid())
    outcome = present(played, parameters={"inet_protocols": "all"}, sending=sending("never"))
    assert list(outcome.services) == ["relay/unix"]
    assert any("smtp/unix has inet_protocols=ipv6 of its own" in told for told in outcome.warnings) is True
    outcome = present(played, parameters={"inet_protocols": "all"}, sending=sending())
    assert files.read(f"{played.directory}/master.cf").decode() == text


def test_a_null_takes_an_override_out_and_absent_gives_it_back(played):
    text = MASTER.replace("       error\n", "       error -o relayhost=x\n")
    files.write(f"{played.directory}/master.cf", text.encode(), 0o644, os.getuid(), os.getgid())
    outcome = present(played, services={"retry/unix": {"relayhost": None}})
    assert outcome.services == {"retry/unix": {"relayhost": {"before": "x", "after": None}}}
    assert files.read(f"{played.directory}/master.cf").decode() == MASTER
    assert not present(played, services={"retry/unix": {"relayhost": None}}).changed
    postfix.absent(played.directory, True)
    assert files.read(f"{played.directory}/master.cf").decode() == text


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"parameters": {"inet_protocols": "ipv6"}}, "allow_ipv6_only"),
        ({"parameters": {"no_such": "1"}}, "this Postfix 3.7.11 has no such parameter, and no other"),
        ({"parameters": {"smtpd_client_ipv6_prefix_length": "64"}}, r"no such parameter \(it came with 3\.8\)"),
        ({"parameters": {"smtp_connect_timeout": "soon"}}, "is no time"),
        ({"parameters": {"mynetworks": "::1/128"}}, "lacks its brackets"),
        ({"parameters": {"smtp_bind_address6": "2001:db8::26"}}, "is no address of this host"),
        ({"parameters": {"mynetworks": ""}, "trusted_networks": ["2001:db8::/64"]}, "write one of them"),
        ({"services": {"nosuch/unix": {"relayhost": "x"}}}, "master.cf has no such service"),
        ({"services": {"smtp/unix": {"no_such": "x"}}}, "services: no_such: this Postfix 3.7.11 has no such"),
        ({"services": {"smtp/unix": {"inet_protocols": "ipv5"}}}, "none of all, ipv4, ipv6"),
        ({"services": {"smtp/unix": {"mynetworks": "::1"}}}, "lacks its brackets"),
        ({"tables": [{"name": "a", "type": "lmdb"}]}, "has no lmdb .it has btree, cidr"),
        ({"tables": [{"name": "a", "entries": {"a": "broken"}}]}, "postmap refuses it: .*line 2: broken"),
        ({"tables": [{"name": "a", "type": "cidr", "entries": {"::/0": "broken"}}]}, "line 2: broken"),
    ],
)
def test_what_is_refused_changes_nothing(played, tmp_path, given, why):
    before = everything(played.directory)
    for really in (True, False):
        if not really and "no address of this host" in why:
            assert present(played, really, **given).warnings  # the address comes in an earlier step
            continue
        with pytest.raises(RolloutError, match=why):
            present(played, really, **given)
    assert everything(played.directory) == before
    assert not played.said and not os.path.exists(f"{tmp_path}/var")


def test_ipv6_only_wants_to_be_told_and_confirmed(played):
    given = {"parameters": {"inet_protocols": "ipv6"}, "allow_ipv6_only": True}
    with pytest.raises(RolloutError, match="over IPv6 only, and must not: no PTR"):
        present(played, **given, sending=sending(names=[], why=["no PTR"]))
    assert present(played, **given, sending=sending("always")).sending["ipv6"]


def test_a_host_without_ipv4_wants_to_be_told_too(played, monkeypatch):
    monkeypatch.setattr(postfix_server, "has_ipv4_route", lambda: False)
    both = {"inet_protocols": "all"}
    with pytest.raises(RolloutError, match="over IPv6 only, and must not: no PTR"):
        present(played, parameters=both, sending=sending(names=[], why=["no PTR"]))
    assert present(played, parameters=both, sending=sending()).sending["ipv6"]
    assert not present(played, parameters={"inet_protocols": "ipv4"}, sending=sending()).sending["ipv6"]


def test_what_postfix_refuses_is_never_live(played):
    played.refuses = "relayhost = x"
    with pytest.raises(RolloutError, match="nothing was changed: fatal"):
        present(played, parameters={"relayhost": "x"})
    assert files.read(f"{played.directory}/main.cf").decode() == MAIN


def test_what_was_broken_before_is_named(played):
    played.refuses = "# ours"
    with pytest.raises(RolloutError, match="that is there now: fatal"):
        present(played, parameters={"relayhost": "x"})
    assert not played.said


def test_what_does_not_start_goes_back(played, tmp_path):
    before = everything(played.directory)
    played.fails = "inet_protocols = all"
    with pytest.raises(RolloutError, match=r"main\.cf is as it was, and Postfix runs with it"):
        present(played, **ALL)
    assert everything(played.directory) == before
    assert played.sockets == {("0.0.0.0", 25)} and played.running
    assert not os.path.exists(f"{tmp_path}/var")


def test_a_half_that_a_reload_left_is_put_right(played):
    played.sockets = {("0.0.0.0", 25), ("::", 25)}
    outcome = present(played, parameters={"inet_protocols": "ipv4"})
    assert outcome.changed and outcome.restarted and not outcome.parameters
    assert played.sockets == {("0.0.0.0", 25)}


def test_one_that_is_stopped_stays_so(played):
    played.running, played.sockets = False, set()
    outcome = present(played, **ALL)
    assert outcome.changed and not played.said and not outcome.running


def test_without_the_package_it_says_what_it_would_do(played, tmp_path):
    played.there = False
    before = everything(played.directory)
    outcome = present(played, **ALL)
    assert outcome.changed and outcome.needs_package == "postfix"
    assert outcome.parameters["inet_protocols"] == {"before": None, "after": "all"}
    assert (outcome.listening, outcome.running, outcome.sending["ipv6"]) == ([], False, False)
    assert everything(played.directory) == before and not os.path.exists(f"{tmp_path}/var")
    with pytest.raises(RolloutError, match="lacks its brackets"):
        present(played, parameters={"mynetworks": "::1"})


def test_when_postfix_is_gone_only_our_tables_go(played):
    before = everything(played.directory)
    present(played, **ALL)
    played.there = False
    outcome = postfix.absent(played.directory, True)
    assert "Postfix is gone" in outcome.warnings[0]
    assert everything(played.directory) == before


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["2001:db8::/64", "hash"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["name"]), inner, max_size=3)
    ),
    max_leaves=8,
)
DICTIONARY = st.dictionaries(st.text() | st.sampled_from(["smtp/unix", "mynetworks", "inet_protocols"]), ANYTHING)
TABLE = st.fixed_dictionaries({"name": ANYTHING | st.just("x"), "entries": ANYTHING}, optional={"type": ANYTHING})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "parameters": DICTIONARY,
            "trusted_networks": st.lists(ANYTHING),
            "tables": st.lists(TABLE | ANYTHING),
            "services": DICTIONARY | st.dictionaries(st.just("smtp/unix"), DICTIONARY),
            "master": DICTIONARY,
            "sending": st.fixed_dictionaries({"mode": ANYTHING, "address": ANYTHING}),
        },
    )
)
def test_whatever_a_user_writes_is_taken_or_refused_in_words(given):
    try:
        wish = postfix.Wish(given)
    except RolloutError:
        return
    assert not [value for value in (*wish.parameters.values(), *wish.services.values()) if "\n" in value]
    for table in wish.tables:
        lines = table.text[len(mail_tables.HEADER) :].split("\n")
        assert lines[-1] == "" and all(line[0] not in " #" and " " in line for line in lines[:-1])
