# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the checkout importable under its collection name, whatever its directory is called."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
COLLECTIONS = ROOT / ".build" / "collections"
LINK = COLLECTIONS / "ansible_collections" / "ipv6" / "rollout"

if ROOT.parts[-3:] == ("ansible_collections", "ipv6", "rollout"):
    COLLECTIONS = ROOT.parents[2]
else:
    LINK.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        LINK.symlink_to(Path("../../../.."), target_is_directory=True)

sys.path.insert(0, str(COLLECTIONS))

# Examples that Hypothesis found go with the other things that tests leave behind.
try:
    from hypothesis import configuration
except ImportError:
    pass
else:
    configuration.set_hypothesis_home_dir(str(ROOT / ".build" / "hypothesis"))
