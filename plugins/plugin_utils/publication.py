# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names are announced and no longer served: found by comparing the last report with what is wanted now."""

from __future__ import annotations

import json
import typing as t

Data = t.Dict[str, t.Any]


def stale_names(report: str, members: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.Dict[str, Data]:
    """Return the hosts with names that the last report has and that are not to be published any more.

    A host without services has nothing to publish a name for, so all of its names are stale.

    :param report: the text of the last JSON report; one that can't be read tells nothing
    :param members: the hosts as they are wanted now
    :returns: by host ``{address, names, lab_names}``, in the shape that the role dns takes
    """
    try:
        hosts = json.loads(report or "{}").get("hosts", {})
    except (ValueError, AttributeError):
        return {}
    stale = {}
    for name, member in members.items():
        old = hosts.get(name, {})
        wanted = member["names"] if member["services"] else []
        names = [str(one) for one in old.get("names", []) if one not in wanted]
        if names and old.get("address") == member["address"]:
            # A lab name goes with its name; one that is wanted still is made again right afterwards.
            lab_names = [f"ipv6.{one}" for one in names if f"ipv6.{one}" not in member["lab_names"]]
            stale[str(name)] = {"address": str(member["address"]), "names": names, "lab_names": lab_names}
    return stale
