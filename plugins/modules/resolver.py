#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resolver
short_description: Set the name servers that a host asks, and see that they answer
version_added: "0.1.0"
description:
  - Puts name servers into C(/etc/resolv.conf), in the place of the old ones. Every other line stays.
  - Where that file belongs to C(systemd-resolved), they go into a drop-in of it. Where another program writes the file,
    the module says so and changes nothing.
  - For a DNS64 the host asks at once for the AAAA record of C(ipv4only.arpa), which only a DNS64 has (RFC 7050). Where
    it gets none, the old name servers come back, and the module fails.
  - The copy that Debian's Postfix has in its chroot is kept the same.
options:
  state:
    description:
      - V(absent) gives the file back as it was. One that somebody has edited since stays as it is, with a warning.
    type: str
    choices: [present, absent]
    default: present
  servers:
    description: The addresses of one to three name servers.
    type: list
    elements: str
    default: []
  dns64:
    description: Whether they are to be a DNS64.
    type: bool
    default: true
  path:
    description: The resolver's configuration.
    type: path
    default: /etc/resolv.conf
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns the lines that change.
    support: full
  platform:
    description: Debian 12 and 13.
    support: full
    platforms: debian
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Ask the DNS64 of the gateway
  ipv6.rollout.resolver:
    servers: ["2001:db8:1200:53::64"]

- name: Ask the name servers of before
  ipv6.rollout.resolver:
    state: absent
"""

RETURN = r"""
path:
  description: The file that has the name servers.
  returned: success
  type: str
  sample: /etc/resolv.conf
discovered:
  description: What the host found for C(ipv4only.arpa) after a change.
  returned: success
  type: list
  elements: str
  sample: ["2001:db8:64::c000:aa", "2001:db8:64::c000:ab"]
"""

import difflib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import resolver
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "servers": {"type": "list", "elements": "str", "default": []},
            "dns64": {"type": "bool", "default": True},
            "path": {"type": "path", "default": "/etc/resolv.conf"},
        },
        supports_check_mode=True,
    )
    told = module.params
    really = not module.check_mode
    warning = ""
    try:
        if told["state"] == "absent":
            outcome, warning = resolver.absent(told["path"], really)
        else:
            outcome = resolver.present(told["servers"], told["path"], told["dns64"], really)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"resolver: {error}")
    if warning:
        module.warn(warning)
    result = {"changed": outcome.changed, "path": outcome.path, "discovered": outcome.found}
    if outcome.changed:
        names = (f"before: {outcome.path}", f"after: {outcome.path}")
        lines = difflib.unified_diff(outcome.before.splitlines(), outcome.after.splitlines(), *names, lineterm="")
        result["diff"] = {"prepared": "\n".join(lines) + "\n"}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
