# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a tunnel: the changes, without any secret in them."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files

HIDDEN = "(a secret, not shown)\n"
EDITED = "was edited since; what was there before the tunnel comes back all the same"

# What a file with a key has in it, of whatever program: WireGuard, PEM, NetworkManager, OpenVPN.
_SECRET = re.compile(rb"PrivateKey|PresharedKey|PRIVATE KEY|psk\s*=|password|Static key|<key>", re.IGNORECASE)


def secret(contents: t.Iterable[t.Optional[bytes]]) -> bool:
    """Tell whether a key is in one of these."""
    return any(_SECRET.search(content or b"") for content in contents)


def kept_from_others(ledger: files.Ledger, path: str, now: files.Saved) -> bool:
    """Tell whether a file that is not our work may not be read by everybody: what is in it is nobody's business."""
    return now.content is not None and not now.mode & 0o004 and not ledger.untouched(path)


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self, name: str, kind: str = "") -> None:
        self.name, self.kind = name, kind
        self.changed = self.up = False
        self.unit = self.backend = self.needs_package = ""
        self.addresses: t.List[str] = []
        self.paths: t.List[str] = []
        self.diff: t.List[t.Dict[str, str]] = []
        self.warnings: t.List[str] = []

    def show(self, path: str, before: t.Optional[bytes], after: t.Optional[bytes], hidden: bool) -> None:
        """Tell that a file changes. Of a secret only whether it is there."""
        texts_of = [b"" if content is None else content for content in (before, after)]
        shown = [content.decode(errors="replace") for content in texts_of]
        if hidden or secret(texts_of):
            shown = [HIDDEN if content else "" for content in shown]
            if all(shown) and texts_of[0] != texts_of[1]:
                shown[1] = HIDDEN.replace("a secret", "another secret")
        self.paths.append(path)
        self.diff.append({"before_header": path, "after_header": path, "before": shown[0], "after": shown[1]})

    def given_back(self, ledger: files.Ledger, path: str, secrets: t.Collection[str]) -> None:
        """Tell that a file is what it was before the tunnel."""
        now, saved = files.look(path), ledger.before(path)
        closed = saved is not None and saved.content is not None and not saved.mode & 0o004
        hidden = path in secrets or closed or kept_from_others(ledger, path, now)
        self.show(path, now.content, saved.content if saved else None, hidden)
        if now.content is not None and not ledger.untouched(path):
            self.warnings.append(f"{path} {EDITED}")

    def rights(self, path: str, before: str, after: str) -> None:
        """Tell that who may read a file changes, and what is in it does not."""
        self.paths.append(path)
        self.tell(path, before, after)

    def tell(self, what: str, before: str, after: str) -> None:
        """Tell that something changes that is no file."""
        if before != after:
            self.diff.append({"before_header": what, "after_header": what, "before": before, "after": after})
