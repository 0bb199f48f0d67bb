# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seeded defects on a real BIND: it loads them, serves them, and they are found in what it serves."""

from __future__ import annotations

import importlib.util
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils import zone_info
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_named import NAMED, Named

pytestmark = pytest.mark.skipif(NAMED is None, reason="named is not installed (Debian package bind9)")


def _corpus() -> t.Any:
    spec = importlib.util.spec_from_file_location("findings_corpus", Path(__file__).with_name("findings_corpus.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("findings_corpus", module)
    spec.loader.exec_module(module)
    return module


corpus = _corpus()
SITE = corpus.site()
# What a server does not serve as it stands in the file.
NOT_LIVE = {
    "outside-zone": "left out",
    "two-ttls": "the second one is rewritten",
    "duplicate-record": "taken once",
    "ttl-too-large": "refused",
    "two-soas": "refused",
    "no-ns": "refused",
    "cname-and-other-data": "refused",
    "two-cnames": "refused",
    "cname-at-apex": "refused",
}


def groups() -> list[dict[str, t.Any]]:
    """Put defects that have nothing to do with each other onto one server."""
    found: list[dict[str, t.Any]] = []
    for check, defect in corpus.DEFECTS.items():
        if check in NOT_LIVE or defect.options:
            continue
        for group in found:
            if not any(defect.touches() & other.touches() for other in group.values()):
                group[check] = defect
                break
        else:
            found.append({check: defect})
    return found


@pytest.mark.parametrize("group", groups(), ids=lambda group: f"{len(group)} defects")
def test_defects_that_a_server_serves_are_found(group: dict[str, t.Any], tmp_path: Path) -> None:
    rows = SITE
    for defect in group.values():
        rows = defect.apply(rows)
    zones: dict[str, str] = {}
    for zone, name, ttl, kind, data in rows:
        zones[zone] = zones.get(zone, "") + f"{name} {ttl} IN {kind} {data}\n"
    server = Named(tmp_path, {zone.rstrip("."): text for zone, text in zones.items()})
    server.start()
    try:
        with server.server() as connection:
            reading = zone_info.read(zone_info.wish(list(zones), {}), connection)
            judged = zone_info.judged(reading)
    finally:
        server.stop()
    assert reading.complete == list(zones)
    found = {(item["check"], item["name"]) for item in judged}
    assert found == {(check, defect.name) for check, defect in group.items()}
