# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may want of a DNS64, and the files of both servers."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import dns64_bind, dns64_texts, dns64_values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

FORWARD = {"zone": "Internal.Example.", "servers": ["192.0.2.53"], "type": "stub", "insecure": True}
GOOD = {
    "server": "unbound",
    "prefix": "64:ff9b::/96",
    "clients": ["2001:db8:1200::/48"],
    "listen": ["2001:DB8:1200::53"],
    "forward": [FORWARD, {"zone": ".", "servers": ["2001:db8::1", "192.0.2.1"]}],
    "ignore_aaaa": [],
    "excluded": [],
    "ipv4only": "local",
    "log_queries": False,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clients": []}, "nobody would be answered"),
        ({"clients": ["::/0"]}, "anybody could use"),
        ({"listen": []}, "no client could ask"),
        ({"listen": ["::"]}, "no address of a single host"),
        ({"listen": ["2001:db8::1%eth0"]}, "is no address"),
        ({"listen": [53]}, "is no address"),
        ({"prefix": "64:ff9b::/97"}, "a length"),
        ({"forward": [{"zone": "a b", "servers": ["192.0.2.1"]}]}, "is no domain name"),
        ({"forward": [{"zone": 'x"\nserver:', "servers": ["192.0.2.1"]}]}, "is no domain name"),
        ({"forward": [{"zone": "example.com", "servers": []}]}, "has no servers"),
        ({"forward": [{"zone": "example.com", "servers": ["ns1.example.com"]}]}, "is no address"),
        ({"forward": [FORWARD, {**FORWARD, "zone": "internal.example"}]}, "is named twice"),
        ({"ignore_aaaa": [None]}, "is no domain name"),
        ({"ignore_aaaa": ["example.com"], "server": "bind"}, "use excluded, or unbound"),
        ({"excluded": ["2001:db8::/32"]}, "use ignore_aaaa, or bind"),
        ({"excluded": ["nonsense"], "server": "bind"}, "is no IPv6 prefix"),
        ({"log_queries": True, "server": "bind"}, "querylog"),
    ],
)
def test_what_is_refused(change, words):
    with pytest.raises(RolloutError, match=words):
        dns64_values.wanted({**GOOD, **change})


def test_the_drop_in_of_unbound():
    wish = dns64_values.wanted({**GOOD, "ignore_aaaa": ["Broken.Example"], "log_queries": True})
    lines = [line.strip() for line in dns64_texts.unbound(wish, "dns64 validator iterator", ["::1"]).splitlines()]
    for line in (
        'module-config: "dns64 validator iterator"',
        "dns64-prefix: 64:ff9b::/96",
        'dns64-ignore-aaaa: "broken.example."',
        'local-zone: "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa." transparent',
        "interface: ::1",
        "interface: 2001:db8:1200::53",
        "access-control: 2001:db8:1200::/48 allow",
        'domain-insecure: "internal.example."',
        "log-queries: yes",
        "stub-addr: 192.0.2.53",
        "forward-addr: 2001:db8::1",
        'local-data: "ipv4only.arpa. 3600 IN AAAA 64:ff9b::c000:aa"',
        'local-data: "ipv4only.arpa. 3600 IN AAAA 64:ff9b::c000:ab"',
    ):
        assert lines.count(line) == 1, line
    assert lines.index("interface: ::1") < lines.index("stub-zone:")


def test_the_internet_is_asked_for_discovery_where_that_is_wanted():
    wish = dns64_values.wanted({**GOOD, "ipv4only": "resolve"})
    assert "ipv4only" not in dns64_texts.unbound(wish, "dns64 validator iterator", [])
    assert "ipv4only" not in dns64_texts.bind_zones(wish, "/zone")


@pytest.mark.parametrize(("server", "asked"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False)])
def test_a_resolver_on_the_same_host_is_asked(server, asked):
    wish = dns64_values.wanted({**GOOD, "forward": [{"zone": ".", "servers": [server]}]})
    assert ("do-not-query-localhost: no" in dns64_texts.unbound(wish, "dns64 iterator", [])) == asked


OPTIONS = [
    'options {\n\tdirectory "/tmp";\n};\n',
    "// options { none }\n/* options {\n */ options\n{ };\n",
    'options { directory "/tmp//x"; };',
]


@pytest.mark.parametrize("text", OPTIONS)
def test_the_line_of_bind_stands_inside_the_options(text):
    found = dns64_bind.with_options(text)
    assert dns64_bind.with_options(found) == found
    assert found.replace(f'\n\tinclude "{dns64_bind.OWN_OPTIONS}";', "") == text
    before = dns64_bind._blanked(found).partition("include")[0]
    assert before.count("{") == 1 and "options" in before


@pytest.mark.parametrize("text", OPTIONS)
def test_bind_without_our_lines_is_what_it_was(text):
    found = dns64_bind.with_zones(dns64_bind.with_options(text))
    assert "include" in found and "include" not in dns64_bind.without(found)
    assert dns64_bind.without(found).split() == text.split()


def test_a_line_that_somebody_has_commented_out_is_none():
    for change in (dns64_bind.with_options, dns64_bind.with_zones):
        off = change("options {\n};\n").replace("include", "// include")
        assert change(off) != off


def test_options_that_are_elsewhere_are_named():
    with pytest.raises(RolloutError, match="there is no 'options' in it"):
        dns64_bind.with_options("// options { };\n")


@pytest.mark.parametrize("asked", [True, False])
def test_bind_takes_its_files(tmp_path, monkeypatch, asked):
    if not shutil.which("named-checkconf"):
        pytest.skip("no named-checkconf here")
    for name, path in (("OWN_OPTIONS", "own.options"), ("OWN_ZONES", "own.zones"), ("OWN_ZONE", "own.zone")):
        monkeypatch.setattr(dns64_bind, name, str(tmp_path / path))
    wish = dns64_values.wanted({**GOOD, "server": "bind", "excluded": ["2001:db8:dead::/48"]})
    (tmp_path / "own.options").write_text(dns64_texts.bind_options(wish, asked))
    (tmp_path / "own.zones").write_text(dns64_texts.bind_zones(wish, str(tmp_path / "own.zone")))
    (tmp_path / "own.zone").write_text(dns64_texts.bind_zone_file())
    text = dns64_bind.with_zones(dns64_bind.with_options(f'options {{ directory "{tmp_path}"; }};'))
    (tmp_path / "named.conf").write_text(text)
    argv = ["named-checkconf", "-z", str(tmp_path / "named.conf")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "zone ipv4only.arpa/IN: loaded serial 1" in done.stdout
