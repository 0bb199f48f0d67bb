# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the v4 proxy as Ansible calls them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.filter import v4_proxy_hosts, v4_proxy_records

PLAN = {"hosts": {"www1": "2001:db8:1200::80"}, "forwards": {"www1": 22001}}
HOSTVARS = {"www1": {"ipv6_names": ["www.example.com"], "ipv6_services": ["https"]}}


def call(module, *args, **more):
    (function,) = module.FilterModule().filters().values()
    return function(*args, **more)


def test_from_the_inventory_to_the_records():
    hosts = call(v4_proxy_hosts, ["www1"], HOSTVARS, PLAN)
    assert hosts["www1"]["forward"] == 22001
    found = call(v4_proxy_records, hosts, ["192.0.2.10"])
    assert [record["data"] for record in found["records"]] == ["192.0.2.10", "2001:db8:1200::80"]


@pytest.mark.parametrize(
    ("module", "args", "message"),
    [
        (v4_proxy_hosts, (["www9"], HOSTVARS, PLAN), "ipv6.rollout.v4_proxy_hosts: v4_proxy_members: 'www9'"),
        (v4_proxy_hosts, (7, HOSTVARS, PLAN), "ipv6.rollout.v4_proxy_hosts: v4_proxy_members: 7 is no list"),
        (v4_proxy_records, ({}, ["nowhere"]), "ipv6.rollout.v4_proxy_records: v4_proxy_public: 'nowhere'"),
        (v4_proxy_records, ({"www1": {}}, ["192.0.2.10"]), "ipv6.rollout.v4_proxy_records: hosts: www1: address: None"),
    ],
)
def test_an_error_names_the_filter_and_the_variable(module, args, message):
    with pytest.raises(AnsibleFilterError) as error:
        call(module, *args)
    assert message in str(error.value)
