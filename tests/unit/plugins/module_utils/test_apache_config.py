# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole configuration directory changed and given back, with Apache itself played by this file."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    apache,
    apache_apply,
    apache_config,
    files,
    httpd_values,
    listens,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.commands import Result
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

SITE = "<VirtualHost 192.0.2.80:80>\n    Require ip 192.0.2.0/24\n</VirtualHost>\n"
KNOWN = {"192.0.2.80": "2001:db8::80", "192.0.2.0/24": "2001:db8::/64"}
CARRIED = SITE.replace(":80>", ":80 [2001:db8::80]:80>").replace("/24", "/24 2001:db8::/64")
PROXY = {"address": "2001:db8::8080", "ports": [], "proxies": ["2001:db8:53::/64"], "exceptions": []}
LOG = apache.Server.log  # the real one, which the fixture replaces
EMPTY = {"mode": "mapped", "ports": [], "addresses": [], "ipv6_of": {}, "virtual_hosts": [], "proxy_protocol": None}


class Fake:
    """A running Apache: it listens on what the tree said when it started, and dies of a reload over another Listen."""

    def __init__(self, folder):
        self.folder, self.pid, self.fails_with, self.did = folder, 4711, "", []
        self.start()
        self.did.clear()

    def read(self, folder):
        names = ["ports.conf", "apache2.conf"]
        names += sorted(f"{kind}/{name}" for kind in ("sites-enabled",) for name in os.listdir(f"{folder}/{kind}"))
        return {f"{folder}/{name}": Path(folder, name).read_text(encoding="utf-8") for name in names}

    def control(self, directory, *args):
        told = self.read(directory)
        if args == ("-V",):
            return Result(0, " -D APR_HAVE_IPV6 (IPv4-mapped addresses enabled)\n", "")
        if any("Broken" in text for text in told.values()):
            return Result(1, "", "AH00526: Syntax error: Broken")
        lines = "".join(f"  (1) {name}\n" for name in told)
        return Result(
            0, f'PidFile: "{self.folder}/pid"\n so_module (static)\nIncluded configuration files:\n{lines}', ""
        )

    def start(self):
        self.did.append("restart")
        texts = "\n".join(self.read(self.folder).values())
        self.pid = 0 if self.fails_with and self.fails_with in texts else 4711
        self.sockets = (
            set().union(*listens.expected(listens.parse(texts, "x"), frozenset()).values()) if self.pid else set()
        )
        Path(self.folder, "pid").write_text("4711", encoding="utf-8")
        os.utime(f"{self.folder}/pid", (2**31, 2**31))

    def reload(self):
        self.did.append("reload")
        texts = "\n".join(self.read(self.folder).values())
        self.pid = 0 if self.fails_with and self.fails_with in texts else self.pid
        return bool(self.pid)


@pytest.fixture
def web(tmp_path, monkeypatch):
    folder = tmp_path / "apache2"
    for name in ("sites-available", "sites-enabled", "mods-available", "mods-enabled"):
        (folder / name).mkdir(parents=True)
    (folder / "ports.conf").write_text("Listen 0.0.0.0:80\n", encoding="utf-8")
    (folder / "apache2.conf").write_text("IncludeOptional sites-enabled/*.conf\n", encoding="utf-8")
    (folder / "sites-available" / "www.conf").write_text(SITE, encoding="utf-8")
    (folder / "sites-enabled" / "www.conf").symlink_to("../sites-available/www.conf")
    for name in ("remoteip.load", "setenvif.load", "setenvif.conf"):
        (folder / "mods-available" / name).write_text("", encoding="utf-8")
    fake = Fake(str(folder))
    monkeypatch.setattr(apache, "control", fake.control)
    monkeypatch.setattr(apache_config, "control", fake.control)
    monkeypatch.setattr(apache_config, "installed", lambda: True)
    monkeypatch.setattr(apache, "installed", lambda: True)
    monkeypatch.setattr(apache_apply.sockets, "is_local", lambda host: True)
    monkeypatch.setattr(apache_apply.sockets, "taken", lambda wanted, pid: [])
    monkeypatch.setattr(apache.Server, "pid", property(lambda self: fake.pid))
    monkeypatch.setattr(apache.Server, "listening", lambda self: fake.sockets)
    monkeypatch.setattr(apache.Server, "restart", lambda self: fake.start())
    monkeypatch.setattr(apache.Server, "reload", lambda self: fake.reload())
    monkeypatch.setattr(apache.Server, "log", lambda self, since, logged: "it says why")
    monkeypatch.setattr(
        apache.Server, "ready", lambda self, wanted: bool(fake.pid) and not listens.differs(wanted, fake.sockets)
    )
    monkeypatch.setattr(files, "Ledger", functools.partial(files.Ledger, folder=f"{tmp_path}/var"))
    return fake


def tree(fake):
    """All that is there, byte for byte."""
    found = {}
    for parent, folders, names in os.walk(fake.folder):
        for name in folders + names:
            path = f"{parent}/{name}"
            if os.path.islink(path):
                found[path] = os.readlink(path)
            elif os.path.isfile(path) and name != "pid":
                found[path] = (Path(path).read_bytes(), os.stat(path).st_mode)
    return found


def present(fake, really=True, **given):
    return apache_config.present({**EMPTY, **given}, fake.folder, really)


def site(fake):
    return Path(fake.folder, "sites-available", "www.conf")


def test_all_at_once_with_one_restart_and_back_with_one(web, tmp_path):
    before = tree(web)
    predicted = present(web, really=False, ipv6_of=KNOWN, proxy_protocol=PROXY)
    assert tree(web) == before
    assert web.did == []
    done = present(web, ipv6_of=KNOWN, proxy_protocol=PROXY)
    assert web.did == ["restart"]
    assert web.sockets == {("::", 80)}
    assert (done.restarted, done.reloaded) == (True, False)
    assert (done.diff, done.files, done.listening) == (predicted.diff, predicted.files, predicted.listening)
    assert site(web).read_text(encoding="utf-8") == CARRIED
    assert os.path.exists(f"{web.folder}/sites-enabled/{apache.DROP_IN}")
    assert os.path.exists(f"{web.folder}/mods-enabled/remoteip.load")
    assert not present(web, ipv6_of=KNOWN, proxy_protocol=PROXY).changed
    gone = apache_config.absent(web.folder, True)
    assert (gone.changed, gone.warnings) == (True, [])
    assert tree(web) == before
    assert web.did == ["restart", "restart"]
    assert not os.path.exists(tmp_path / "var")
    assert not apache_config.absent(web.folder, True).changed


def test_without_another_listen_it_is_a_reload(web):
    present(web)
    web.did.clear()
    assert present(web, ipv6_of=KNOWN).reloaded
    assert present(web, ipv6_of={"192.0.2.80": "2001:db8::80"}).reloaded
    assert present(web).reloaded
    assert site(web).read_text(encoding="utf-8") == SITE
    assert web.did == ["reload"] * 3


def test_a_listen_that_somebody_changed_makes_it_a_restart(web):
    present(web)
    web.did.clear()
    os.utime(f"{web.folder}/pid", (1, 1))
    assert present(web, ipv6_of=KNOWN).restarted
    assert web.did == ["restart"]


@pytest.mark.parametrize("mode", ["mapped", "ipv4"])
def test_what_does_not_run_goes_back(web, mode):
    present(web, mode="ipv4")
    before, web.fails_with = tree(web), "[2001:db8::80]:80" if mode == "mapped" else "ServerName www.example.com"
    root = {"names": ["www.example.com"], "addresses": [], "port": 80, "document_root": "/usr", "log": ""}
    with pytest.raises(RolloutError, match="it says why; the configuration is as it was, and Apache runs with it"):
        present(web, mode=mode, ipv6_of=KNOWN, virtual_hosts=[root])
    assert tree(web) == before
    assert not present(web, mode="ipv4").changed


def test_what_can_not_be_written_goes_back_without_a_restart(web, monkeypatch):
    before = tree(web)
    real = files.write

    def full(path, content, *rest, **more):
        if path.endswith("www.conf"):
            raise OSError(28, "No space left on device")
        real(path, content, *rest, **more)

    monkeypatch.setattr(files, "write", full)
    monkeypatch.setattr(apache_apply, "verify", lambda folder: "")
    monkeypatch.setattr(apache_apply, "staged", lambda *given: contextlib.nullcontext("x"))
    with pytest.raises(RolloutError, match="No space left on device; it is as it was"):
        present(web, ipv6_of=KNOWN)
    assert (tree(web), web.did) == (before, [])
    assert files.Ledger("apache_listen").empty


def test_a_run_that_was_cut_off_is_finished(web):
    present(web)
    ledger = files.Ledger("apache_listen")
    ledger.notes[f"pending {web.folder}"] = True
    ledger.save()
    web.did.clear()
    assert present(web).reloaded
    assert web.did == ["reload"]
    assert not present(web).changed


def test_what_was_broken_before_is_named(web):
    site(web).write_text("Broken\n", encoding="utf-8")
    before = tree(web)
    with pytest.raises(RolloutError, match="Broken; mend it first"):
        present(web, ipv6_of=KNOWN)
    assert (tree(web), web.did) == (before, [])


def test_what_would_be_broken_never_becomes_live(web, monkeypatch):
    monkeypatch.setattr(httpd_values, "HEADER", "Broken\n")
    before = tree(web)
    with pytest.raises(RolloutError, match=r"refuses the new configuration, nothing was changed: .*Broken"):
        present(web, proxy_protocol=PROXY)
    assert (tree(web), web.did) == (before, [])


def test_what_somebody_edited_goes_back_line_by_line(web):
    present(web, ipv6_of=KNOWN, proxy_protocol=PROXY)
    site(web).write_text(f"# mine\n{site(web).read_text(encoding='utf-8')}", encoding="utf-8")
    drop_in = Path(web.folder, "sites-available", apache.DROP_IN)
    drop_in.write_text("# mine\n", encoding="utf-8")
    gone = apache_config.absent(web.folder, True)
    assert site(web).read_text(encoding="utf-8") == f"# mine\n{SITE}"
    assert drop_in.read_text(encoding="utf-8") == "# mine\n"
    assert not os.path.lexists(f"{web.folder}/sites-enabled/{apache.DROP_IN}")
    assert len(gone.warnings) == 2
    assert all("was edited since" in text for text in gone.warnings)


def test_a_file_elsewhere_is_edited_where_it_is(web, tmp_path):
    other = tmp_path / "other.conf"
    other.write_text(SITE, encoding="utf-8")
    os.symlink(other, f"{web.folder}/sites-enabled/other.conf")
    before = tree(web)
    present(web, ipv6_of=KNOWN)
    assert other.read_text(encoding="utf-8") == CARRIED
    apache_config.absent(web.folder, True)
    assert other.read_text(encoding="utf-8") == SITE
    assert tree(web) == before


def test_a_twin_that_nothing_listens_for_is_told(web):
    Path(web.folder, "ports.conf").write_text("Listen 192.0.2.80:80\n", encoding="utf-8")
    web.start()
    assert "nothing listens on [2001:db8::80]:80; name 80 in ports" in present(web, ipv6_of=KNOWN).warnings[0]
    assert present(web, ipv6_of=KNOWN, ports=[80]).warnings == []
    Path(web.folder, "ports.conf").write_text("Listen 192.0.2.80:80\n", encoding="utf-8")
    with pytest.raises(RolloutError, match=r"does not listen on \[2001:db8::8080\]:80; name 80 in ports"):
        present(web, proxy_protocol={**PROXY, "ports": [80]})


def test_a_listen_on_an_address_that_went_keeps_a_restart_from_happening(web, monkeypatch):
    Path(web.folder, "ports.conf").write_text("Listen 0.0.0.0:80\nListen 192.0.2.99:81\n", encoding="utf-8")
    monkeypatch.setattr(apache_apply.sockets, "is_local", lambda host: host != "192.0.2.99")
    before = tree(web)
    with pytest.raises(RolloutError, match=r"a Listen wants 192.0.2.99, which is not on this host now"):
        present(web)
    assert "can't listen on 192.0.2.99 now" in present(web, really=False).warnings[0]
    assert (tree(web), web.did) == (before, [])


def test_a_site_that_was_moved_is_told(web):
    present(web, ipv6_of=KNOWN)
    os.rename(site(web), f"{web.folder}/sites-available/new.conf")
    os.unlink(f"{web.folder}/sites-enabled/www.conf")
    [told] = apache_config.absent(web.folder, True).warnings
    assert told.startswith(f"{site(web)} is gone;")


def test_sites_on_every_address_that_lose_one_are_named(web):
    site(web).write_text(SITE + "<VirtualHost *:80>\n</VirtualHost>\n", encoding="utf-8")
    [told] = present(web, ipv6_of=KNOWN).warnings
    assert told.startswith("[2001:db8::80]:80: the virtual hosts on * are not served there any more")
    assert f"({web.folder}/sites-enabled/www.conf line 4)" in told
    assert present(web, ipv6_of=KNOWN).warnings == []


def test_sites_in_a_folder_elsewhere(web, tmp_path):
    (tmp_path / "sites").mkdir()
    os.symlink(f"{web.folder}/sites-available/www.conf", tmp_path / "sites" / "www.conf")
    (tmp_path / "sites" / "out.conf").write_text(SITE, encoding="utf-8")
    enabled = Path(web.folder, "sites-enabled")
    (enabled / "www.conf").unlink()
    enabled.rmdir()
    enabled.symlink_to(tmp_path / "sites")
    out = tmp_path / "sites" / "out.conf"
    before = tree(web)
    predicted = present(web, really=False, ipv6_of=KNOWN, proxy_protocol=PROXY)
    assert (tree(web), out.read_text(encoding="utf-8")) == (before, SITE)
    done = present(web, ipv6_of=KNOWN, proxy_protocol=PROXY)
    assert done.diff == predicted.diff
    assert out.read_text(encoding="utf-8") == CARRIED
    assert (tmp_path / "sites" / apache.DROP_IN).is_file()  # the link leads somewhere
    assert not present(web, ipv6_of=KNOWN, proxy_protocol=PROXY).changed
    apache_config.absent(web.folder, True)
    assert (tree(web), out.read_text(encoding="utf-8")) == (before, SITE)
    assert sorted(os.listdir(tmp_path / "sites")) == ["out.conf", "www.conf"]


def test_proxies_of_another_file_go_on_sending_their_header(web):
    site(web).write_text("<VirtualHost *:81>\n  RemoteIPProxyProtocol on\n</VirtualHost>\n", encoding="utf-8")
    [told] = present(web, proxy_protocol=PROXY).warnings
    assert f"{web.folder}/sites-enabled/www.conf line 2 takes the PROXY protocol too" in told
    drop_in = Path(web.folder, "sites-available", apache.DROP_IN)
    assert "Exceptions" not in drop_in.read_text(encoding="utf-8")
    site(web).write_text(SITE, encoding="utf-8")
    assert present(web, proxy_protocol=PROXY).warnings == []
    assert "Exceptions" in drop_in.read_text(encoding="utf-8")


def test_without_the_package(web, monkeypatch):
    monkeypatch.setattr(apache_config, "installed", lambda: False)
    told = present(web)
    assert (told.changed, told.needs_package, web.did) == (True, "apache2", [])


def test_files_go_back_although_the_package_went(web, monkeypatch):
    before = tree(web)
    present(web, ipv6_of=KNOWN, proxy_protocol=PROXY)
    monkeypatch.setattr(apache_config, "installed", lambda: False)
    assert "without a test" in apache_config.absent(web.folder, True).warnings[0]
    assert tree(web) == before


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"virtual_hosts": [{"port": 81}]}, "does not listen on port 81"),
        (
            {"proxy_protocol": {**PROXY, "ports": [443]}},
            "proxy_protocol: Apache does not listen on [2001:db8::8080]:443",
        ),
        ({"virtual_hosts": [{"document_root": "/nowhere/at/all"}]}, "there is no folder /nowhere/at/all"),
        ({"virtual_hosts": [{"log": "/nowhere/at/all/x.log"}]}, "there is no folder for /nowhere/at/all/x.log"),
    ],
)
def test_refused_before_anything_is_touched(web, given, why):
    root = {"names": ["www.example.com"], "addresses": [], "port": 80, "document_root": "/usr", "log": ""}
    if "virtual_hosts" in given:
        given = {"virtual_hosts": [{**root, **given["virtual_hosts"][0]}]}
    before = tree(web)
    with pytest.raises(RolloutError, match=re.escape(why)):
        present(web, **given)
    assert (tree(web), web.did) == (before, [])


def test_what_apache_logged_since_without_its_clients(web, monkeypatch, tmp_path):
    log = tmp_path / "error.log"
    log.write_text("[now] [core:error] [pid 1:tid 1] old\n", encoding="utf-8")
    server = apache.Server(web.folder)
    server.error_log = str(log)
    logged = server.logged()
    with log.open("a", encoding="utf-8") as stream:
        stream.write("[now] [authz_core:error] [pid 1:tid 1] [client 192.0.2.1:4] denied\n")
        stream.write("[now] [mpm_event:notice] [pid 1:tid 1] AH00489: configured\n")
        stream.write("[now] [core:emerg] [pid 1:tid 1] (21)Is a directory: AH00649: could not open\n")
    assert LOG(server, 0, logged) == "(21)Is a directory: AH00649: could not open"
    monkeypatch.setattr(apache.commands, "run", lambda argv: Result(0, "AH00072: could not bind\n", ""))
    assert LOG(server, 0, server.logged()) == "AH00072: could not bind"


def test_what_is_not_read_is_refused(web):
    Path(web.folder, "apache2.conf").write_text("IncludeOptional sites-enabled/\n", encoding="utf-8")
    assert present(web, really=False, proxy_protocol=PROXY).changed
    Path(web.folder, "apache2.conf").write_text("IncludeOptional vhosts/*.conf\n", encoding="utf-8")
    with pytest.raises(RolloutError, match="does not read sites-enabled"):
        present(web, proxy_protocol=PROXY)
