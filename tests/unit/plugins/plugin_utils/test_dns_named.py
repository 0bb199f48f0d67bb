# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dns_records against a real BIND on the loopback addresses, as a plain child of the test."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")


from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_records, dns_server, dns_update
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_named import HEAD, NAMED, SECRET, Named

pytestmark = pytest.mark.skipif(NAMED is None, reason="named is not installed (Debian package bind9)")

OTHER_SECRET = base64.b64encode(b"another-secret-that-is-not-known").decode()
REVERSE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"
WILD = "0.0.3.1.8.b.d.0.1.0.0.2.ip6.arpa"
LAB80 = "ipv6.www.example.com."
WWW = "www.example.com."
PTR80 = name_of(6, 0x20010DB8120000000000000000000080)
ADDRESS80 = "2001:db8:1200::80"

ZONES = {
    "example.com": HEAD
    + """\
ns1 IN A 192.0.2.53
www 900 IN A 192.0.2.80
mail1 IN A 192.0.2.25
both 900 IN A 192.0.2.81
both 120 IN AAAA 2001:db8:1200::81
@ IN MX 10 mail1
@ 1800 IN TXT "v=spf1 ip4:192.0.2.25 -all"
@ 1800 IN TXT "site-verification=0123456789"
alias IN CNAME www
sub IN NS ns.sub
ns.sub IN A 192.0.2.99
two IN TXT "v=spf1 -all"
two IN TXT "v=spf1 ~all"
plain IN TXT "no policy"
""",
    REVERSE: HEAD,
    WILD: HEAD + "* 600 IN PTR pool.example.com.\n",
    "refused.example": HEAD + "www 300 IN A 192.0.2.90\n",
    "8.e.f.ip6.arpa": HEAD,
}


BARRED = dict.fromkeys(("refused.example", "8.e.f.ip6.arpa"), "allow-update { none; };")


@pytest.fixture
def named(tmp_path: Path) -> t.Iterator[Named]:
    server = Named(tmp_path, ZONES, BARRED)
    server.start()
    yield server
    server.stop()


def run(
    named: Named, records: t.Any = (), spf: t.Any = (), address: str = "127.0.0.1", **options: t.Any
) -> dict[str, t.Any]:
    """What the action plugin does."""
    connection = {key: options.pop(key) for key in list(options) if key.startswith("key_") or key == "timeout"}
    wish = dns_update.wanted(list(records), list(spf), **options)
    with named.server(address, **connection) as server:
        found = dns_records.plan(wish, server)
        outcome = dns_records.apply(found, server)
    return {
        **dns_records.result(outcome.done, outcome.live, True),
        "warnings": found.warnings,
        "error": outcome.error,
    }


def aaaa(name: str = WWW, data: str = ADDRESS80, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "type": "AAAA", "data": data, **more}


def ptr(**more: t.Any) -> dict[str, t.Any]:
    return {"name": PTR80, "type": "PTR", "data": WWW, "fallback": LAB80, **more}


def test_aaaa_takes_the_ttl_of_a_and_a_second_run_sends_nothing(named: Named) -> None:
    first = run(named, [aaaa()])
    assert first["changed"] and first["error"] is None
    assert first["zones"] == [{"zone": "example.com.", "added": [f"{WWW} 900 IN AAAA {ADDRESS80}"], "removed": []}]
    assert first["records"] == [{"name": WWW, "type": "AAAA", "ttl": 900, "data": ADDRESS80}]
    assert named.get(WWW, "AAAA") == Rrset(900, (ADDRESS80,))
    serial = named.serial("example.com")
    assert serial == 2
    second = run(named, [aaaa(data="2001:DB8:1200:0::80", name="WWW.Example.com")])
    assert not second["changed"] and second["zones"] == [] and second["diff"] == []
    assert second["records"] == first["records"]
    assert named.serial("example.com") == serial


def test_over_ipv6_transport(named: Named) -> None:
    assert run(named, [aaaa()], address="::1")["changed"]
    assert named.get(WWW, "AAAA") == Rrset(900, (ADDRESS80,))


def test_a_wrong_ttl_is_put_right(named: Named) -> None:
    found = run(named, [aaaa("both.example.com", "2001:db8:1200::81")])
    assert found["zones"][0]["added"] == ["both.example.com. 900 IN AAAA 2001:db8:1200::81"]
    assert found["zones"][0]["removed"] == ["both.example.com. 120 IN AAAA 2001:db8:1200::81"]
    assert named.get("both.example.com.", "AAAA") == Rrset(900, ("2001:db8:1200::81",))


def test_other_data_of_the_rrset_stays_unless_exclusive(named: Named) -> None:
    run(named, [aaaa("both.example.com", "2001:db8:1200::82")])
    assert named.get("both.example.com.", "AAAA") == Rrset(900, ("2001:db8:1200::81", "2001:db8:1200::82"))
    run(named, [aaaa("both.example.com", "2001:db8:1200::83")], exclusive=True)
    assert named.get("both.example.com.", "AAAA") == Rrset(900, ("2001:db8:1200::83",))
    run(named, [aaaa("both.example.com", "2001:db8:1200::84")])
    run(named, [aaaa("both.example.com", "2001:db8:1200::83")], state="absent")
    assert named.get("both.example.com.", "AAAA") == Rrset(900, ("2001:db8:1200::84",))
    run(named, [aaaa("both.example.com", "2001:db8:1200::84")], state="absent")
    assert named.get("both.example.com.", "AAAA") is None
    assert named.get("both.example.com.", "A") == Rrset(900, ("192.0.2.81",))


def test_ptr_follows_the_publication(named: Named) -> None:
    run(named, [aaaa(LAB80, ttl=300)])
    first = run(named, [ptr()], exclusive=True)
    assert named.get(PTR80, "PTR") == Rrset(3600, (LAB80,))
    assert first["warnings"] == []
    assert not run(named, [ptr()], exclusive=True)["changed"]
    run(named, [aaaa()])
    moved = run(named, [ptr()], exclusive=True)
    assert moved["zones"][0]["removed"] == [f"{PTR80} 3600 IN PTR {LAB80}"]
    assert named.get(PTR80, "PTR") == Rrset(3600, (WWW,))
    run(named, [aaaa()], state="absent")
    run(named, [ptr()], exclusive=True)
    assert named.get(PTR80, "PTR") == Rrset(3600, (LAB80,))
    run(named, [ptr()], state="absent")
    assert named.get(PTR80, "PTR") is None


def test_records_of_the_same_call_confirm_and_reverse_zones_go_first(named: Named) -> None:
    found = run(named, [aaaa(), ptr()])
    assert [item["zone"] for item in found["zones"]] == [f"{REVERSE}.", "example.com."]
    assert named.get(PTR80, "PTR") == Rrset(3600, (WWW,))
    found = run(named, [aaaa(), ptr()], state="absent")
    assert [item["zone"] for item in found["zones"]] == ["example.com.", f"{REVERSE}."]


def test_a_forward_name_elsewhere_means_fallback_and_a_warning(named: Named) -> None:
    found = run(named, [ptr(data="www.example.net")])
    assert named.get(PTR80, "PTR") == Rrset(3600, (LAB80,))
    assert "the server does not say whether www.example.net." in found["warnings"][0]


def test_spf_and_the_text_beside_it(named: Named) -> None:
    before = named.get("example.com.", "TXT")
    policy = [{"name": "example.com", "ip6": ["2001:db8:1200::25"]}]
    run(named, spf=policy)
    after = named.get("example.com.", "TXT")
    assert after == Rrset(
        1800, ('"site-verification=0123456789"', '"v=spf1 ip4:192.0.2.25 ip6:2001:db8:1200::25 -all"')
    )
    assert not run(named, spf=policy)["changed"]
    assert run(named, spf=policy, state="absent")["changed"]
    assert named.get("example.com.", "TXT") == before
    assert not run(named, spf=policy, state="absent")["changed"]


def test_spf_that_is_not_there_or_is_there_twice(named: Named) -> None:
    found = run(named, spf=[{"name": "plain.example.com", "ip6": ["2001:db8:1200::25"]}])
    assert not found["changed"] and "plain.example.com. has no SPF record" in found["warnings"][0]
    with pytest.raises(RolloutError, match=r"two.example.com. has 2 SPF records"):
        run(named, spf=[{"name": "two.example.com", "ip6": ["2001:db8:1200::25"]}])


def test_long_text_is_cut_into_strings(named: Named) -> None:
    text = "v=spf1 " + " ".join(f"ip6:2001:db8:{number:x}::/48" for number in range(40)) + " -all"
    record = {"name": "long.example.com", "type": "TXT", "data": text, "ttl": 60}
    assert run(named, [record])["changed"]
    assert not run(named, [record])["changed"]
    run(named, spf=[{"name": "long.example.com", "ip6": ["2001:db8:1200::25"]}])
    held = named.get("long.example.com.", "TXT")
    assert held is not None and held.data[0].count('" "') == 3
    run(named, spf=[{"name": "long.example.com", "ip6": ["2001:db8:1200::25"]}], state="absent")
    assert not run(named, [record])["changed"]


def test_names_outside_are_refused_and_nothing_is_changed(named: Named) -> None:
    for name, why in (
        ("www.example.net", "refuses to answer"),
        ("host.sub.example.com", r"not authoritative for it: the zone sub.example.com. is delegated"),
        ("alias.example.com", "it is an alias"),
    ):
        with pytest.raises(RolloutError, match=why):
            run(named, [aaaa(), aaaa(name)])
    assert named.serial("example.com") == 1


@pytest.mark.parametrize("fields", [{"key_name": ""}, {}])
def test_an_update_without_the_right_is_refused(named: Named, fields: dict[str, str]) -> None:
    if fields:
        fields = {**fields, "key_secret": ""}
        found = run(named, [aaaa()], **fields)
    else:
        found = run(named, [aaaa("www.refused.example")])
    assert "REFUSED" in found["error"] and "Nothing in this zone was changed" in found["error"]
    assert not found["changed"] and found["zones"] == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"key_name": "nobody"}, "does not know the key nobody. \\(BADKEY\\)"),
        ({"key_secret": OTHER_SECRET}, "BADSIG"),
        ({"key_algorithm": "hmac-sha512"}, "BADKEY"),
    ],
)
def test_a_wrong_key_ends_before_anything_is_sent(named: Named, fields: dict[str, str], why: str) -> None:
    with pytest.raises(RolloutError, match=why) as caught:
        run(named, [aaaa()], **fields)
    assert SECRET not in str(caught.value) and OTHER_SECRET not in str(caught.value)
    assert named.serial("example.com") == 1


def test_a_wrong_clock(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 4000)
    with pytest.raises(RolloutError, match=r"do not agree on the time \(BADTIME\)"):
        run(named, [aaaa()])


def test_a_zone_that_refuses_after_one_that_took_the_update(named: Named) -> None:
    found = run(named, [ptr(fallback=None), aaaa(), aaaa("www.refused.example")])
    assert [item["zone"] for item in found["zones"]] == [f"{REVERSE}.", "example.com."]
    assert found["changed"]
    assert f"Done before: {REVERSE}., example.com." in found["error"]
    refused = name_of(6, 0xFE80 << 112 | 1)
    found = run(named, [{**ptr(fallback=None), "name": refused}, aaaa(), aaaa(LAB80)])
    assert not found["changed"]
    assert found["error"].endswith("Not sent: example.com.")
    assert named.get(LAB80, "AAAA") is None


def test_a_concurrent_edit_is_a_refusal_that_shows_both(named: Named) -> None:
    wish = dns_update.wanted([ptr(fallback=None), aaaa(), aaaa("both.example.com", "2001:db8:1200::85")])
    with named.server() as server:
        found = dns_records.plan(wish, server)
        run(named, [aaaa("both.example.com", "2001:db8:1200::99")])
        outcome = dns_records.apply(found, server)
    assert outcome.error is not None
    assert "somebody else changed it" in outcome.error and "NXRRSET" in outcome.error
    assert "was 2001:db8:1200::81 (TTL 120) and is now 2001:db8:1200::81, 2001:db8:1200::99 (TTL 900)" in outcome.error
    assert [item.zone for item in outcome.done] == [f"{REVERSE}."]
    assert named.get(WWW, "AAAA") is None, "the update holds as a whole or not at all"
    again = run(named, [ptr(fallback=None), aaaa(), aaaa("both.example.com", "2001:db8:1200::85")])
    assert again["error"] is None and [item["zone"] for item in again["zones"]] == ["example.com."]
    held = named.get("both.example.com.", "AAAA")
    assert held is not None and len(held.data) == 3


def test_a_record_that_appears_in_between(named: Named) -> None:
    wish = dns_update.wanted([aaaa()])
    with named.server() as server:
        found = dns_records.plan(wish, server)
        run(named, [aaaa(data="2001:db8:1200::99")])
        outcome = dns_records.apply(found, server)
    assert outcome.error is not None and "YXRRSET" in outcome.error
    assert "was nothing and is now 2001:db8:1200::99 (TTL 900)" in outcome.error


def test_a_name_that_only_a_wildcard_answers_for_gets_a_record(named: Named) -> None:
    name = name_of(6, 0x20010DB8130000000000000000000080)
    record = {"name": name, "type": "PTR", "data": WWW}
    found = run(named, [record], exclusive=True)
    assert found["error"] is None
    assert found["zones"] == [{"zone": f"{WILD}.", "added": [f"{name} 3600 IN PTR {WWW}"], "removed": []}]
    assert not run(named, [record], exclusive=True)["changed"]
    assert not run(named, [{**record, "data": "pool.example.com"}], state="absent")["changed"]
    assert run(named, [record], state="absent")["changed"]
    assert not run(named, [{**record, "data": "pool.example.com"}], state="absent")["changed"]
    assert named.get(f"*.{WILD}.", "PTR") == Rrset(600, ("pool.example.com.",))


def test_what_the_server_leaves_out_silently_is_an_error(named: Named) -> None:
    found = run(named, [{"name": "www.example.com", "type": "CNAME", "data": "other.example.com"}])
    assert "accepted the update, but www.example.com. CNAME does not exist" in found["error"]


def test_a_server_that_dies_between_two_zones_and_a_second_run(named: Named) -> None:
    records = [ptr(fallback=None), aaaa()]
    with named.server() as server:
        found = dns_records.plan(dns_update.wanted(records), server)
        first, second = found.transactions
        assert dns_records.apply(found._replace(transactions=[first]), server).error is None
        named.stop()
        outcome = dns_records.apply(found._replace(transactions=[second]), server)
        assert outcome.error is not None and "Whether it was done is not known" in outcome.error
        outcome = dns_records.apply(found._replace(transactions=[second]), server)
        assert outcome.error is not None and "connection refused" in outcome.error
    named.start()
    again = run(named, records)
    assert again["error"] is None
    assert [item["zone"] for item in again["zones"]] == ["example.com."], "the journal has kept the first zone"


def test_an_idle_connection_is_opened_again(named: Named) -> None:
    with named.server() as server:
        server.look([Key(WWW, "A")])
        named.stop()
        named.start()
        assert server.look([Key(WWW, "A")]) == {Key(WWW, "A"): Rrset(900, ("192.0.2.80",))}


def test_thousands_of_records_are_packed_by_size(named: Named) -> None:
    base = 0x20010DB8120000000000000000000000
    records = [
        {"name": name_of(6, base + (number << 40) + number), "type": "PTR", "data": f"h{number}.example.com"}
        for number in range(1, 2001)
    ]
    before = named.serial(REVERSE)
    found = run(named, records, exclusive=True)
    assert found["error"] is None and len(found["zones"]) == 1 and len(found["zones"][0]["added"]) == 2000
    after = named.serial(REVERSE)
    assert before is not None and after is not None
    assert 2 <= after - before <= 12, "one message each, and the serial moves once a message"
    assert not run(named, records, exclusive=True)["changed"]


@pytest.mark.parametrize("behaviour", ["silent", "hang up", "nonsense"])
def test_a_server_that_misbehaves(behaviour: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    over = threading.Event()

    def serve() -> None:
        listener.settimeout(0.1)
        while not over.is_set():
            try:
                connection, _peer = listener.accept()
            except OSError:
                continue
            with connection:
                connection.recv(2000)
                if behaviour == "nonsense":
                    connection.sendall(b"\x00\x05hello")
                    over.wait(5)
                elif behaviour == "silent":
                    over.wait(5)

    thread = threading.Thread(target=serve)
    thread.start()
    why = {"silent": "has not answered", "hang up": "closed the connection", "nonsense": "not asked"}[behaviour]
    try:
        with dns_server.Server("127.0.0.1", port, None, 0.5) as server, pytest.raises(RolloutError, match=why):
            server.look([Key(WWW, "AAAA")])
    finally:
        over.set()
        thread.join(10)
        listener.close()


PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ipv6.rollout.dns_records:
        server: 127.0.0.1
        port: {port}
        key_name: rollout
        key_secret: "{{{{ secret }}}}"
        timeout: 5
        records: {records}
      register: answer
      ignore_errors: true
    - ansible.builtin.debug:
        var: answer
    - ansible.builtin.include_role:
        name: ipv6.rollout.{role}
      vars:
        {role}_hosts:
          www1: {{address: "2001:db8:1200::80", names: [www.example.com], lab_names: [ipv6.www.example.com],
                 mail_domains: [example.com]}}
"""


def play(
    named: Named, *arguments: str, secret: str = SECRET, role: str = "dns", records: t.Any = ()
) -> tuple[int, str]:
    """Run a playbook with all the output that Ansible can give; return its return code and the output."""
    playbook = named.folder / "play.yml"
    playbook.write_text(PLAYBOOK.format(port=named.port, role=role, records=json.dumps(list(records))))
    values = {
        "secret": secret,
        "ipv6_dns": {"server": "127.0.0.1", "port": named.port, "key_name": "rollout", "key_secret": "{{ secret }}"},
    }
    (named.folder / "vars.json").write_text(json.dumps(values))
    collections = next(Path(p) for p in sys.path if (Path(p) / "ansible_collections" / "ipv6" / "rollout").exists())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook"),
            *("-i", "localhost,", "-c", "local", "-e", f"@{named.folder / 'vars.json'}", str(playbook), *arguments),
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
    return done.returncode, done.stdout + done.stderr


def test_the_secret_is_in_no_output(named: Named) -> None:
    pytest.importorskip("ansible")
    outputs = []
    for arguments, options in (
        (("-vvvvv", "--diff", "--check"), {"records": [aaaa()]}),
        (("-vvvvv", "--diff"), {"records": [aaaa()]}),
        (("-vvvvv", "--diff"), {"records": [aaaa("www.example.net")], "role": "ptr"}),
        (("-vvvvv", "-e", "dns_publish=perhaps"), {"records": []}),
        (("-vvvvv", "--diff"), {"secret": SECRET[:-4] + "!!!!", "records": [aaaa(data="2001:db8:1200::98")]}),
    ):
        code, output = play(named, *arguments, **options)
        outputs.append((code, output))
        for piece in (SECRET, SECRET[:-4], "canary-of-these-tests"):
            assert piece not in output
    (check_code, check), (code, real), (_code, elsewhere), (_code, wrong), (bad_code, bad) = outputs
    assert check_code == 0 and code == 0, check + real
    assert "+www.example.com. 900 IN AAAA 2001:db8:1200::80" in check
    assert "+www.example.com. 900 IN AAAA 2001:db8:1200::80" in real
    assert "refuses to answer" in elsewhere
    assert "Validation of arguments failed" in wrong and "dns_publish" in wrong
    assert bad_code != 0 and "key_secret: this is not Base64 text" in bad
    assert named.get(WWW, "AAAA") == Rrset(900, (ADDRESS80,))
    assert named.get(LAB80, "AAAA") == Rrset(300, (ADDRESS80,))


@pytest.mark.parametrize("secret", [12345678, ["c2VjcmV0LWNhbmFyeQ=="], {"canary": "c2VjcmV0LWNhbmFyeQ=="}])
def test_a_secret_of_a_wrong_type_is_not_shown(named: Named, secret: t.Any) -> None:
    pytest.importorskip("ansible")
    _code, output = play(named, "-vvv", secret=secret, records=[aaaa()])
    assert "c2VjcmV0LWNhbmFyeQ==" not in output and "12345678" not in output
