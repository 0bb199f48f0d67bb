# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter listener_findings, as playbooks call it."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.filter.listener_findings import FilterModule
from ansible_collections.ipv6.rollout.plugins.module_utils import host

report = FilterModule().filters()["listener_findings"]


def test_what_host_info_returns_is_what_the_filter_takes():
    look = host.look(with_rules=True)
    found = report(look, ["http"], {"ipv4": None, "ipv6": ""}, trusted=["2001:db8::/64"])
    assert found["summary"]["sockets"] == len(look["listeners"])
    assert len(found["lines"]) > 2


def test_errors_name_the_filter():
    with pytest.raises(AnsibleFilterError, match=r"ipv6\.rollout\.listener_findings: _input: 7 is not what"):
        report(7)
    with pytest.raises(AnsibleFilterError, match="call host_info with 'rules: true'"):
        report(host.look())
