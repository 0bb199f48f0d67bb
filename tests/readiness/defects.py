# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole catalogue."""

from __future__ import annotations

import defects_choices
import defects_dns
import defects_network
import defects_rules
import defects_services
from defect import CATALOGUE

__all__ = ["CATALOGUE", "defects_choices", "defects_dns", "defects_network", "defects_rules", "defects_services"]
