# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration of web servers says of clients' addresses, and what access logs tell of clients."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_daemons, audit_web, commands

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
TOKEN = "readiness-0123456789"


@pytest.fixture
def etc(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_web, "APACHE", str(tmp_path))
    monkeypatch.setattr(audit_web, "NGINX", str(tmp_path))
    return tmp_path


def put(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace("HERE", str(folder)))


SITE = """\
<VirtualHost *:80>
    ServerName www.example.com
    DocumentRoot /srv/www
    Alias /help "/usr/share/help"
    CustomLog ${APACHE_LOG_DIR}/www.log combined
    CustomLog "|/usr/bin/logger" combined
    CustomLog relative.log common
    <Location "/admin">
        Require ip 192.0.2.0/24 2001:db8::/32
        <RequireNone>
            Require ip 192.0.2.9
        </RequireNone>
    </Location>
    <Directory /srv/www/staff>
        Order deny,allow
        Deny from all
        Allow from 192.0.2.0/24 \\
            198.51.100.0/24
    </Directory>
    <LocationMatch "^/(a|b)">
        Require not host example.net
    </LocationMatch>
    <Directory /usr/share/help/more>
        Require local
    </Directory>
    <Directory /srv/www>
        Require all granted
    </Directory>
</VirtualHost>
"""
APACHE = {
    "apache2.conf": "IncludeOptional conf/*.conf\nInclude HERE/sites\n"
    "<Directory />\nRequire all denied\n</Directory>\n",
    "envvars": 'export SUFFIX=""\nexport APACHE_LOG_DIR=/var/log/apache2$SUFFIX\n',
    "sites/one.conf": SITE,
    "conf/loop.conf": "Include apache2.conf\nInclude conf/loop.conf\n",
}


def test_apache(etc):
    put(etc, APACHE)
    found = audit_web.apache()
    assert (found["server"], found["problem"]) == ("apache2", "")
    assert found["logs"] == ["/var/log/apache2/www.log", f"{etc}/relative.log"]
    told = [(entry["line"], entry["kind"], entry["path"], entry["rules"], entry["urls"]) for entry in found["access"]]
    assert told == [
        (9, "location", "/admin", ["Require ip 192.0.2.0/24 2001:db8::/32", "Require ip 192.0.2.9"], ["/admin"]),
        (
            15,
            "directory",
            "/srv/www/staff",
            ["Order deny,allow", "Deny from all", "Allow from 192.0.2.0/24 198.51.100.0/24"],
            ["/staff"],
        ),
        (21, "locationmatch", "^/(a|b)", ["Require not host example.net"], []),
        (24, "directory", "/usr/share/help/more", ["Require local"], ["/help/more"]),
    ]
    assert {entry["site"] for entry in found["access"]} == {"www.example.com"}
    assert {entry["file"] for entry in found["access"]} == {f"{etc}/sites/one.conf"}


def test_a_section_outside_of_all_sites_is_about_all_of_them(etc):
    put(
        etc,
        {
            "apache2.conf": "Define ROOT /srv\nDocumentRoot ${ROOT}/all\n"
            "<VirtualHost *:80>\nServerName a.example\nDocumentRoot /srv\n</VirtualHost>\n"
            "<Directory /srv/all/in>\nRequire ip 192.0.2.1\n</Directory>\n"
        },
    )
    (entry,) = audit_web.apache()["access"]
    assert (entry["site"], entry["urls"]) == ("", ["/in", "/all/in"])


def test_a_folder_is_looked_for_in_its_own_site(etc):
    site = "<VirtualHost *:80>\nServerName {0}\nDocumentRoot /srv{1}\n{2}</VirtualHost>\n"
    section = "<Directory /srv/b/in>\nRequire ip 192.0.2.1\n</Directory>\n"
    put(etc, {"apache2.conf": site.format("a.example", "", "") + site.format("b.example", "/b", section)})
    (entry,) = audit_web.apache()["access"]
    assert (entry["site"], entry["urls"]) == ("b.example", ["/in"])


def test_names_stay_with_their_own_site(etc):
    site = "<VirtualHost *:80>\nServerName {0}\n<Location />\nRequire local\n</Location>\n</VirtualHost>\n"
    put(etc, {"apache2.conf": site.format("a.example") + site.format("b.example")})
    assert [entry["site"] for entry in audit_web.apache()["access"]] == ["a.example", "b.example"]


NGINX = """\
http {
    access_log /var/log/nginx/one.log combined;
    access_log syslog:server=192.0.2.1;
    # allow 192.0.2.66;
    server {
        location = /status { allow 127.0.0.1; deny all; }
        location /open { allow all; }
        include more/*;
    }
}
"""


def test_nginx(etc):
    put(etc, {"nginx.conf": NGINX, "more/one": "location /more {\n allow 2001:db8::/32;\n deny all;\n}\n"})
    found = audit_web.nginx()
    assert found["logs"] == ["/var/log/nginx/access.log", "/var/log/nginx/one.log"]
    assert [(entry["line"], entry["path"], entry["rules"]) for entry in found["access"]] == [
        (6, "/status", ["allow 127.0.0.1", "deny all"]),
        (2, "/more", ["allow 2001:db8::/32", "deny all"]),
    ]


def test_without_a_web_server_there_is_nothing(monkeypatch):
    monkeypatch.setattr(audit_daemons.commands, "found", lambda program: None)
    assert audit_daemons.web() == ({"server": "", "problem": "", "logs": [], "access": []}, [])
    assert audit_daemons.postfix()["installed"] is False


@pytest.mark.parametrize(
    "text", ["a" * 100 + "\\\n", "<Location /" + "a" * 50 + ">\n", "{ " * 30 + "\n", "Require ip " * 9]
)
def test_huge_files_take_no_time(etc, text):
    put(etc, {"apache2.conf": text * 20000, "nginx.conf": text * 20000})
    start = time.monotonic()
    assert len(audit_web.apache()["access"]) <= audit_web.MOST
    assert len(audit_web.nginx()["access"]) <= audit_web.MOST
    assert time.monotonic() - start < 15


WORDS = st.sampled_from(
    ["<VirtualHost *:80>", "</VirtualHost>", "<Location /x>", "</Location>", "Require ip 192.0.2.1", "Include *", "\\"]
    + [
        "ServerName",
        "CustomLog",
        "Alias",
        "Define",
        "{",
        "}",
        ";",
        "include *",
        "allow 192.0.2.1",
        "location",
        "'",
        '"',
    ]
    + ["<If>", "#", "${APACHE_LOG_DIR}", "Require", "DocumentRoot", "access_log", "\x00"]
)
TEXTS = st.lists(WORDS | st.text(max_size=5), max_size=40).map("\n".join) | st.lists(WORDS, max_size=40).map(" ".join)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=TEXTS)
def test_any_text_gives_an_answer(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("etc")
    for name in ("apache2.conf", "nginx.conf", "envvars", "other"):
        (folder / name).write_text(text, encoding="utf-8", errors="replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_web, "APACHE", str(folder))
        patch.setattr(audit_web, "NGINX", str(folder))
        for found in (audit_web.apache(), audit_web.nginx()):
            assert all(isinstance(log, str) for log in found["logs"])
            for entry in found["access"]:
                assert entry["rules"]
                assert all(rule.isprintable() for rule in [*entry["rules"], entry["path"], entry["site"]])


# A line of a log, and the client.
LINES = {
    f'192.0.2.1 - - [x] "GET / HTTP/1.1" 200 1 "-" "{TOKEN}"': "192.0.2.1",
    f'2001:DB8::1 - - [x] "GET / HTTP/1.1" 200 1 "-" "{TOKEN}"': "2001:db8::1",
    f'www.example.com:80 2001:db8::1 - - [x] "GET /?192.0.2.9 HTTP/1.1" "{TOKEN}"': "2001:db8::1",
    f'[2001:db8::5]:80 2001:db8::1 - - [x] "GET / HTTP/1.1" "{TOKEN}"': "2001:db8::1",
    f'::ffff:192.0.2.1 - - [x] "{TOKEN}"': "::ffff:192.0.2.1",
    f'{{"client":"2001:db8::1","agent":"{TOKEN}"}}': "2001:db8::1",
    f'client.example.com - - [x] "{TOKEN}"': "client.example.com",
    f" {TOKEN}": TOKEN,
}


@pytest.mark.parametrize("line", LINES)
def test_the_client_of_a_line(tmp_path, line):
    (tmp_path / "log").write_text(f"192.0.2.77 - - other\n{line}\n{line}\n")
    found = audit_daemons.hits(TOKEN, [str(tmp_path / "log")])
    assert found == {"seen": [{"file": str(tmp_path / "log"), "address": LINES[line]}], "logs": 1, "problem": ""}


def test_without_a_token_no_log_is_read(tmp_path):
    (tmp_path / "log").write_text("192.0.2.1 - -\n")
    assert audit_daemons.hits("", [str(tmp_path / "log")]) == {"seen": [], "logs": 0, "problem": ""}


def test_only_the_end_of_a_log_is_read(tmp_path):
    (tmp_path / "log").write_bytes(f"192.0.2.1 {TOKEN}\n".encode() + b"x" * audit_daemons.TAIL)
    assert audit_daemons.hits(TOKEN, [str(tmp_path / "log")])["seen"] == []


def test_logs_that_can_not_be_read_are_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found = audit_daemons.hits(TOKEN, [str(tmp_path / "pipe"), str(tmp_path / "missing")])
    assert found["logs"] == 0
    assert "no regular file" in found["problem"]
    assert "No such file" in found["problem"]


def test_many_clients_are_cut(tmp_path):
    lines = (f"2001:db8::{number:x} {TOKEN}\n" for number in range(2000))
    (tmp_path / "log").write_text("".join(lines))
    assert len(audit_daemons.hits(TOKEN, [str(tmp_path / "log")])["seen"]) == audit_daemons.SEEN


POSTCONF = {
    ("postconf", "-x"): commands.Result(
        0,
        "inet_protocols = all\nmynetworks = 127.0.0.0/8 [::1]/128\npostscreen_greet_action = ignore\n"
        "smtpd_banner = a\x1bb <b>\nuninteresting = 1\nno pair\n",
        "postconf: warning: something",
    ),
    ("postconf", "-P"): commands.Result(0, "smtp6/unix/inet_protocols = ipv6\nsmtp/unix/other = 1\n", ""),
}


def test_postfix(monkeypatch):
    monkeypatch.setattr(audit_daemons.commands, "found", lambda program: program)
    monkeypatch.setattr(audit_daemons.commands, "run", lambda argv, **_options: POSTCONF[tuple(argv)])
    assert audit_daemons.postfix() == {
        "installed": True,
        "parameters": {
            "inet_protocols": "all",
            "mynetworks": "127.0.0.0/8 [::1]/128",
            "postscreen_greet_action": "ignore",
            "smtpd_banner": "a b <b>",
        },
        "overrides": {"smtp6/unix/inet_protocols": "ipv6"},
        "problem": "",
    }


def test_a_postfix_that_is_broken_is_told(monkeypatch):
    broken = commands.Result(1, "", "postconf: fatal: open /etc/postfix/main.cf: No such file\n")
    monkeypatch.setattr(audit_daemons.commands, "found", lambda program: program)
    monkeypatch.setattr(audit_daemons.commands, "run", lambda argv, **_options: broken)
    found = audit_daemons.postfix()
    assert (found["installed"], found["parameters"]) == (True, {})
    assert "main.cf" in found["problem"]
