# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a NAT64 or a DNS64: the changes, before and after."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self) -> None:
        self.changed = self.restarted = self.reloaded = False
        self.unit = self.prefix = ""
        self.needs_packages: t.List[str] = []
        self.refused: t.List[str] = []
        self.listening: t.List[str] = []
        self.paths: t.List[str] = []
        self.diff: t.List[t.Dict[str, str]] = []
        self.warnings: t.List[str] = []

    def show(self, path: str, before: t.Optional[bytes], after: t.Optional[bytes]) -> None:
        """Tell that a file changes."""
        self.paths.append(path)
        self.tell(path, (before or b"").decode(errors="replace"), (after or b"").decode(errors="replace"), True)

    def given_back(self, ledger: files.Ledger, path: str) -> None:
        """Tell that a file is what it was before."""
        saved = ledger.before(path)
        now = files.read(path)
        self.show(path, now, saved.content if saved else None)
        if now is not None and not ledger.untouched(path):
            self.warnings.append(f"{path} was edited since; what was there before comes back all the same")

    def tell(self, what: str, before: str, after: str, always: bool = False) -> None:
        """Tell that something changes."""
        if before != after or always:
            self.diff.append({"before_header": what, "after_header": what, "before": before, "after": after})

    def result(self) -> t.Dict[str, t.Any]:
        """Return what a module returns in any case."""
        return {"changed": self.changed, "unit": self.unit, "files": self.paths, "diff": self.diff}
