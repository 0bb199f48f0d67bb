# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the plan and of reverse DNS: names, shapes, plain types, and errors that name the filter."""

from __future__ import annotations

import copy
import importlib

import pytest
import yaml
from ansible.errors import AnsibleFilterError

TREE = [{"name": "web"}, {"name": "ams", "length": 56, "subnets": [{"name": "office"}]}]
PREFIX = "2001:db8:1200::/48"
NUMBER = "is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a number; put the value in quotes"


class Tagged(str):
    """Text as Ansible passes it: a subclass of str."""


def call(name, *args, **options):
    module = importlib.import_module(f"ansible_collections.ipv6.rollout.plugins.filter.{name}")
    return module.FilterModule().filters()[name](*args, **options)


CASES = [
    (
        "subnet_plan",
        (PREFIX, TREE),
        {"hosts": {"h": {"subnet": "web", "interface_id": "::80"}}},
        {
            "prefix": PREFIX,
            "subnets": {
                "web": "2001:db8:1200::/64",
                "ams": "2001:db8:1200:8000::/56",
                "ams/office": "2001:db8:1200:8000::/64",
            },
            "hosts": {"h": "2001:db8:1200::80"},
            "retired": {"subnets": {}, "hosts": {}},
        },
    ),
    ("host_address", ("2001:db8:1200::/64", "::80"), {}, "2001:db8:1200::80"),
    (
        "host_address",
        ("2001:db8:1200::/64",),
        {"policy": "ipv4_decimal", "ipv4": "192.0.2.80"},
        "2001:db8:1200:0:192:0:2:80",
    ),
    ("interface_id", ("2001:db8:1200::80", 64), {}, "::80"),
    ("reverse_name", ("192.0.2.80",), {}, "80.2.0.192.in-addr.arpa."),
    ("reverse_zones", ("2001:db8:1200::/48",), {}, ["0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."]),
    ("reverse_zones", ("192.0.2.0/25",), {"rfc2317": True}, ["0/25.2.0.192.in-addr.arpa."]),
    (
        "ptr_records",
        ([{"name": "a.example.com", "address": "192.0.2.80", "ttl": 60}],),
        {"zones": ["192.0.2.0/24"]},
        [
            {
                "zone": "2.0.192.in-addr.arpa.",
                "name": "80.2.0.192.in-addr.arpa.",
                "ttl": 60,
                "type": "PTR",
                "data": "a.example.com.",
            }
        ],
    ),
    ("spf_with_ip6", ("v=spf1 mx -all", ["2001:db8::1"]), {}, "v=spf1 mx ip6:2001:db8::1 -all"),
    ("spf_with_ip6", ("v=spf1 mx ip6:2001:db8::1 -all", ["2001:db8::1"]), {"state": "absent"}, "v=spf1 mx -all"),
    ("nat64_address", ("192.0.2.33", "64:ff9b::/96"), {}, "64:ff9b::c000:221"),
    ("nat64_ipv4", ("64:ff9b::c000:221",), {}, "192.0.2.33"),
    (
        "zone_file",
        ([],),
        {
            "origin": "example.com",
            "soa": {"mname": "ns1.example.com", "rname": "hostmaster.example.com", "serial": 1},
            "ns": ["ns1.example.com"],
            "ttl": 60,
        },
        "$ORIGIN example.com.\n$TTL 60\n"
        "@ IN SOA ns1.example.com. hostmaster.example.com. 1 7200 900 1209600 3600\n@ IN NS ns1.example.com.\n",
    ),
    ("services", (["ssh"],), {}, [{"name": "ssh", "port": 22, "protocol": "tcp", "sources": [], "daemon": ""}]),
    (
        "host_spec",
        ({"inventory_hostname": "h", "ipv6_subnet": "web"},),
        {},
        {
            "subnet": "web",
            "interface_id": "stable",
            "ipv4": None,
            "service": "",
            "interface": "",
            "names": [],
            "lab_names": [],
            "services": [],
            "daemons": [],
            "mail_domains": [],
        },
    ),
    ("host_specs", (["h"], {"h": {}}), {}, {}),
]


def tagged(value):
    if isinstance(value, str):
        return Tagged(value)
    if isinstance(value, dict):
        return {tagged(key): tagged(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(tagged(entry) for entry in value)
    return value


def plain(value):
    assert type(value) in (str, int, dict, list, type(None), bool)
    if isinstance(value, dict):
        for key, entry in value.items():
            plain(key)
            plain(entry)
    if isinstance(value, list):
        for entry in value:
            plain(entry)


@pytest.mark.parametrize(("name", "args", "options", "wanted"), CASES)
def test_results(name, args, options, wanted):
    before = copy.deepcopy((args, options))
    assert call(name, *args, **options) == wanted
    assert (args, options) == before
    plain(call(name, *tagged(args), **{key: tagged(value) for key, value in options.items()}))


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("subnet_plan", (1200, []), f"ipv6_prefix: 1200 {NUMBER}"),
        ("host_address", ("2001:db8::/64", 80), f"interface_id: 80 {NUMBER}"),
        ("interface_id", ("2001:db8::1", 129), "length: 129 is not a prefix length between 1 and 128"),
        ("reverse_name", (80,), f"address: 80 {NUMBER}"),
        (
            "reverse_zones",
            ("2001:db8::1/48",),
            "prefix: '2001:db8::1/48' has host bits set; the prefix is 2001:db8::/48",
        ),
        ("ptr_records", ("x",), "records: 'x' is not a list of {name, address, ttl}"),
        ("spf_with_ip6", ("x", []), "spf: 'x' does not begin with v=spf1; give the record's text without quotes"),
        ("nat64_address", (80,), f"ipv4: 80 {NUMBER}"),
        ("nat64_ipv4", (80,), f"address: 80 {NUMBER}"),
        ("zone_file", ([], 80, {}, []), f"origin: 80 {NUMBER}"),
        ("services", ("ssh",), "ipv6_services: 'ssh' is not a list; write [...] around it"),
        ("host_spec", ([],), "host_spec: [] is not a dictionary; give it the variables of a host"),
        ("host_specs", ([], []), "host_specs: [] is not a dictionary; give it hostvars"),
    ],
)
def test_errors_name_the_filter(name, args, message):
    with pytest.raises(AnsibleFilterError) as caught:
        call(name, *args)
    assert str(caught.value) == f"ipv6.rollout.{name}: {message}"


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_documentation(name):
    module = importlib.import_module(f"ansible_collections.ipv6.rollout.plugins.filter.{name}")
    documentation = yaml.safe_load(module.DOCUMENTATION)
    assert documentation["name"] == name
    assert yaml.safe_load(module.RETURN)["_value"]["description"]
    assert f"ipv6.rollout.{name}" in module.EXAMPLES or name == "host_specs"
    yaml.safe_load(module.EXAMPLES)
