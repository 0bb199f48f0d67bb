#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apache_listen
short_description: Choose the sockets that Apache listens on
version_added: "0.1.0"
description:
  - Writes the C(Listen) lines of C(ports.conf), each in the block (such as C(<IfModule ssl_module>)) where its port
    stands now. Every other byte of the file stays as it is.
  - The new file is tested first, in a copy of the whole configuration directory, by Apache itself. What that test does
    not find is looked at too, such as C(Listen 80) beside C(Listen [2001:db8::1]:80), or a port that another program
    holds.
  - A change means a restart, since a graceful reload over a changed C(Listen) ends Apache. After it the module waits
    until the sockets are there. Where they are not within ten seconds, the old file comes back, Apache is restarted
    with it, and the module fails.
  - Where the file is right and the running Apache listens on something else, Apache is restarted too, and this counts
    as a change. Where Apache does not run, it is not started.
options:
  state:
    description:
      - V(present) sets the C(Listen) lines.
      - V(absent) gives C(ports.conf) back as it was before the first change. Where somebody has edited it since, only
        the C(Listen) lines that this module wrote go back, with a warning that says so.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - V(mapped) opens one socket a port, for clients of both families, C(Listen 80). IPv4 clients
        appear in logs and rules as plain IPv4. It is refused where Apache was built without IPv4-mapped addresses.
      - V(separate) opens a socket for each of O(addresses), of both families.
      - V(ipv6only) opens a socket for each of O(addresses), all of them IPv6. Apache has no wildcard for this.
      - V(ipv4) goes back to IPv4, on O(addresses) or on every IPv4 address.
    type: str
    choices: [mapped, separate, ipv6only, ipv4]
    default: mapped
  ports:
    description:
      - The ports.
      - Where the list is empty, every port that Apache listens on now with a wildcard, and every port that this module
        set before. A port that somebody put on an address of its own, such as V(127.0.0.1), is then left alone.
    type: list
    elements: int
    default: []
  addresses:
    description: The addresses to listen on, for the modes that want them. They must be on the host already.
    type: list
    elements: raw
    default: []
  config_directory:
    description: The directory with C(apache2.conf) and C(ports.conf).
    type: path
    default: /etc/apache2
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns the lines of C(ports.conf) that change.
    support: full
  platform:
    description: Debian 12 and 13, with Apache installed.
    support: full
    platforms: debian
notes:
  - C(Listen) lines in other files are reported, and looked at for conflicts, but not edited.
  - The sysctl C(net.ipv6.bindv6only) changes nothing here, since Apache sets the option on each socket itself.
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Serve both families on the ports that are open now
  ipv6.rollout.apache_listen:

- name: Listen on two addresses only
  ipv6.rollout.apache_listen:
    mode: separate
    ports: [80]
    addresses: [192.0.2.80, "2001:db8:1200::80"]

- name: Give ports.conf back
  ipv6.rollout.apache_listen:
    state: absent
"""

RETURN = r"""
ports:
  description: The ports that were looked after.
  returned: success
  type: list
  elements: int
  sample: [80, 443]
listening:
  description: The TCP sockets that Apache listens on, or in check mode would. C([::]) serves IPv4 clients too.
  returned: success
  type: list
  elements: str
  sample: ["[::]:80"]
left:
  description: C(Listen) lines of C(ports.conf) that were left alone, with the reason.
  returned: success
  type: list
  elements: str
  sample: ["/etc/apache2/ports.conf line 4: Listen 127.0.0.1:8080: on an address of its own, and not in ports"]
elsewhere:
  description: C(Listen) lines in other files, which this module does not edit.
  returned: success
  type: list
  elements: str
  sample: ["/etc/apache2/sites-enabled/intranet.conf line 1: Listen 8081"]
restarted:
  description: Whether Apache was restarted, or in check mode would be.
  returned: success
  type: bool
  sample: true
running:
  description: Whether Apache was running when the module looked.
  returned: success
  type: bool
  sample: true
"""

import difflib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import apache
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "mode": {"type": "str", "choices": ["mapped", "separate", "ipv6only", "ipv4"], "default": "mapped"},
            "ports": {"type": "list", "elements": "int", "default": []},
            "addresses": {"type": "list", "elements": "raw", "default": []},
            "config_directory": {"type": "path", "default": "/etc/apache2"},
        },
        supports_check_mode=True,
    )
    given = module.params
    directory = given["config_directory"].rstrip("/")
    really = not module.check_mode
    try:
        if given["state"] == "absent":
            outcome = apache.absent(directory, really)
        else:
            outcome = apache.present(given["mode"], given["ports"], given["addresses"], directory, really)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"apache_listen: {error}")
    for text in outcome.warnings:
        module.warn(text)
    result = {
        "changed": outcome.changed,
        "ports": outcome.ports,
        "listening": outcome.listening,
        "left": outcome.left,
        "elsewhere": outcome.elsewhere,
        "restarted": outcome.restarted,
        "running": outcome.running,
    }
    if outcome.before != outcome.after:
        name = f"{directory}/ports.conf"
        lines = difflib.unified_diff(
            outcome.before.splitlines(), outcome.after.splitlines(), f"before: {name}", f"after: {name}", lineterm=""
        )
        result["diff"] = {"prepared": "\n".join(lines) + "\n"}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
