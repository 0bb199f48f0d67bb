# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the server: sends every datagram back, over IPv4 alone."""

from __future__ import annotations

import socket

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.bind(("0.0.0.0", 7007))
    while True:
        one.sendto(*one.recvfrom(65535))
