# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the seeded defects BIND's own checker lets pass."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone import zone_file

NAMED_CHECKZONE = shutil.which("named-checkzone", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _corpus():
    spec = importlib.util.spec_from_file_location("findings_corpus", Path(__file__).with_name("findings_corpus.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("findings_corpus", module)
    spec.loader.exec_module(module)
    return module


corpus = _corpus()
SITE = corpus.site()


def _text(zone, rows):
    """A zone file, by the filter zone_file where it takes the records."""
    own = [row for row in rows if row[0] == zone]
    plain = [row for row in own if row[3] != "SOA" and (row[3] != "NS" or row[1] != zone)]
    soa = [row[4].split() for row in own if row[3] == "SOA"]
    servers = [row[4] for row in own if row[3] == "NS" and row[1] == zone]
    try:
        if len(soa) != 1:
            raise RolloutError("two SOA records")
        keys = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
        values = [int(text) if text.isdigit() else text for text in soa[0]]
        return zone_file(corpus.records(plain), zone, dict(zip(keys, values, strict=True)), servers)
    except RolloutError:
        return "".join(f"{name} {ttl} IN {kind} {data}\n" for _zone, name, ttl, kind, data in own)


def _accepts(folder, zone, rows):
    path = folder / "zone"
    path.write_text(_text(zone, rows))
    # Names of other zones are not asked for on the network.
    done = subprocess.run(
        [NAMED_CHECKZONE, "-i", "local", zone, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode == 0, done.stdout + done.stderr


needs_bind = pytest.mark.skipif(NAMED_CHECKZONE is None, reason="named-checkzone is not installed (bind9-utils)")


@needs_bind
@pytest.mark.parametrize("zone", corpus.ZONES)
def test_named_checkzone_accepts_the_healthy_zones(tmp_path, zone):
    accepted, output = _accepts(tmp_path, zone, SITE)
    assert accepted, output


# What named-checkzone refuses by itself. It lets all the other defects pass.
REFUSED = {
    "two-soas",
    "no-ns",
    "cname-and-other-data",
    "two-cnames",
    "cname-at-apex",
}


@needs_bind
@pytest.mark.parametrize(("check", "defect"), corpus.DEFECTS.items())
def test_what_named_checkzone_lets_pass(tmp_path, check, defect):
    rows = defect.apply(SITE)
    zones = {row[0] for row in (*defect.put, *defect.drop)}
    accepted = all(_accepts(tmp_path, zone, rows)[0] for zone in zones)
    assert accepted is (check not in REFUSED)
