# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are announced and no longer served."""

from __future__ import annotations

import json

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils.publication import stale_names

ADDRESS = "2001:db8::80"
REPORT = json.dumps({"hosts": {"www1": {"address": ADDRESS, "names": ["www.example.com", "old.example.com"]}}})


def member(names, services=("http",), address=ADDRESS):
    """Return the fleet with one host."""
    lab_names = [f"ipv6.{name}" for name in names]
    return {"www1": {"address": address, "names": names, "lab_names": lab_names, "services": list(services)}}


@pytest.mark.parametrize(
    ("fleet", "names"),
    [
        (member(["www.example.com", "old.example.com"]), None),
        (member(["www.example.com", "new.example.com"]), ["old.example.com"]),
        (member([]), ["www.example.com", "old.example.com"]),
        (member(["www.example.com", "old.example.com"], services=()), ["www.example.com", "old.example.com"]),
        # Another address: the names of the report are not those of this one.
        (member([], address="2001:db8::81"), None),
    ],
)
def test_what_a_host_has_lost(fleet, names):
    found = stale_names(REPORT, fleet)
    assert (found["www1"]["names"] if found else None) == names


def test_a_lab_name_that_is_wanted_stays():
    found = stale_names(REPORT, member(["www.example.com", "old.example.com"], services=()))
    assert found["www1"]["lab_names"] == []
    assert stale_names(REPORT, member(["www.example.com"]))["www1"]["lab_names"] == ["ipv6.old.example.com"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}"])
def test_no_report_tells_nothing(text):
    assert stale_names(text, member(["www.example.com"])) == {}
