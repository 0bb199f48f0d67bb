# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module postfix on files, with a Postfix that is only played."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    files,
    mail_tables,
    main_cf,
    postfix,
    postfix_back,
    postfix_server,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils import postfix_played
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.postfix_played import (
    ADDRESS,
    ALL,
    MAIN,
    MASTER,
    everything,
    present,
    sending,
)


@pytest.fixture(name="played")
def _played(tmp_path, monkeypatch):
    return postfix_played.play(tmp_path, monkeypatch)


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
    gone = postfix_back.absent(played.directory, False)
    assert gone.changed and everything(played.directory) == now
    gone = postfix_back.absent(played.directory, True)
    assert gone.restarted and not gone.warnings
    assert everything(played.directory) == before
    assert not os.path.exists(f"{tmp_path}/var")
    assert not postfix_back.absent(played.directory, True).changed


def test_the_tables_of_before_come_back_with_their_index(played):
    for name, content in (("clients", b"a b\n"), ("clients.db", b"made long ago")):
        files.write(f"{played.directory}/{name}", content, 0o600, os.getuid(), os.getgid())
    before = everything(played.directory)
    present(played, **ALL)
    assert everything(played.directory)["clients"][1] == before["clients"][1]
    postfix_back.absent(played.directory, True)
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
    outcome = postfix_back.absent(played.directory, True)
    assert "nets was edited since" in " ".join(outcome.warnings)
    assert "clients stays, since main.cf" in " ".join(outcome.warnings)
    assert files.read(f"{played.directory}/nets") == b"2001:db8::/33 OK\n"


def test_where_somebody_has_edited_only_our_part_goes(played):
    present(played, **ALL)
    for name in ("main.cf", "master.cf"):
        text = files.read(f"{played.directory}/{name}").decode()
        files.write(f"{played.directory}/{name}", (text + "# theirs\n").encode(), 0o640, os.getuid(), os.getgid())
    outcome = postfix_back.absent(played.directory, True)
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
    postfix_back.absent(played.directory, True)
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
    postfix_back.absent(played.directory, True)
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
    outcome = postfix_back.absent(played.directory, True)
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
