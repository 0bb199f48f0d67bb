# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files on real name servers: BIND, NSD and Knot DNS, each a plain child of the test on a loopback address."""

from __future__ import annotations

import datetime
import os
import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import files, name_server, zone_files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_update, zone_plan, zone_result, zone_wanted
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
SECRET = "Y2FuYXJ5LW9mLXRoZXNlLXRlc3RzLTAxMjM0NTY3ODk="
DAY = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.timezone.utc)
PREFIX = "2001:db8:1200::/48"
REVERSE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
WWW = "2001:db8:1200::80"
TEXT = """\
; The zone of the company.
$TTL 1h
@       IN SOA  ns1 hostmaster (
                2026010100 ; serial
                1h 15m 2w 1h )
        NS      ns1
        TXT     "v=spf1 ip4:192.0.2.25 -all" ; the policy
ns1     A       192.0.2.53
www     600 A   192.0.2.80      ; the web
"""

BIND = """\
key k {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
    directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify no;
}};
controls {{ inet 127.0.0.1 port {control} allow {{ 127.0.0.1; }} keys {{ k; }}; }};
zone "example.com" {{ type master; file "example.com.zone"; }};
zone "dynamic.example" {{ type master; file "dynamic.zone"; update-policy local; }};
zone "elsewhere.example" {{ type slave; primaries {{ 127.0.0.1; }}; file "elsewhere"; }};
"""
RNDC = 'key k {{ algorithm hmac-sha256; secret "{secret}"; }};\noptions {{ default-key k; }};\n'
NSD = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  pidfile: "{folder}/pid"
  zonesdir: "{folder}"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
remote-control:
  control-enable: yes
  control-interface: "{folder}/control"
zone:
  name: "example.com"
  zonefile: "example.com.zone"
zone:
  name: "elsewhere.example"
  zonefile: "elsewhere"
  request-xfr: 127.0.0.1 NOKEY
"""
KNOT = """\
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
database:
    storage: "{folder}/db"
acl:
  - id: updaters
    address: 127.0.0.1
    action: [transfer, update]
remote:
  - id: other
    address: 127.0.0.1@1
template:
  - id: default
    storage: "{folder}"
    file: "%s.zone"
zone:
  - domain: example.com
  - domain: dynamic.example
    acl: updaters
    file: dynamic.zone
  - domain: elsewhere.example
    master: other
"""
CONFIGS = {"bind": ("named.conf", BIND), "nsd": ("nsd.conf", NSD), "knot": ("knot.conf", KNOT)}
PROGRAMS = {"bind": "named", "nsd": "nsd", "knot": "knotd"}


class Daemon:
    """A name server of the test's own."""

    def __init__(self, kind: str, folder: Path, config: str = "") -> None:
        self.kind, self.folder = kind, folder
        self.port, control = _free_port(), _free_port()
        name, text = CONFIGS[kind]
        text = config or text
        self.config = folder / name
        self.config.write_text(text.format(folder=folder, port=self.port, control=control, secret=SECRET))
        (folder / "db").mkdir()
        for name in ("example.com.zone", "dynamic.zone"):
            (folder / name).write_text(TEXT)
        if kind == "bind":
            (folder / "rndc.conf").write_text(RNDC.format(secret=SECRET))
        arguments = {"bind": ["-g", "-n", "1"], "nsd": ["-d"], "knot": []}[kind]
        program = str(shutil.which(PROGRAMS[kind], path=PATH))
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program, *arguments, "-c", str(self.config)], stdout=log, stderr=log)
        for _attempt in range(400):
            if self.process.poll() is not None:
                break
            if self.ask("example.com", "SOA"):
                return
            time.sleep(0.05)
        self.stop()
        pytest.fail(f"{kind} did not start:\n{(folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def ask(self, name: str, kind: str) -> list[str] | None:
        """Return the data of an RRset, None where the server has no such name."""
        query = dns.message.make_query(name, kind, flags=0)
        try:
            answer = dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=5)
        except (OSError, dns.exception.Timeout):
            return None
        if answer.rcode() != dns.rcode.NOERROR:
            return None
        number = dns.rdatatype.from_text(kind)
        return sorted(item.to_text() for rrset in answer.answer if rrset.rdtype == number for item in rrset)

    def state(self) -> dict[str, bytes]:
        """Return every file that people or this collection write."""
        found = self.folder.rglob("*")
        names = (".conf", ".zone")
        return {str(path): path.read_bytes() for path in found if path.is_file() and path.name.endswith(names)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["bind", "nsd", "knot"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[Daemon]:
    if shutil.which(PROGRAMS[request.param], path=PATH) is None:
        pytest.skip(f"{PROGRAMS[request.param]} is not installed")
    started = Daemon(request.param, tmp_path)
    yield started
    started.stop()


def run(
    daemon: Daemon,
    zones: list[t.Any],
    records: t.Sequence[t.Any] = (),
    spf: t.Sequence[t.Any] = (),
    state: str = "present",
    really: bool = True,
    now: datetime.datetime = DAY,
    **policy: t.Any,
) -> dict[str, t.Any]:
    """What the action plugin does."""
    server = zone_files.server(daemon.kind, str(daemon.config))
    wanted = zone_wanted.zones(zones)
    wish = dns_update.wanted(list(records), list(spf), state)
    asked = {zone.name: {"file": zone.file, "view": zone.view} for zone in wanted}
    there = zone_files.read(server, asked, zone_plan.names(wish))
    found = zone_plan.plan(wanted, wish, there, zone_wanted.Policy(**policy), now)
    result = zone_result.result(found, there, True)
    if found.jobs:
        jobs = [zone_files.Job(**job) for job in zone_result.jobs(found, there)]
        done = zone_files.write(server, jobs, really)
        result.update(loaded=done.loaded, said=done.warnings)
        if done.error is not None:
            raise RolloutError(done.error)
    return result


def ptr(name: str = "www.example.com", address: str = WWW) -> dict[str, t.Any]:
    return {"name": reverse_name(address), "type": "PTR", "data": name}


NEW = {"name": PREFIX, "ns": ["ns1.example.com"]}
AAAA = {"name": "www.example.com", "type": "AAAA", "data": WWW}


def test_a_new_zone_and_one_that_is_there_and_back(daemon: Daemon) -> None:
    before = daemon.state()
    planned = run(daemon, ["example.com", NEW], [AAAA, ptr()], really=False)
    assert daemon.state() == before
    done = run(daemon, ["example.com", NEW], [AAAA, ptr()])
    assert (done["zones"], done["diff"]) == (planned["zones"], planned["diff"])
    assert done["loaded"] == [REVERSE, "example.com."]
    assert daemon.ask("www.example.com", "AAAA") == [WWW]
    assert daemon.ask(reverse_name(WWW), "PTR") == ["www.example.com."]
    assert (daemon.folder / "example.com.zone").read_text().startswith("; The zone of the company.\n$TTL 1h\n")

    written = daemon.state()
    again = run(daemon, ["example.com", NEW], [AAAA, ptr()], now=DAY + datetime.timedelta(days=3))
    assert (again["changed"], again["zones"]) == (False, [])
    assert daemon.state() == written

    gone = run(daemon, ["example.com", NEW], state="absent")
    assert gone["changed"]
    assert daemon.ask("www.example.com", "AAAA") == []
    assert daemon.ask(reverse_name(WWW), "PTR") is None
    after = {path: text.replace(b"2026112101", b"2026010100") for path, text in daemon.state().items()}
    assert after == before
    assert not run(daemon, ["example.com", NEW], state="absent")["changed"]


def test_the_serial_counts_on_and_never_back(daemon: Daemon) -> None:
    serials = []
    for number in range(3):
        record = {**AAAA, "data": f"2001:db8:1200::{number + 1:x}"}
        now = DAY - datetime.timedelta(days=number)
        serials.append(run(daemon, ["example.com"], [record], now=now, purge=True)["zones"][0]["serial"])
        assert daemon.ask("www.example.com", "AAAA") == [record["data"]]
    assert serials == [2026112100, 2026112101, 2026112102]


def test_a_zone_that_the_checker_refuses_is_not_written(daemon: Daemon) -> None:
    before = daemon.state()
    wrong = {"name": "alias.example.com", "type": "CNAME", "data": "www.example.com"}
    text = {"name": "alias.example.com", "type": "TXT", "data": "beside it"}
    with pytest.raises(RolloutError) as caught:
        run(daemon, ["example.com"], [wrong, text])
    assert "refuses it, so nothing is changed" in str(caught.value)
    assert daemon.state() == before


def test_somebody_else_was_faster(daemon: Daemon) -> None:
    server = zone_files.server(daemon.kind, str(daemon.config))
    path = daemon.folder / "example.com.zone"
    digest = files.digest(path.read_bytes())
    path.write_text(TEXT + "mine A 192.0.2.99\n")
    job = zone_files.Job("example.com.", str(path), [""], TEXT, digest, 2026010100, False)
    with pytest.raises(RolloutError) as caught:
        zone_files.write(server, [job], True)
    assert "somebody else changed" in str(caught.value)
    assert "mine" in path.read_text()


def test_a_zone_that_is_not_loaded_gives_everything_back(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    before = daemon.state()
    server = zone_files.server(daemon.kind, str(daemon.config))
    monkeypatch.setattr(type(server), "wait", _never)
    monkeypatch.setattr(type(server), "serial", lambda *_: None)
    with pytest.raises(RolloutError) as caught:
        run(daemon, ["example.com", NEW], [AAAA, ptr()])
    assert f"zone {REVERSE}: not served. Its file is what it was; not touched: example.com." in str(caught.value)
    assert daemon.state() == before
    monkeypatch.undo()
    assert daemon.ask("www.example.com", "AAAA") == []
    assert daemon.ask(REVERSE, "SOA") is None
    assert run(daemon, ["example.com", NEW], [AAAA, ptr()])["loaded"] == [REVERSE, "example.com."]


def _never(*_: t.Any) -> None:
    raise RolloutError("not served")


def test_the_second_of_two_zones_fails(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done stays done and keeps its serial; the one that fails is as it was; a second run completes."""
    run(daemon, [NEW], [ptr()])
    before = daemon.state()
    wait = name_server.NameServer.wait

    def only_reverse(server: t.Any, zone: str, view: str, serial: int | None) -> None:
        if zone == "example.com.":
            # Somebody else adds a line while we wait; the file is not ours alone.
            raise RolloutError("not served")
        wait(server, zone, view, serial)

    monkeypatch.setattr(name_server.NameServer, "wait", only_reverse)
    monkeypatch.setattr(zone_files, "is_served", lambda *_: False)
    other = ptr("mail.example.com", "2001:db8:1200::25")
    with pytest.raises(RolloutError) as caught:
        run(daemon, ["example.com", NEW], [AAAA, other])
    assert f"; done before: {REVERSE}" in str(caught.value)
    monkeypatch.undo()
    after = daemon.state()
    assert [path for path in after if after[path] != before[path]] == [
        path for path in after if path.endswith(f"{REVERSE}zone")
    ]
    assert daemon.ask(other["name"], "PTR") == ["mail.example.com."]
    assert [zone["zone"] for zone in run(daemon, ["example.com", NEW], [AAAA, other])["zones"]] == ["example.com."]


def test_a_file_that_somebody_else_has_changed_since_is_not_put_back(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = daemon.folder / "example.com.zone"

    def edited_meanwhile(*_: t.Any) -> None:
        path.write_text(path.read_text() + "mine A 192.0.2.99\n")
        raise RolloutError("not served")

    monkeypatch.setattr(name_server.NameServer, "wait", edited_meanwhile)
    monkeypatch.setattr(zone_files, "is_served", lambda *_: False)
    with pytest.raises(RolloutError):
        run(daemon, ["example.com"], [AAAA])
    assert path.read_text().endswith("mine A 192.0.2.99\n")


def test_a_zone_that_was_written_and_not_loaded_is_loaded_by_the_next_run(daemon: Daemon) -> None:
    path = daemon.folder / "example.com.zone"
    path.write_text(path.read_text().replace("2026010100", "2026010101") + "by-hand A 192.0.2.98\n")
    done = run(daemon, ["example.com"])
    assert (done["changed"], done["loaded"]) == (True, ["example.com."])
    assert daemon.ask("by-hand.example.com", "A") == ["192.0.2.98"]
    assert not run(daemon, ["example.com"])["changed"]


def test_two_runs_at_once(daemon: Daemon) -> None:
    with zone_files._alone(str(daemon.folder)), pytest.raises(RolloutError) as caught:
        run(daemon, [NEW], [ptr()])
    assert "somebody else is writing zones" in str(caught.value)


def test_included_files_and_octets_that_are_no_utf_8(daemon: Daemon) -> None:
    (daemon.folder / "parts").mkdir()
    (daemon.folder / "parts" / "more.zone").write_text("inc A 192.0.2.77\n")
    path = daemon.folder / "example.com.zone"
    text = TEXT.encode() + b"$INCLUDE parts/more.zone\n; B\xfcro\n"
    if daemon.kind != "knot":  # it refuses such names
        text += b"m\xfcller TXT x\n\tTXT y\n"
    path.write_bytes(text)
    run(daemon, ["example.com"], [AAAA])
    assert path.read_bytes().startswith(text.replace(b"2026010100", b"2026112100"))
    assert daemon.ask("inc.example.com", "A") == ["192.0.2.77"]
    assert daemon.ask("m\\252ller.example.com", "TXT") == (None if daemon.kind == "knot" else ['"x"', '"y"'])
    run(daemon, ["example.com"], [AAAA], state="absent")
    assert path.read_bytes() == text.replace(b"2026010100", b"2026112101")


def test_a_server_that_does_not_run_gets_its_files(daemon: Daemon) -> None:
    daemon.stop()
    assert run(daemon, ["example.com"], [AAAA])["loaded"] == []
    assert WWW in (daemon.folder / "example.com.zone").read_text()


def test_zones_that_are_not_to_be_written_here(daemon: Daemon) -> None:
    refused = {"elsewhere.example": "write it where it is primary"}
    if daemon.kind != "nsd":  # it has no dynamic updates
        refused["dynamic.example"] = "use the module dns_records"
    for zone, why in refused.items():
        with pytest.raises(RolloutError) as caught:
            run(daemon, [zone])
        assert why in str(caught.value)


def test_records_of_others(daemon: Daemon) -> None:
    (daemon.folder / "example.com.zone").write_text(TEXT + "mine A 192.0.2.99\n")
    with pytest.raises(RolloutError) as caught:
        run(daemon, ["example.com"], [AAAA], foreign="refuse")
    assert "example.com. TXT" in str(caught.value)
    run(daemon, ["example.com"], [AAAA])
    assert daemon.ask("mine.example.com", "A") == ["192.0.2.99"]
    wanted = [AAAA, {"name": "ns1.example.com", "type": "A", "data": "192.0.2.53"}]
    run(daemon, ["example.com"], wanted, foreign="remove")
    assert daemon.ask("mine.example.com", "A") is None
    assert daemon.ask("example.com", "TXT") == []
    assert daemon.ask("ns1.example.com", "A") == ["192.0.2.53"]


def test_records_of_an_earlier_call(daemon: Daemon) -> None:
    run(daemon, ["example.com"], [AAAA])
    other = {**AAAA, "name": "other.example.com"}
    run(daemon, ["example.com"], [other])
    assert daemon.ask("www.example.com", "AAAA") == [WWW]
    run(daemon, ["example.com"], [other], purge=True)
    assert daemon.ask("www.example.com", "AAAA") == []
    assert daemon.ask("other.example.com", "AAAA") == [WWW]


def test_a_wildcard_answers_beside_explicit_records(daemon: Daemon) -> None:
    run(daemon, [{**NEW, "wildcard": "pool.example.com"}], [ptr()])
    assert daemon.ask(reverse_name(WWW), "PTR") == ["www.example.com."]
    for address in ("2001:db8:1200::81", "2001:db8:1200::1", "2001:db8:1200:0:8000::1", "2001:db8:1200:ffff::1"):
        assert daemon.ask(reverse_name(address), "PTR") == ["pool.example.com."], address
    assert not run(daemon, [{**NEW, "wildcard": "pool.example.com"}], [ptr()])["changed"]
    run(daemon, [NEW], [ptr()], purge=True)
    assert daemon.ask(reverse_name("2001:db8:1200::81"), "PTR") is None


def test_a_changed_soa_record(daemon: Daemon) -> None:
    zone = {"name": "example.com", "soa": {"rname": "dns.admin@example.com", "minimum": 300}}
    assert run(daemon, [zone])["zones"][0]["serial"] == 2026112100
    assert daemon.ask("example.com", "SOA") == [
        "ns1.example.com. dns\\.admin.example.com. 2026112100 3600 900 1209600 300"
    ]
    assert not run(daemon, [zone])["changed"]


def test_the_policy_and_back(daemon: Daemon) -> None:
    spf = [{"name": "example.com", "ip6": [WWW]}]
    run(daemon, ["example.com"], spf=spf)
    assert daemon.ask("example.com", "TXT") == [f'"v=spf1 ip4:192.0.2.25 ip6:{WWW} -all"']
    assert f'"v=spf1 ip4:192.0.2.25 ip6:{WWW} -all" ; the policy' in (daemon.folder / "example.com.zone").read_text()
    run(daemon, ["example.com"], spf=spf, state="absent")
    assert daemon.ask("example.com", "TXT") == ['"v=spf1 ip4:192.0.2.25 -all"']


def test_zones_are_found_in_the_configuration(daemon: Daemon) -> None:
    assert run(daemon, [], [AAAA])["loaded"] == ["example.com."]
    assert daemon.ask("www.example.com", "AAAA") == [WWW]
    with pytest.raises(RolloutError) as caught:
        run(daemon, [], [ptr()])
    assert "in none of the zones" in str(caught.value)
    with pytest.raises(RolloutError) as caught:
        run(daemon, [NEW], [AAAA])
    assert "but in example.com.; add it to zones" in str(caught.value)
    assert run(daemon, [], [AAAA], state="absent")["changed"]
    assert daemon.ask("www.example.com", "AAAA") == []


def test_a_pointer_follows_the_name_that_confirms_it(daemon: Daemon) -> None:
    record = {**ptr(), "fallback": "ipv6.www.example.com"}
    run(daemon, [NEW], [record])
    assert daemon.ask(reverse_name(WWW), "PTR") == ["ipv6.www.example.com."]
    run(daemon, [], [AAAA])
    run(daemon, [NEW], [record])
    assert daemon.ask(reverse_name(WWW), "PTR") == ["www.example.com."]


def test_reverse_zones_first_and_last_on_the_way_back(daemon: Daemon) -> None:
    both = [AAAA, ptr()]
    assert [zone["zone"] for zone in run(daemon, ["example.com", NEW], both)["zones"]] == [REVERSE, "example.com."]
    gone = run(daemon, ["example.com", NEW], both, state="absent")
    assert [zone["zone"] for zone in gone["zones"]] == ["example.com.", REVERSE]


def test_a_zone_that_was_made_goes_with_its_last_record(daemon: Daemon) -> None:
    other = ptr("mail.example.com", "2001:db8:1200::25")
    run(daemon, [NEW], [ptr(), other])
    run(daemon, [NEW], [ptr()], state="absent")
    assert daemon.ask(other["name"], "PTR") == ["mail.example.com."]
    run(daemon, [NEW], [other], state="absent")
    assert daemon.ask(REVERSE, "SOA") is None
    assert not (daemon.folder / "ipv6-rollout.conf").exists()


@pytest.fixture
def bind(tmp_path: Path) -> t.Iterator[t.Callable[[str], Daemon]]:
    if shutil.which("named", path=PATH) is None:
        pytest.skip("named is not installed")
    running: list[Daemon] = []

    def started(config: str) -> Daemon:
        (tmp_path / "bind").mkdir()
        running.append(Daemon("bind", tmp_path / "bind", config))
        return running[-1]

    yield started
    for one in running:
        one.stop()


HEAD = BIND[: BIND.index("zone ")]
PARKED = 'zone "{}" {{{{ type master; file "example.com.zone"; }}}};\n'


def test_zones_that_share_a_file_are_refused(bind: t.Callable[[str], Daemon]) -> None:
    daemon = bind(HEAD + PARKED.format("example.com") + PARKED.format("example.net"))
    with pytest.raises(RolloutError) as caught:
        run(daemon, ["example.com"], [AAAA])
    assert "is that of example.net. too" in str(caught.value)


def test_views_that_share_a_file_are_both_loaded(bind: t.Callable[[str], Daemon]) -> None:
    zone = PARKED.format("example.com").strip()
    views = [("other", "192.0.2.1"), ("own", "any")]
    text = "".join(f'view "{name}" {{{{ match-clients {{{{ {who}; }}}}; {zone} }}}};\n' for name, who in views)
    daemon = bind(HEAD + text)
    assert run(daemon, [{"name": "example.com", "view": "other"}], [AAAA])["loaded"] == ["example.com."]
    assert daemon.ask("www.example.com", "AAAA") == [WWW]
    with pytest.raises(RolloutError) as caught:
        run(daemon, [NEW], [ptr()], really=False)
    assert "this server has views" in str(caught.value)


@pytest.mark.parametrize(("mode", "fails"), [("", True), ("check-names ignore;", False)])
def test_names_that_no_host_may_have_are_checked_as_the_server_does(
    bind: t.Callable[[str], Daemon], mode: str, fails: bool
) -> None:
    daemon = bind(HEAD + PARKED.format("example.com").replace("type master;", f"type master; {mode}"))
    record = {**AAAA, "name": "my_host.example.com"}
    if fails:
        with pytest.raises(RolloutError) as caught:
            run(daemon, ["example.com"], [record], really=False)
        assert "bad owner name" in str(caught.value)
    else:
        assert run(daemon, ["example.com"], [record])["loaded"] == ["example.com."]


def test_a_zone_that_was_made_takes_no_updates_whatever_the_others_do(bind: t.Callable[[str], Daemon]) -> None:
    text = HEAD.replace("recursion no;", "recursion no; allow-update {{ key k; }};")
    daemon = bind(text + PARKED.format("example.com").replace("type master;", "type master; allow-update {{ none; }};"))
    run(daemon, [NEW], [ptr()])
    assert not run(daemon, [NEW], [ptr()])["changed"]
    assert run(daemon, [NEW], state="absent")["changed"]


def test_a_server_that_cannot_be_told_is_not_said_to_be_down(bind: t.Callable[[str], Daemon]) -> None:
    daemon = bind(BIND)
    control = daemon.folder / "rndc.conf"
    text = control.read_text()
    control.write_text(text.replace(SECRET, SECRET[::-1].strip("=") + "="))
    done = run(daemon, ["example.com"], [AAAA])
    assert done["loaded"] == [] and "cannot be told to load anything (rndc says:" in done["said"][-1]
    control.write_text(text)
    assert run(daemon, ["example.com"], [AAAA])["loaded"] == ["example.com."]
    assert daemon.ask("www.example.com", "AAAA") == [WWW]


def test_an_include_line_in_a_comment_is_none(bind: t.Callable[[str], Daemon]) -> None:
    daemon = bind('// include "{folder}/named.conf.local";\n' + BIND)
    (daemon.folder / "named.conf.local").write_text("// mine\n")
    assert run(daemon, [NEW], [ptr()])["loaded"] == [REVERSE]
    assert (daemon.folder / "named.conf.local").read_text() == "// mine\n"


def test_a_view_that_does_not_load_is_told_again_and_again(
    bind: t.Callable[[str], Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_server.NameServer.wait, "__defaults__", (2.0,))
    zone = PARKED.format("example.com").strip()
    small = zone.replace("type master;", "type master; max-zone-ttl 4000;")
    views = [("own", "any", zone), ("other", "192.0.2.1", small)]
    text = "".join(f'view "{name}" {{{{ match-clients {{{{ {who}; }}}}; {what} }}}};\n' for name, who, what in views)
    daemon = bind(HEAD + text)
    for _run in range(2):
        with pytest.raises(RolloutError) as caught:
            run(daemon, ["example.com"], [{**AAAA, "ttl": 86400}])
        assert "the views other do not" in str(caught.value) or "max-zone-ttl" in str(caught.value)


def test_a_server_that_is_lost_after_the_reload_keeps_the_file(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    server = type(zone_files.server(daemon.kind, str(daemon.config)))

    def lost(*_: t.Any) -> None:
        monkeypatch.setattr(server, "unreachable", lambda _self: "gone")
        raise RolloutError("no answer")

    monkeypatch.setattr(server, "wait", lost)
    with pytest.raises(RolloutError) as caught:
        run(daemon, ["example.com"], [AAAA])
    assert "whether it is loaded cannot be asked now; run again" in str(caught.value)
    monkeypatch.undo()
    assert WWW in (daemon.folder / "example.com.zone").read_text()
    run(daemon, ["example.com"], [AAAA])
    assert daemon.ask("www.example.com", "AAAA") == [WWW]


def test_a_configuration_without_a_final_line_end_is_given_back(daemon: Daemon) -> None:
    daemon.config.write_text(daemon.config.read_text().rstrip("\n"))
    before = daemon.state()
    run(daemon, [NEW], [ptr()])
    run(daemon, [NEW], state="absent")
    assert daemon.state() == before


def test_an_included_file_of_any_name(daemon: Daemon) -> None:
    (daemon.folder / "zone").write_text("inc A 192.0.2.77\n")
    path = daemon.folder / "example.com.zone"
    path.write_text(TEXT + "$INCLUDE zone\n")
    run(daemon, ["example.com"], [AAAA])
    assert daemon.ask("inc.example.com", "A") == ["192.0.2.77"]
