# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy in which a change is tested: it has the change in it, and nothing that is in use is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import apache

OLD, NEW = b"old\n", b"new\n"


@pytest.fixture
def here(tmp_path):
    """A configuration directory beside a folder of sites."""
    for name in ("etc/apache2/sites-available", "srv/sites"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("etc/apache2/sites-available/www.conf", "srv/sites/out.conf", "srv/sites/other.conf"):
        (tmp_path / name).write_bytes(OLD)
    return tmp_path


def read(here, enabled, change, names=None):
    """Return what Apache would read in the copy, by the path that it reads it by."""
    directory = f"{here}/etc/apache2"
    with apache.staged(directory, change, names or {}) as copied:
        return Path(copied, enabled).read_bytes()


@pytest.mark.parametrize("led", ["../../srv/sites", "{here}/srv/sites"])
def test_a_folder_of_sites_that_is_a_link_stays_as_it_is(here, led):
    enabled = here / "etc/apache2/sites-enabled"
    enabled.symlink_to(led.format(here=here))
    path, name = f"{here}/srv/sites/out.conf", f"{enabled}/out.conf"
    drop_in = f"{enabled}/{apache.DROP_IN}"
    change = apache.Change({path: NEW}, {drop_in: "../sites-available/x.conf"})
    assert read(here, "sites-enabled/out.conf", change, {path: [name]}) == NEW
    assert read(here, "sites-enabled/other.conf", change, {path: [name]}) == OLD
    assert Path(path).read_bytes() == OLD
    assert not os.path.lexists(drop_in)


def test_a_link_of_that_folder_that_leads_back_has_the_change(here):
    enabled = here / "etc/apache2/sites-enabled"
    enabled.symlink_to(here / "srv/sites")
    path, name = f"{here}/etc/apache2/sites-available/www.conf", f"{enabled}/www.conf"
    os.symlink(path, name)
    assert read(here, "sites-enabled/www.conf", apache.Change({path: NEW}, {}), {path: [name]}) == NEW
    assert Path(path).read_bytes() == OLD


def test_a_relative_link_that_leads_out_leads_there_from_the_copy_too(here):
    (here / "etc/apache2/conf-enabled").mkdir()
    (here / "etc/apache2/conf-enabled/mail.conf").symlink_to("../../../srv/sites/out.conf")
    assert read(here, "conf-enabled/mail.conf", apache.Change({}, {})) == OLD
    path = f"{here}/srv/sites/other.conf"
    assert read(here, "conf-enabled/mail.conf", apache.Change({path: NEW}, {}), {path: [path]}) == OLD


def test_a_directory_that_is_a_link(here):
    (here / "etc/apache2/ports.conf").write_bytes(OLD)
    os.rename(here / "etc/apache2", here / "srv/apache2")
    (here / "etc/apache2").symlink_to(here / "srv/apache2")
    site = f"{here}/srv/apache2/sites-available/www.conf"
    change = apache.Change({f"{here}/etc/apache2/ports.conf": NEW, site: NEW}, {})
    assert read(here, "ports.conf", change) == NEW
    assert read(here, "sites-available/www.conf", change) == NEW
    assert (here / "srv/apache2/ports.conf").read_bytes() == OLD


def test_a_file_that_is_included_from_elsewhere_is_read_with_the_change(here):
    main = here / "etc/apache2/apache2.conf"
    main.write_text(f'IncludeOptional "{here}/srv/sites/*.conf"\n', encoding="utf-8")
    path = f"{here}/srv/sites/out.conf"
    with apache.staged(f"{here}/etc/apache2", apache.Change({path: NEW}, {}), {path: [path]}) as copied:
        included = Path(copied, "apache2.conf").read_text(encoding="utf-8").split('"')[1]
        folder = Path(included).parent
        assert {name: (folder / name).read_bytes() for name in os.listdir(folder)} == {
            "out.conf": NEW,
            "other.conf": OLD,
        }
    assert Path(path).read_bytes() == OLD
