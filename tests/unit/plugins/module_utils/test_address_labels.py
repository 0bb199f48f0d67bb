# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's labels: what changes, what is ours, the kernel's and somebody else's, and the way back."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels as labels
from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import TABLES

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
RFC = {row.prefix: row.label for row in TABLES["rfc6724"]}
SITE = "2001:db8:5::/48"


def test_only_what_differs_changes():
    plan = labels.plan(RFC, labels.KERNEL, {})
    assert sorted(plan.steps) == [("2001:10::/28", 7, None), ("2001::/32", 6, 5), ("fc00::/7", 5, 13)]
    # Those that were right already are noted too, for the day on which somebody removes them.
    assert plan.record == {**{p: (labels.KERNEL[p], label) for p, label in RFC.items()}, "2001:10::/28": (7, None)}
    assert (plan.kept, plan.replaced) == ([], [])
    held = labels.after(labels.KERNEL, plan.steps)
    assert held == RFC
    again = labels.plan(RFC, held, plan.record)
    assert (again.steps, again.record) == ([], plan.record)


CASES = [
    # what, wanted, held, record, held then, record then, kept, replaced
    ("a label of others is kept", {"::/0": 1}, {"::/0": 1, SITE: 9}, {},
     {"::/0": 1, SITE: 9}, {"::/0": (1, 1)}, [f"{SITE} label 9"], []),
    ("one that contradicts is replaced and named", {"::/0": 1, SITE: 3}, {"::/0": 1, SITE: 9}, {},
     {"::/0": 1, SITE: 3}, {"::/0": (1, 1), SITE: (9, 3)}, [], [f"{SITE} label 9: the policy says 3"]),
    ("one of the kernel is replaced without a word", {"::/0": 8}, {"::/0": 1}, {},
     {"::/0": 8}, {"::/0": (1, 8)}, [], []),
    ("one of ours is replaced without a word", {"::/0": 8}, {"::/0": 6}, {"::/0": (1, 6)},
     {"::/0": 8}, {"::/0": (1, 8)}, [], []),
    ("one of ours that left the policy goes", {"::/0": 1}, {"::/0": 1, SITE: 3}, {SITE: (None, 3)},
     {"::/0": 1}, {"::/0": (1, 1)}, [], []),
    ("what it had replaced comes back", {"::/0": 1}, {"::/0": 1, SITE: 3}, {SITE: (9, 3)},
     {"::/0": 1, SITE: 9}, {"::/0": (1, 1)}, [], []),
    ("what the kernel had there does not", {"::/0": 1}, {"::/0": 1, "fc00::/7": 13}, {"fc00::/7": (5, 13)},
     {"::/0": 1}, {"::/0": (1, 1), "fc00::/7": (5, None)}, [], []),
    ("one of ours that somebody changed is theirs", {"::/0": 1}, {"::/0": 1, SITE: 4}, {SITE: (None, 3)},
     {"::/0": 1, SITE: 4}, {"::/0": (1, 1), SITE: (None, 3)}, [f"{SITE} label 4"], []),
    ("a reboot brings a removed one of the kernel back", {"::/0": 1}, {"::/0": 1, "3ffe::/16": 12},
     {"3ffe::/16": (12, None)}, {"::/0": 1}, {"::/0": (1, 1), "3ffe::/16": (12, None)}, [], []),
    ("back at what was there, what was there stays noted", {"::/0": 1}, {"::/0": 8}, {"::/0": (1, 8)},
     {"::/0": 1}, {"::/0": (1, 1)}, [], []),
    ("one of others that left the policy is theirs", {"::/0": 1}, {"::/0": 1, SITE: 9}, {SITE: (9, 9)},
     {"::/0": 1, SITE: 9}, {"::/0": (1, 1)}, [f"{SITE} label 9"], []),
    ("one that somebody removed is still known", {"::/0": 1}, {}, {"::/0": (1, 1), "2002::/16": (2, 2), SITE: (9, 9)},
     {"::/0": 1}, {"::/0": (1, 1), "2002::/16": (2, None), SITE: (9, None)}, [], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "held", "record", "then", "record_then", "kept", "replaced"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_whose_a_label_is(wanted, held, record, then, record_then, kept, replaced):
    plan = labels.plan(wanted, held, record)
    assert labels.after(held, plan.steps) == then
    assert (plan.record, plan.kept, plan.replaced) == (record_then, kept, replaced)


BACK = [
    ("ours goes back", {SITE: 3}, {SITE: (9, 3)}, {SITE: 9}, []),
    ("ours goes", {SITE: 3}, {SITE: (None, 3)}, {}, []),
    ("a removed one comes back", {}, {"3ffe::/16": (12, None)}, {"3ffe::/16": 12}, []),
    ("after a reboot without our unit all is well", {"fc00::/7": 5}, {"fc00::/7": (5, 13)}, {"fc00::/7": 5}, []),
    ("a label of theirs that a reboot lost comes back", {"fc00::/7": 5}, {"fc00::/7": (9, 13)}, {"fc00::/7": 9}, []),
    ("what somebody set since stays", {SITE: 4}, {SITE: (9, 3)}, {SITE: 4}, [f"{SITE} label 4"]),
]


@pytest.mark.parametrize(
    ("held", "record", "then", "kept"), [case[1:] for case in BACK], ids=[case[0] for case in BACK]
)
def test_the_way_back(held, record, then, kept):
    plan = labels.plan_back(held, record)
    assert labels.after(held, plan.steps) == then
    assert (plan.record, plan.kept) == ({}, kept)


some = st.dictionaries(st.sampled_from([*labels.KERNEL, SITE, "2001:db8:6::/48"]), st.integers(0, 15))


@settings(max_examples=EXAMPLES, deadline=None)
@given(some, st.lists(some, min_size=1, max_size=4))
def test_any_policies_one_after_the_other_and_back(held, policies):
    before, record = dict(held), {}
    for wanted in policies:
        plan = labels.plan(wanted, held, record)
        held, record = labels.after(held, plan.steps), plan.record
        assert all(held[prefix] == label for prefix, label in wanted.items())
        # What is there beside the policy was there before, is not the kernel's, and is reported the next time.
        left = {prefix: label for prefix, label in held.items() if prefix not in wanted}
        assert left.items() <= before.items() - labels.KERNEL.items()
        again = labels.plan(wanted, held, record)
        assert (again.steps, again.record) == ([], record)
        assert again.kept == [f"{prefix} label {label}" for prefix, label in left.items()]
    back = labels.plan_back(held, record)
    assert labels.after(held, back.steps) == before
    assert back.kept == []


def test_the_unit_sets_every_row_and_removes_the_kernels_own():
    text = labels.unit(RFC).decode()
    assert re.findall(r"^ExecStart=ip addrlabel add prefix (\S+) label (\d+)$", text, re.MULTILINE) == [
        (prefix, str(label)) for prefix, label in RFC.items()
    ]
    # Each is deleted first, and a failure of that does not count.
    for prefix in [*RFC, "2001:10::/28"]:
        assert len(re.findall(rf"^ExecStart=-ip addrlabel del prefix {re.escape(prefix)} label \d+$", text, re.M)) == 1
    assert len(re.findall("^ExecStart=", text, re.M)) == 2 * len(RFC) + 1


class Kernel:
    """Stands for ``ip addrlabel``: it takes a batch up to the line that fails."""

    def __init__(self, held, fail_at=None, meddle=None):
        self.held, self.fail_at, self.meddle = dict(held), fail_at, meddle

    def see(self):
        return dict(self.held), []

    def run(self, argv, stdin=""):
        assert argv == ["ip", "-batch", "-"]
        for number, line in enumerate(stdin.splitlines()):
            _addrlabel, verb, _prefix, prefix, _label, label = line.split()
            if number == self.fail_at:
                self.fail_at = None
                return commands.Result(1, "", "RTNETLINK answers: Operation not permitted\nCommand failed -:1\n")
            if verb == "del":
                assert self.held.pop(prefix) == int(label)
            else:
                assert prefix not in self.held
                self.held[prefix] = int(label)
        if self.meddle:
            self.held.update(self.meddle)
            self.meddle = None
        return commands.Result(0, "", "")


@pytest.mark.parametrize("fail_at", [None, 0, 1, 2, 3, 4])
def test_labels_are_set_all_or_none(monkeypatch, fail_at):
    kernel = Kernel(labels.KERNEL, fail_at)
    monkeypatch.setattr(labels, "see", kernel.see)
    monkeypatch.setattr(labels.commands, "run", kernel.run)
    steps = labels.plan(RFC, labels.KERNEL, {}).steps
    if fail_at is None:
        labels.apply(steps)
        assert kernel.held == RFC
    else:
        with pytest.raises(RolloutError, match="are as they were: RTNETLINK answers: Operation not permitted"):
            labels.apply(steps)
        assert kernel.held == labels.KERNEL


def test_somebody_who_changes_them_at_the_same_time_is_noticed(monkeypatch):
    kernel = Kernel(labels.KERNEL, meddle={"fc00::/7": 66})
    monkeypatch.setattr(labels, "see", kernel.see)
    monkeypatch.setattr(labels.commands, "run", kernel.run)
    with pytest.raises(RolloutError, match="changed by somebody else at the same time"):
        labels.apply(labels.plan(RFC, labels.KERNEL, {}).steps)
    assert kernel.held == labels.KERNEL


REFUSED = [("PROC", "ipv6.disable=1"), ("SYSTEMD", "it does not run here")]


@pytest.mark.parametrize(("missing", "said"), REFUSED)
def test_a_host_that_cannot_keep_labels_is_refused(monkeypatch, tmp_path, missing, said):
    for name in ("PROC", "SYSTEMD"):
        monkeypatch.setattr(labels, name, str(tmp_path))
    monkeypatch.setattr(labels.commands, "found", lambda program: f"/sbin/{program}")
    labels.refuse()
    monkeypatch.setattr(labels, missing, str(tmp_path / "none"))
    with pytest.raises(RolloutError, match=said):
        labels.refuse()


def test_a_host_without_ip_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(labels, "PROC", str(tmp_path))
    monkeypatch.setattr(labels.commands, "found", lambda program: None)
    with pytest.raises(RolloutError, match="install iproute2"):
        labels.refuse()
