#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sshd_listen
short_description: Choose the addresses that sshd listens on
version_added: "0.1.0"
description:
  - Writes C(AddressFamily) and C(ListenAddress) into C(/etc/ssh/sshd_config.d/00-ipv6-rollout.conf), and only what the
    other files do not say already. Where sshd listens as it should, nothing is written.
  - sshd takes the first C(AddressFamily) that it reads, and adds up all C(ListenAddress) lines. A line elsewhere that
    stands in the way is named with its file and number, and nothing is changed. Other files are never edited.
  - The new configuration is tested first, by sshd itself, in a copy. A configuration that is broken already is named,
    and nothing is changed.
  - Then sshd is reloaded, which keeps every login that is open. Where its sockets are not right after ten seconds, the
    files come back, sshd is reloaded once more, and the module fails.
  - The address and port by which this very login came in stay open, or the module refuses. See O(lockout).
  - Where the files are right and the running sshd listens on something else, it is reloaded too, and this counts as a
    change. Where sshd does not run, it is not started.
options:
  state:
    description:
      - V(present) sets what sshd listens on.
      - V(absent) gives back the files of before the first change, and sshd its sockets of before.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - V(both) is every address of both families, C(AddressFamily any).
      - V(ipv4) is every IPv4 address, C(AddressFamily inet).
      - V(ipv6) is every IPv6 address, C(AddressFamily inet6).
      - V(addresses) is each of O(addresses). sshd then waits at boot, at most ten seconds, until each is there and past
        its duplicate address detection, by a drop-in of its unit. Where none came, it tries again.
    type: str
    choices: [both, ipv4, ipv6, addresses]
    default: both
  addresses:
    description: The addresses to listen on. They must be on the host already; one that is tentative is waited for.
    type: list
    elements: raw
    default: []
  lockout:
    description:
      - What to do where this very login came in by an address and port that sshd would not listen on any more.
      - V(allow) warns and goes on, for whoever has another way in.
    type: str
    choices: [refuse, allow]
    default: refuse
attributes:
  check_mode:
    description:
      - Can run in C(check_mode) and return changed status prediction without modifying the target.
      - Where sshd is not installed yet, what its own configuration would need.
    support: full
  diff_mode:
    description: Returns the files that change.
    support: full
  platform:
    description: Debian 12 and 13, with openssh-server installed.
    support: full
    platforms: debian
notes:
  - Where C(ssh.socket) listens for sshd, nothing is changed. It is an error unless its sockets are right, with the
    lines for its own drop-in.
  - Only the connection in use is looked at. Whether a B(new) login works is what M(ipv6.rollout.guard) proves.
  - It needs root, in check mode too, to read keys and sockets.
seealso:
  - module: ipv6.rollout.guard
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Let people in over both families
  ipv6.rollout.sshd_listen:

- name: Listen on two addresses only
  ipv6.rollout.sshd_listen:
    mode: addresses
    addresses: [192.0.2.25, "2001:db8:1200:25::160"]

- name: Give it back
  ipv6.rollout.sshd_listen:
    state: absent
"""

RETURN = r"""
listening:
  description: The TCP sockets that sshd listens on, or in check mode would.
  returned: success
  type: list
  elements: str
  sample: ["0.0.0.0:22", "[::]:22"]
files:
  description: The files that were written or removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config.d/00-ipv6-rollout.conf]
reloaded:
  description: Whether sshd was reloaded, or in check mode would be.
  returned: success
  type: bool
  sample: true
running:
  description: Whether sshd was running when the module looked.
  returned: success
  type: bool
  sample: true
needs_package:
  description: The package that is missing.
  returned: in check mode, where sshd is not installed
  type: str
  sample: openssh-server
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import daemon_change, sshd
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "mode": {"type": "str", "choices": ["both", "ipv4", "ipv6", "addresses"], "default": "both"},
            "addresses": {"type": "list", "elements": "raw", "default": []},
            "lockout": {"type": "str", "choices": ["refuse", "allow"], "default": "refuse"},
        },
        supports_check_mode=True,
    )
    given = module.params
    allow, really = given["lockout"] == "allow", not module.check_mode
    try:
        if given["state"] == "absent":
            outcome = sshd.absent(allow, really)
        else:
            outcome = sshd.present(given["mode"], given["addresses"], allow, really)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"sshd_listen: {error}")
    for text in outcome.warnings:
        module.warn(text)
    module.exit_json(**daemon_change.result(outcome))


if __name__ == "__main__":
    main()
