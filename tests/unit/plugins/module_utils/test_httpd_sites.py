# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual hosts and access lists carried over to IPv6, line by line, and given back."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import httpd_sites, httpd_text
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
FILE = "/etc/apache2/sites-enabled/www.conf"
KNOWN = httpd_sites.mapping(
    {
        "192.0.2.80": "2001:db8:1200::80",
        "192.0.2.81": ["2001:db8:1200::81", "2001:DB8:1200::82/128"],
        "192.0.2.0/24": ["2001:db8:1200::/64"],
        "198.51.100.0/24": ["2001:db8:a::/64", "2001:db8:b::/64"],
    }
)
PROXIED = httpd_sites.Proxied("2001:db8:1200::8080", (80, 443))


def carried(line, proxied=None):
    return httpd_sites.carry_over(line, FILE, KNOWN, proxied)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("<VirtualHost 192.0.2.80:80>", "<VirtualHost 192.0.2.80:80 [2001:db8:1200::80]:80>"),
        ("\t<virtualhost  192.0.2.80 >\r", "\t<virtualhost  192.0.2.80 [2001:db8:1200::80]>\r"),
        ("<VirtualHost 192.0.2.80:*>", "<VirtualHost 192.0.2.80:* [2001:db8:1200::80]:*>"),
        (
            "<VirtualHost 192.0.2.81:443>",
            "<VirtualHost 192.0.2.81:443 [2001:db8:1200::81]:443 [2001:db8:1200::82]:443>",
        ),
        (
            "<VirtualHost 192.0.2.80:80 192.0.2.80:8080>",
            "<VirtualHost 192.0.2.80:80 192.0.2.80:8080 [2001:db8:1200::80]:80 [2001:db8:1200::80]:8080>",
        ),
        (
            "<VirtualHost 192.0.2.80:80 192.0.2.80:8080 [2001:DB8:1200:0::80]:80>",
            "<VirtualHost 192.0.2.80:80 192.0.2.80:8080 [2001:DB8:1200:0::80]:80 [2001:db8:1200::80]:8080>",
        ),
        ("Require ip 192.0.2.80", "Require ip 192.0.2.80 2001:db8:1200::80"),
        ("  require not ip 192.0.2.0/24", "  require not ip 192.0.2.0/24 2001:db8:1200::/64"),
        ("Require ip 192.0.2", "Require ip 192.0.2 2001:db8:1200::/64"),
        ("Require ip 192.0.2.", "Require ip 192.0.2. 2001:db8:1200::/64"),
        ("Require ip 192.0.2.77/255.255.255.0", "Require ip 192.0.2.77/255.255.255.0 2001:db8:1200::/64"),
        (
            "Require ip 192.0.2.80 198.51.100.0/24 2001:db8:b::/48",
            "Require ip 192.0.2.80 198.51.100.0/24 2001:db8:b::/48 2001:db8:1200::80 2001:db8:a::/64",
        ),
        ("Require ip \\\n  192.0.2.80", "Require ip \\\n  192.0.2.80 2001:db8:1200::80"),
        ("Require ip 127.0.0.1 127", "Require ip 127.0.0.1 127 ::1"),
        ("<VirtualHost 192.0.2.80:80> # office", "<VirtualHost 192.0.2.80:80 [2001:db8:1200::80]:80> # office"),
        ("<VirtualHost 192.0.2.80:80 > #\r", "<VirtualHost 192.0.2.80:80 [2001:db8:1200::80]:80> #\r"),
    ],
)
def test_carried_over(line, made):
    edit = carried(line)
    assert edit.text == made
    assert edit.untranslated == []
    assert carried(made).text == made
    assert httpd_text.undo(made, edit.changed) == (line, [])


@pytest.mark.parametrize(
    "line",
    [
        "<VirtualHost *:80>",
        "<VirtualHost _default_:443>",
        "<VirtualHost 127.0.0.1:8081>",
        "<VirtualHost 203.0.113.1:80 [2001:db8::1]:80>",
        "<VirtualHost [2001:db8::1]:80>",
        "# <VirtualHost 192.0.2.80:80>",
        "# a \\\nRequire ip 192.0.2.80",
        "Require ip 192.0.2.80 2001:db8:1200::/56",
        "Require local",
        "Require all granted",
        "Require host 1.example.com",
        "Deny from all",
        "Allow from 2001:db8:10::/48 host10.example.com",
        "RewriteRule ^/1.2 /v1.2",
        "ServerName 192.0.2.80",
        "SetEnvIf Request_URI 1.2 x",
    ],
)
def test_left_alone(line):
    edit = carried(line)
    assert edit == httpd_sites.Edit(line, [], [], [], edit.wide, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("<VirtualHost 203.0.113.1:80>", "203.0.113.1 has no known IPv6 counterpart"),
        ("<VirtualHost 203.0.113.1:80 [2001:db8::1]:81>", "203.0.113.1 has no known IPv6 counterpart"),
        ("<VirtualHost ${HERE}:80>", "is a variable"),
        ("<VirtualHost $address:80>", "is a variable"),
        ("<VirtualHost www.example.com:80>", "www.example.com is a name, which Apache looks up when it starts"),
        ("Require ip 127.0.0.5", "127.0.0.5/32 has no known IPv6 counterpart"),
        ("Require ip 192.0.2.0/0.0.0.255", "192.0.2.0/0.0.0.255 is no address or prefix to be read here"),
        ("Require ip 192.0.2.7", "192.0.2.7/32 has no known IPv6 counterpart"),
        ("Require ip 10", "10.0.0.0/8 has no known IPv6 counterpart"),
        ("Require ip ${OFFICE}", "is no address or prefix to be read here"),
        ("Allow from 192.0.2.0/24", "only its author"),
        ("Deny from 10.", "only its author"),
        ("Deny from 10", "only its author"),
        ("allow from env=x 10/8", "only its author"),
        ("RewriteCond expr \"-R '192.0.2.0/24'\"", "only its author"),
        ('SetEnvIf "Remote_Addr" ^192\\.0\\.2\\. office', "only its author"),
        ("<AuthzProviderAlias ip office 192.0.2.0/24>", "only its author"),
        ('SecRule REMOTE_ADDR "@ipMatch 192.0.2.0/24" "id:1,deny"', "only its author"),
        ("SSLRequire %{REMOTE_ADDR} =~ m/^192\\.0\\.2\\./", "only its author"),
        ("Require expr %{REMOTE_ADDR} -ipmatch '192.0.2.0/24'", "only its author"),
        ("SetEnvIf Remote_Addr ^192\\.0\\.2\\. office", "only its author"),
        ("RewriteCond %{REMOTE_ADDR} ^192\\.0\\.2", "only its author"),
        ("RemoteIPInternalProxy 192.0.2.1", "only its author"),
        ("<If \"-R '192.0.2.0/24'\">", "only its author"),
    ],
)
def test_what_is_not_known_is_reported_with_its_place(line, reason):
    edit = carried(f"\n{line}")
    assert edit.text == f"\n{line}"
    [told] = edit.untranslated
    assert (told["place"], told["directive"]) == (f"{FILE} line 2", line)
    assert reason in told["reason"]


def test_a_fleet_behind_forwarded_ports_is_not_this_host():
    known = httpd_sites.mapping({"127.0.0.1": ["2001:db8::1", "2001:db8::2"], "127.0.0.0/8": "2001:db8::/32"})
    edit = httpd_sites.carry_over("Require ip 127.0.0.1\nRequire ip 127", FILE, known)
    assert edit.text == "Require ip 127.0.0.1 ::1\nRequire ip 127 ::1"


def test_sites_of_two_ipv4_addresses_do_not_meet_on_one_ipv6_address():
    known = httpd_sites.mapping({"192.0.2.80": "2001:db8::80", "192.0.2.81": ["2001:db8::81", "2001:db8::80"]})
    text = "<VirtualHost 192.0.2.80:80>\n</VirtualHost>\n<VirtualHost 192.0.2.81:80>\n</VirtualHost>"
    edit = httpd_sites.carry_over(text, FILE, known)
    assert edit.text == text
    assert ["give each its own" in told["reason"] for told in edit.untranslated] == [True, True]
    together = "<VirtualHost 192.0.2.80:80 192.0.2.81:80>"
    assert httpd_sites.carry_over(together, FILE, known).text == together[:-1] + (
        " [2001:db8::80]:80 [2001:db8::81]:80>"
    )
    assert httpd_sites.carry_over("Require ip 192.0.2.80", FILE, known).text.endswith(" 2001:db8::80")


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        ("Require not ip 203.0.113.0/24", True),
        ("<RequireNone>\nRequire ip 203.0.113.0/24\n</RequireNone>", True),
        ("<RequireNone > # x\nRequire ip 203.0.113.0/24\n</RequireNone>", True),
        ("Deny from 203.0.113", True),
        ("Require not expr -R '203.0.113.0/24'", True),
        ("Require not ip 192.0.2.0/24", False),
        ("Require ip 203.0.113.0/24", False),
        ("<RequireNone>\nRequire local\n</RequireNone>\nRequire ip 203.0.113.0/24", False),
        ("Allow from 203.0.113", False),
    ],
)
def test_what_shuts_nobody_out_over_ipv6_is_told(text, opens):
    assert [FILE in told and "shuts nobody out over IPv6" in told for told in carried(text).opens] == [True] * opens


def test_a_prefix_is_no_address_of_a_virtual_host():
    edit = httpd_sites.carry_over("<VirtualHost 192.0.2.1:80>", FILE, {"192.0.2.1/32": ["2001:db8::/64"]})
    assert "must be one address" in edit.untranslated[0]["reason"]


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("<VirtualHost *:80>", "<VirtualHost *:80 [2001:db8:1200::8080]:80>"),
        ("<VirtualHost _default_:443>", "<VirtualHost _default_:443 [2001:db8:1200::8080]:443>"),
        ("<VirtualHost *>", "<VirtualHost * [2001:db8:1200::8080]:80 [2001:db8:1200::8080]:443>"),
        ("<VirtualHost *:8081>", "<VirtualHost *:8081>"),
        ("<VirtualHost 0.0.0.0:80>", "<VirtualHost 0.0.0.0:80 [2001:db8:1200::8080]:80>"),
        ("<VirtualHost [::]:80>", "<VirtualHost [::]:80 [2001:db8:1200::8080]:80>"),
        ("<VirtualHost 192.0.2.80:80>", "<VirtualHost 192.0.2.80:80 [2001:db8:1200::80]:80>"),
    ],
)
def test_proxied(line, made):
    assert carried(line, PROXIED).text == made


def test_an_address_for_proxied_traffic_is_for_nothing_else():
    with pytest.raises(RolloutError, match=r"is served in .*www.conf line 1 already"):
        carried("<VirtualHost [2001:db8:1200:0::8080]:8000>", PROXIED)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("192.0.2.0/24", "is no dictionary"),
        ({"192.0.2.1/24": "2001:db8::/64"}, "host bits"),
        ({"2001:db8::1": "2001:db8::1"}, "no IPv4 address"),
        ({"office": "2001:db8::1"}, "is no address or prefix"),
        ({192: "2001:db8::1"}, "is no address or prefix"),
        ({"192.0.2.1": None}, "is no address or prefix"),
        ({"192.0.2.1": []}, "the list is empty"),
        ({"192.0.2.1": {"a": 1}}, "is no address or prefix"),
        ({"192.0.2.1": "192.0.2.2"}, "is no IPv6 address"),
        ({"192.0.2.1": "::ffff:192.0.2.2"}, "is no IPv6 address"),
        ({"192.0.2.1": "fe80::1%eth0"}, "is no address or prefix"),
        ({"192.0.2.0/24": "::/0"}, "is everybody"),
        ({"192.0.2.0/24": "2001:db8::1/64"}, "host bits"),
        ({"192.0.2.1": "2001:db8::1\nRequire all granted"}, "is no address or prefix"),
    ],
)
def test_mappings_refused(value, why):
    with pytest.raises(RolloutError, match=why):
        httpd_sites.mapping(value)


def test_no_mapping():
    assert httpd_sites.mapping(None) == {}


def test_lines_that_somebody_edited_stay():
    text = "<VirtualHost 192.0.2.80:80>\nRequire ip 192.0.2.80\n</VirtualHost>\n"
    edit = carried(text)
    moved = "# more\n" + edit.text.replace("Require ip", "Require ip 203.0.113.1")
    back, lost = httpd_text.undo(moved, edit.changed)
    assert back == "# more\n" + text.replace(
        "Require ip 192.0.2.80", "Require ip 203.0.113.1 192.0.2.80 2001:db8:1200::80"
    )
    assert lost == ["Require ip 192.0.2.80 2001:db8:1200::80"]


LINES = st.sampled_from(
    [
        "<VirtualHost 192.0.2.80:80>",
        "<VirtualHost 192.0.2.80:80 [2001:db8:1200::80]:80>",
        "<VirtualHost *:80>",
        "<VirtualHost *:80 >\r",
        "<virtualhost 192.0.2.81> # >",
        "<VirtualHost [::]:80 \\",
        "</VirtualHost>",
        "  Require ip 192.0.2.80",
        "  Require ip 192.0.2.80 2001:db8:1200::80",
        "Require ip \\",
        "192.0.2.0/24 \\",
        "# \\",
        "Require ip 203.0.113.1 192.0.2 ",
        "",
        "</",
        "<",
        "Require ip",
        "\udcff",
    ]
)


@settings(max_examples=EXAMPLES)
@given(st.lists(LINES), st.booleans())
def test_undone_is_what_it_was_and_twice_is_once(lines, proxied):
    text = "\n".join(lines)
    edit = carried(text, PROXIED if proxied else None)
    assert httpd_text.undo(edit.text, edit.changed) == (text, [])
    assert carried(edit.text).text == edit.text
    assert edit.text.count("\n") == text.count("\n")
