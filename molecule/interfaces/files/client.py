# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask one address until it answers, then until it fails for the first time, then another one; count what was lost."""

import datetime
import http.client
import json
import pathlib
import sys
import time

OLD, NEW = sys.argv[1:3]
LIMIT = time.monotonic() + 60


def ask(address):
    """Fetch a page over a connection of its own; tell whether it came whole."""
    connection = http.client.HTTPConnection(address, 80, timeout=2)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status == 200 and b"answers" in answer.read()
    except OSError:
        return False
    finally:
        connection.close()


# Its server may have been started this very moment.
while not ask(OLD) and time.monotonic() < LIMIT:
    time.sleep(0.1)
old_served = 0
while ask(OLD) and time.monotonic() < LIMIT:
    old_served += 1
    if old_served == 20:
        pathlib.Path("/run/client.going").touch()
    time.sleep(0.01)  # the pace of a busy client; nothing is waited for
failed_at = datetime.datetime.now().isoformat(timespec="microseconds")
new_served = sum(ask(NEW) for _number in range(50))
result = {"old_served": old_served, "failed_at": failed_at, "new_served": new_served, "new_lost": 50 - new_served}
pathlib.Path("/run/client.json.new").write_text(json.dumps(result), encoding="ascii")
pathlib.Path("/run/client.json.new").rename("/run/client.json")
