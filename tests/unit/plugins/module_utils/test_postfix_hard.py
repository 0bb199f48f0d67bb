# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module postfix where users, other programs and bad luck get in its way."""

from __future__ import annotations

import os

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    files,
    master_cf,
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

BOTH = {"inet_protocols": "all"}


@pytest.fixture(name="played")
def _played(tmp_path, monkeypatch):
    return postfix_played.play(tmp_path, monkeypatch)


@pytest.mark.parametrize("records", [None, {}, {"names": [], "why": [], "unknown": []}])
def test_nothing_known_is_not_confirmed(played, records):
    given = {"mode": "confirmed", "address": ADDRESS, "records": records}
    assert not present(played, parameters=BOTH, sending=given).sending["ipv6"]


def test_the_address_that_was_confirmed_is_the_one_that_is_used(played):
    with pytest.raises(RolloutError, match="smtp_bind_address6"):
        present(
            played, parameters={**BOTH, "smtp_bind_address6": ADDRESS}, sending={**sending(), "address": "2001:db8::99"}
        )


def test_a_new_service_that_sends_waits_too(played):
    given = {"parameters": BOTH, "master": {"smtp6/unix": "smtp6 unix - - y - - smtp"}, "sending": sending("never")}
    present(played, **given)
    text = files.read(f"{played.directory}/master.cf").decode()
    assert master_cf.find(text, "smtp6/unix").value("inet_protocols") == "ipv4"
    assert not present(played, **given).changed
    postfix_back.absent(played.directory, True)
    assert files.read(f"{played.directory}/master.cf").decode() == MASTER


@pytest.mark.parametrize("mode", ["never", "confirmed"])
def test_a_whole_service_and_its_overrides_are_the_same_the_second_time(played, mode):
    given = {
        "parameters": BOTH,
        "master": {"smtp/unix": "smtp unix - - y - - smtp -o relayhost=a", "retry/unix": "retry unix - - y - - error"},
        "services": {"smtp/unix": {"relayhost": "b"}, "retry/unix": {"relayhost": "x"}},
        "sending": sending(mode),
    }
    assert present(played, **given).services
    now = everything(played.directory)
    again = present(played, **given)
    assert (again.changed, again.services, everything(played.directory)) == (False, {}, now)
    postfix_back.absent(played.directory, True)
    assert files.read(f"{played.directory}/master.cf").decode() == MASTER


def test_a_user_who_lets_a_service_send_is_told(played):
    outcome = present(
        played, parameters=BOTH, services={"smtp/unix": {"inet_protocols": "all"}}, sending=sending("never")
    )
    assert any("smtp/unix has inet_protocols=all" in told for told in outcome.warnings)


def test_a_service_that_does_not_send_is_told(played):
    text = MASTER.replace("       smtp\n", "       smtp -o inet_protocols=ipv4\n", 1)
    files.write(f"{played.directory}/master.cf", text.encode(), 0o644, os.getuid(), os.getgid())
    outcome = present(played, parameters=BOTH, sending=sending())
    assert any("smtp/unix has inet_protocols=ipv4" in told for told in outcome.warnings)


def test_an_interrupted_run_is_no_edit(played, tmp_path):
    before = everything(played.directory)
    present(played, **ALL)
    for name, (content, mode) in before.items():
        files.write(f"{played.directory}/{name}", content, mode & 0o7777, os.getuid(), os.getgid())
    for name in ("clients", "clients.db", "nets"):
        files.remove(f"{played.directory}/{name}")
    outcome = postfix_back.absent(played.directory, True)
    assert not outcome.warnings and everything(played.directory) == before
    assert not os.path.exists(f"{tmp_path}/var")


def test_a_file_that_can_not_be_written_takes_the_others_back(played, tmp_path):
    os.symlink("/dev/null", f"{played.directory}/nets")
    before = everything(played.directory)
    with pytest.raises(RolloutError, match="no regular file"):
        present(played, **ALL)
    assert everything(played.directory) == before
    assert not os.path.exists(f"{tmp_path}/var")


@pytest.mark.parametrize(
    "name", ["postfix-script", "post-install", "postfix-files", "sasl", "makedefs.out", "dynamicmaps.cf.d"]
)
def test_a_table_is_none_of_postfixs_own(played, name):
    if name in ("sasl",):
        os.mkdir(f"{played.directory}/{name}")
    with pytest.raises(RolloutError, match=r"tables.*choose another name"):
        present(played, tables=[{"name": name, "type": "hash", "entries": {"a": "b"}}])


def test_secrets_of_before_are_in_no_diff(played):
    files.write(f"{played.directory}/clients", b"[2001:db8::1] user:secret\n", 0o600, os.getuid(), os.getgid())
    for really in (False, True):
        outcome = present(played, really, **ALL)
        assert "user:secret" not in str(outcome.texts)
    outcome = postfix_back.absent(played.directory, True)
    assert files.read(f"{played.directory}/clients").endswith(b"user:secret\n")
    assert "user:secret" not in str(outcome.texts)


@pytest.mark.parametrize("prefix", ["2000::/3", "::/1", "8000::/1", "0.0.0.0/1", "::ffff:0:0/96", "::ffff:0.0.0.0/97"])
def test_half_the_world_is_not_trusted(played, prefix):
    with pytest.raises(RolloutError, match="trusted_networks"):
        present(played, trusted_networks=[prefix])


@pytest.mark.parametrize(
    "value", ["[::]/0", "127.0.0.0/8 0.0.0.0/0", "[2000::]/3", "$relayhost [::]/0", "$relayhost ::1/128"]
)
def test_nor_by_a_parameter(played, value):
    with pytest.raises(RolloutError, match="mynetworks"):
        present(played, parameters={"mynetworks": value})


def test_a_whole_service_is_checked_like_an_override(played):
    line = "2525 inet n - y - - smtpd -o mynetworks=2001:db8::/32"
    with pytest.raises(RolloutError, match="lacks its brackets"):
        present(played, master={"2525/inet": line})


def test_the_queue_is_not_left_behind(played):
    played.refuses = "/var/spool/other"  # the checker would make it
    with pytest.raises(RolloutError, match="would stay behind"):
        present(played, parameters={"queue_directory": "/var/spool/other"})


def test_another_way_to_write_the_same_does_not_restart(played):
    text = MAIN.replace("= ipv4", "= ipv6, ipv4")
    files.write(f"{played.directory}/main.cf", text.encode(), 0o640, os.getuid(), os.getgid())
    played.sockets = {("0.0.0.0", 25), ("::", 25)}
    for words in ("ipv4", "all"):
        assert present(played, parameters={"inet_protocols": words}).restarted
    outcome = postfix_back.absent(played.directory, True)
    assert outcome.reloaded and not outcome.restarted
    assert files.read(f"{played.directory}/main.cf").decode() == text


@pytest.mark.parametrize(
    "given",
    [
        {"parameters": {"relayhost": "\ud800"}},
        {"tables": [{"name": "a", "entries": {"a": "\ud800"}}]},
        {"services": {"smtp/unix": {"relayhost": "\ud800"}}},
    ],
)
def test_what_is_no_text_is_refused(played, given):
    with pytest.raises(RolloutError):
        present(played, **given)


def test_without_the_package_the_names_are_right(played):
    played.there = False
    outcome = present(played, **ALL)
    assert outcome.tables["nets"]["map"] == f"cidr:{played.directory}/nets"
    assert outcome.services["2525/inet"][""]["after"] == "2525 inet n - y - - smtpd"


def test_the_index_of_another_type_goes_too(played):
    before = everything(played.directory)
    for kind in ("hash", "cidr"):
        present(played, tables=[{"name": "nets", "type": kind, "entries": {"192.0.2.1": kind}}])
    assert not postfix_back.absent(played.directory, True).warnings
    assert everything(played.directory) == before


def test_an_index_of_somebody_elses_table_goes_alone(played):
    present(played, **ALL)
    text = files.read(f"{played.directory}/clients")
    postfix_back.absent(played.directory, True)
    files.write(f"{played.directory}/clients", text, 0o644, os.getuid(), os.getgid())
    before = everything(played.directory)
    present(played, **ALL)
    postfix_back.absent(played.directory, True)
    assert everything(played.directory) == before


@pytest.mark.parametrize("back", [False, True])
def test_a_run_that_was_stopped_before_the_reload_is_ended_by_the_next(played, monkeypatch, back):
    given = {"services": {"retry/unix": {"relayhost": "x"}}}

    def killed(_server):
        raise KeyboardInterrupt

    def run(really=True):
        return postfix_back.absent(played.directory, really) if back else present(played, really, **given)

    if back:
        present(played, **given)
        played.said.clear()
    with monkeypatch.context() as broken:
        broken.setattr(postfix_server.Server, "reload", killed)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert run(False).reloaded
    again = run()
    assert again.changed and again.reloaded and played.said == ["reload"]
    assert not run().changed


def test_an_address_in_another_form_is_the_same(played):
    given = {"parameters": {**BOTH, "smtp_bind_address6": "[2001:DB8::25]"}}
    assert present(played, **given, sending=sending()).sending["ipv6"]
    silent = present(played, **given, sending=sending(names=[], unknown=["no answer"]))
    assert silent.sending["ipv6"] and not silent.changed


@pytest.mark.parametrize(
    ("style", "networks", "told"),
    [("subnet", None, True), ("class", None, True), ("host", None, False), ("subnet", "[::1]/128", False)],
)
def test_who_trusts_the_whole_link_is_told(played, style, networks, told):
    more = {} if networks is None else {"mynetworks": networks}
    outcome = present(played, parameters={**BOTH, **more, "mynetworks_style": style})
    assert any("mynetworks_style" in text for text in outcome.warnings) is told
    assert not present(played, parameters={"inet_protocols": "ipv4"}).warnings
