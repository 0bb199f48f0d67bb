# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module zone returns, and what it sends to the name server."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_records
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone_plan import Plan


def jobs(found: Plan, there: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return what module_utils/zone_files.py writes."""
    return [
        {
            "zone": job.zone,
            "path": there[job.zone]["file"],
            "views": there[job.zone]["views"],
            "text": job.text,
            "digest": there[job.zone]["digest"],
            "serial": job.serial,
            "declare": not there[job.zone]["declared"],
        }
        for job in found.jobs
    ]


def result(found: Plan, there: t.Mapping[str, t.Any], with_diff: bool) -> dict[str, t.Any]:
    """Return what the action plugin returns."""
    live = {**found.live, **{change.key: change.after for item in found.changed for change in item.changes}}
    values = dns_records.result(found.changed, live, with_diff)
    told = {item["zone"]: item for item in values["zones"]}
    values["zones"] = [
        {
            "zone": job.zone,
            "file": there[job.zone]["file"],
            "serial": job.serial,
            "added": told.get(job.zone, {}).get("added", []),
            "removed": told.get(job.zone, {}).get("removed", []),
        }
        for job in found.jobs
    ]
    values["changed"] = bool(found.jobs)
    values["loaded"] = []
    if found.warnings:
        values["warnings"] = found.warnings
    return values


def of_zones(values: t.Mapping[str, t.Any], done: t.Container[str]) -> dict[str, t.Any]:
    """Return a result with what was done before a failure, and nothing else."""
    kept = {**values, "zones": [item for item in values["zones"] if item["zone"] in done], "records": []}
    if "diff" in values:
        kept["diff"] = [part for part in values["diff"] if part["after_header"].removeprefix("zone ") in done]
    return kept
