# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole catalogue."""

from __future__ import annotations

import defects_network
import defects_rules
from defect import CATALOGUE

__all__ = ["CATALOGUE", "defects_network", "defects_rules"]
