# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zone_info against real name servers on the loopback addresses: whole zones, single questions, secondaries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_server, zone_info
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_named import HEAD, NAMED, SECRET, Named

pytestmark = pytest.mark.skipif(NAMED is None, reason="named is not installed (Debian package bind9)")

NET = 0x20010DB8120000000000000000000000
REVERSE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"
REVERSE4 = "2.0.192.in-addr.arpa"
HOSTILE = r"""
evil IN TXT "{{ lookup('pipe', 'id') }}" "it's \"quoted\" \\ back" "\000\007\200"
odd\032\{\{name\}\} IN AAAA 2001:db8:1200::80
back\\slash.quo\"te IN A 192.0.2.80
"""
GOOD = (
    HEAD
    + """\
@ IN NS ns2
ns1 IN A 192.0.2.53
ns1 IN AAAA 2001:db8:1200::53
ns2 IN A 192.0.2.54
ns2 IN AAAA 2001:db8:1200::54
www IN A 192.0.2.80
www IN AAAA 2001:db8:1200::80
mail IN A 192.0.2.25
mail IN AAAA 2001:db8:1200::25
@ IN MX 10 mail
@ IN TXT "v=spf1 ip4:192.0.2.25 ip6:2001:db8:1200::25 -all"
"""
)
HOSTS_OF_ALL = {53: "ns1", 54: "ns2", 80: "www", 25: "mail"}


def pointers(**changed: str) -> dict[str, str]:
    """Return the reverse zones; a name that is empty has no PTR record."""
    six = seven = HEAD + "@ IN NS ns2.example.com.\n"
    for last, name in HOSTS_OF_ALL.items():
        target = changed.get(name, f"{name}.example.com.")
        if target:
            six += f"{name_of(6, NET + int(str(last), 16))} IN PTR {target}\n"
        seven += f"{last} IN PTR {name}.example.com.\n"
    return {REVERSE: six, REVERSE4: seven}


DEFECTS = (
    GOOD.replace("www IN AAAA", "www 60 IN AAAA").replace(" ip6:2001:db8:1200::25", "")
    + "lonely IN AAAA 2001:db8:1200::99\n@ IN MX 20 old\nold IN A 192.0.2.53\n"
)
HOSTS = {
    "www1": {"address": "2001:db8:1200::80", "names": ["www.example.com"], "lab_names": ["ipv6.www.example.com"]},
    "mail1": {"address": "2001:db8:1200::25", "names": ["mail.example.com"], "mail_domains": ["example.com"]},
}
REFUSED = dict.fromkeys(("example.com", REVERSE, REVERSE4), "allow-transfer { none; };")


@pytest.fixture
def start(tmp_path: Path) -> t.Iterator[t.Callable[..., Named]]:
    running: list[Named] = []

    def started(zones: t.Mapping[str, str], **options: t.Any) -> Named:
        folder = tmp_path / str(len(running))
        folder.mkdir()
        server = Named(folder, zones, **options)
        running.append(server)
        server.start()
        return server

    yield started
    for server in running:
        server.stop()


def read(named: Named, zones: t.Any = (), hosts: t.Any = None, address: str = "") -> zone_info.Reading:
    with named.server(address) as server:
        return zone_info.read(zone_info.wish(list(zones), hosts or {}), server)


def checks(reading: zone_info.Reading, **options: t.Any) -> set[tuple[str, str]]:
    return {(found["check"], found["name"]) for found in zone_info.judged(reading, **options)}


ALL = ("example.com", REVERSE, REVERSE4)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_good_zones_are_read_whole_and_without_findings(start: t.Callable[..., Named], address: str) -> None:
    named = start({"example.com": GOOD, **pointers()})
    reading = read(named, ALL, address=address)
    assert reading.zones == {
        "example.com.": {"serial": 1, "by": "transfer", "records": 13},
        f"{REVERSE}.": {"serial": 1, "by": "transfer", "records": 7},
        f"{REVERSE4}.": {"serial": 1, "by": "transfer", "records": 7},
    }
    assert {
        "zone": "example.com.",
        "name": "www.example.com.",
        "type": "AAAA",
        "ttl": 600,
        "data": "2001:db8:1200::80",
    } in (reading.records)
    assert reading.unknown == [] and checks(reading) == set()
    assert sum(zone["records"] for zone in reading.zones.values()) == len(reading.records)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("whole", [True, False])
def test_seeded_defects_are_found_whole_or_by_questions(
    start: t.Callable[..., Named], address: str, whole: bool
) -> None:
    named = start({"example.com": DEFECTS, **pointers(mail="", ns2="www.example.com.")}, rules={} if whole else REFUSED)
    hosts = {**HOSTS, "lonely": {"address": "2001:db8:1200::99", "names": ["lonely.example.com"]}}
    reading = read(named, ALL, {} if whole else hosts, address)
    assert {zone["by"] for zone in reading.zones.values()} == {"transfer" if whole else "query"}
    assert checks(reading) == {
        ("ttl-mismatch", "www.example.com."),
        ("aaaa-without-ptr", "mail.example.com."),
        ("aaaa-without-ptr", "lonely.example.com."),
        ("ptr-not-confirmed", name_of(6, NET + 0x54)),
        ("mx-without-aaaa", "example.com."),
        ("spf-without-ip6", "example.com."),
    }
    declared = checks(reading, not_public=["2001:db8:1200::80/128"])
    assert ("address-declared-not-public", "www.example.com.") in declared


def test_a_zone_that_is_refused_is_asked_record_by_record(start: t.Callable[..., Named]) -> None:
    named = start({"example.com": GOOD, **pointers()}, rules={"example.com": "allow-transfer { none; };"})
    reading = read(named, ALL, HOSTS)
    assert reading.zones["example.com."]["by"] == "query"
    assert reading.complete == [f"{REVERSE}.", f"{REVERSE4}."]
    types = {(record["name"], record["type"]) for record in reading.records if record["zone"] == "example.com."}
    assert types == {
        *(("example.com.", kind) for kind in ("SOA", "NS", "MX", "TXT")),
        *((f"{name}.example.com.", kind) for name in HOSTS_OF_ALL.values() for kind in ("A", "AAAA")),
    }
    assert checks(reading) == set()


def test_hosts_alone_are_enough(start: t.Callable[..., Named]) -> None:
    named = start({"example.com": GOOD + "web IN CNAME www\n", **pointers()})
    hosts = {"www1": {"address": "2001:db8:1200::80", "names": ["web.example.com"], "lab_names": ["www.example.net"]}}
    reading = read(named, (), hosts)
    assert reading.zones["example.com."]["by"] == "transfer" and reading.zones[f"{REVERSE}."]["serial"] == 1
    assert {
        "zone": "example.com.",
        "name": "web.example.com.",
        "type": "CNAME",
        "ttl": 600,
        "data": "www.example.com.",
    } in (reading.records)
    assert {item["name"] for item in reading.unknown} == {"www.example.net."}
    assert "REFUSED" in reading.unknown[0]["reason"]


def test_a_zone_that_is_not_there(start: t.Callable[..., Named]) -> None:
    named = start({"example.com": GOOD})
    for zone, why in (("example.org", "REFUSED"), ("www.example.com", "no SOA record at this name")):
        with pytest.raises(RolloutError, match=f"zones: {zone}. cannot be read: .*{why}"):
            read(named, [zone])


@pytest.mark.parametrize(
    ("zones", "hosts", "why"),
    [
        ("example.com", {}, "zones: 'example.com' is not a list"),
        ([5], {}, r"zones\[0\].name: 5 is a number"),
        ([["x"]], {}, r"zones\[0\]"),
        (["192.0.2.1"], {}, "is an address"),
        ([], {}, "nothing is given"),
        ([], [], "hosts: .* is not a dictionary"),
        ([], {"www1": None}, "hosts.www1: None is not a dictionary"),
    ],
)
def test_bad_input(zones: t.Any, hosts: t.Any, why: str) -> None:
    with pytest.raises(RolloutError, match=why):
        zone_info.wish(zones, hosts)


@pytest.mark.parametrize(("value", "why"), [("::1", "not a list"), (["www"], r"servers\[0\]"), ([1], "a number")])
def test_bad_servers(value: t.Any, why: str) -> None:
    with pytest.raises(RolloutError, match=why):
        zone_info.servers(value)


def test_secondaries_that_differ_lack_a_zone_or_are_silent(start: t.Callable[..., Named]) -> None:
    named = start({"example.com": GOOD, **pointers()}, listen=("127.0.0.1",))
    start(
        {
            "example.com": GOOD.replace("com. 1 3600", "com. 0 3600"),
            REVERSE: pointers()[REVERSE].replace(" 1 3600", " 7 3600"),
        },
        listen=("::1",),
        port=named.port,
    )
    reading = read(named, ALL)
    servers = [dns_server.Server(address, named.port, None, 3) for address in ("::1", "127.0.0.3")]
    found = zone_info.differences(reading, servers)
    assert [(item["check"], item["zone"], item["data"]) for item in found] == [
        ("secondary-differs", "example.com.", "0"),
        ("secondary-differs", f"{REVERSE}.", "7"),
        ("secondary-differs", f"{REVERSE4}.", None),
        ("server-silent", None, None),
    ]
    assert "NOTIFY" in found[0]["fix"] and "ahead" in found[1]["fix"] and "REFUSED" in found[2]["message"]
    assert "connection refused" in found[3]["message"]
    for server in servers:
        server.close()


PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ipv6.rollout.zone_info: {arguments}
      register: answer
      ignore_errors: true
    - ansible.builtin.copy:
        content: "{{{{ answer | to_json }}}}"
        dest: {folder}/answer.json
    - ansible.builtin.debug:
        msg: "{{{{ answer }}}}"
"""


def play(named: Named, *arguments: str, **options: t.Any) -> tuple[dict[str, t.Any], str]:
    """Run the module as Ansible runs it; return what it returned, and all the output."""
    pytest.importorskip("ansible")
    given = {
        "server": "127.0.0.1",
        "port": named.port,
        "timeout": 5,
        "key_name": "rollout",
        "key_secret": "{{ secret }}",
        **options,
    }
    playbook = named.folder / "play.yml"
    playbook.write_text(PLAYBOOK.format(arguments=json.dumps(given), folder=named.folder))
    (named.folder / "vars.json").write_text(json.dumps({"secret": SECRET}))
    collections = next(Path(p) for p in sys.path if (Path(p) / "ansible_collections" / "ipv6" / "rollout").exists())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local"),
            *("-e", f"@{named.folder / 'vars.json'}", str(playbook), *arguments),
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(named.folder),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((named.folder / "answer.json").read_text()), done.stdout + done.stderr


def test_hostile_text_comes_back_as_text_and_the_secret_not_at_all(start: t.Callable[..., Named]) -> None:
    named = start({"example.com": GOOD + HOSTILE, **pointers()})
    answer, output = play(named, "-vvvvv", "--diff", zones=list(ALL), servers=["127.0.0.3"])
    assert not answer["changed"] and not answer.get("failed")
    (text,) = [record["data"] for record in answer["records"] if record["name"] == "evil.example.com."]
    assert text == r'''"{{ lookup('pipe', 'id') }}" "it's \"quoted\" \\ back" "\000\007\200"'''
    names = {record["name"] for record in answer["records"]}
    assert r"odd\032{{name}}.example.com." in names and r"back\\slash.quo\"te.example.com." in names
    assert "uid=" not in output
    assert [found["check"] for found in answer["findings"]][-1] == "server-silent"
    for piece in (SECRET, SECRET[:-4], "canary-of-these-tests"):
        assert piece not in output


def test_check_mode_reads_the_same(start: t.Callable[..., Named]) -> None:
    named = start({"example.com": DEFECTS, **pointers()})
    options = {
        "zones": ["example.com", REVERSE],
        "several_names": ["2001:db8:1200::80"],
        "not_public": ["192.0.2.0/24"],
    }
    real, _output = play(named, **options)
    checked, _output = play(named, "--check", "--diff", **options)
    (named.folder / "answer.json").unlink(missing_ok=True)
    assert real["findings"] == checked["findings"] != []
    assert real["records"] == checked["records"]
    assert named.serial("example.com") == 1


def test_errors_come_as_errors(start: t.Callable[..., Named]) -> None:
    named = start({"example.com": GOOD})
    for options, why in (
        ({"zones": ["example.com"], "key_name": "nobody"}, "does not know the key nobody. (BADKEY)"),
        ({"zones": [], "hosts": {}}, "nothing is given"),
        ({"zones": ["example.com"], "key_secret": 5}, "key_secret: this is not text"),
    ):
        answer, _output = play(named, **options)
        assert answer["failed"] and why in answer["msg"]


def test_what_must_not_be_public_is_found_by_questions_too(start: t.Callable[..., Named]) -> None:
    named = start(
        {"example.com": HEAD + "ns1 IN A 192.0.2.53\nwww IN A 10.0.0.1\nwww IN AAAA fd00::1\n"}, rules=REFUSED
    )
    hosts = {"www1": {"address": "2001:db8:1200::80", "names": ["www.example.com"]}}
    assert {check for check, _name in checks(read(named, (), hosts))} >= {"address-unique-local", "ipv4-private"}


def test_a_zone_without_a_known_serial_is_not_compared() -> None:
    class Other:
        def look(self, keys: t.Any) -> t.Any:
            return {key: Rrset(60, ("ns1. h. 5 1 1 1 1",)) for key in keys}

    zones = {"example.com.": {"serial": None, "by": "query", "records": 1}}
    assert zone_info.differences(zone_info.Reading([], zones, []), [t.cast("t.Any", Other())]) == []
