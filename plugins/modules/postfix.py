#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postfix
short_description: Set parameters of Postfix, checked before they are live
version_added: "0.1.0"
description:
  - Sets parameters in C(main.cf), all in one call. Every other byte of the file stays as it is.
  - The new file is checked first as a copy of the whole configuration directory (C(postfix check), unknown
    parameters, the syntax of C(mynetworks), which C(postfix check) does not look at). A parameter that Postfix refuses
    is never live.
  - Postfix is restarted only for a parameter that it reads only at its start, such as C(inet_protocols) and
    C(inet_interfaces), and reloaded for others. After a restart the module waits until the master listens. Where it
    does not within ten seconds, the old C(main.cf) comes back, Postfix is restarted with it, and the module fails.
  - A reload does not open or close sockets. Where C(main.cf) is right and the running master still listens as before,
    the module restarts it, and this counts as a change.
  - The mail queue is never touched. Where Postfix does not run, it is not started.
options:
  state:
    description:
      - V(present) sets the parameters.
      - V(absent) gives C(main.cf) back as it was before the first change. Where somebody has edited it since, only the
        parameters that this module set go back to their former values, with a warning that says so.
    type: str
    choices: [present, absent]
    default: present
  parameters:
    description:
      - The parameters with their values. A list is joined with commas, true and false become C(yes) and C(no).
      - A parameter that is no longer named here keeps its value until O(state=absent).
      - The values of C(inet_protocols), C(inet_interfaces), C(mynetworks) and the like are compared as lists, so
        C(ipv4, ipv6) is C(all).
      - C(mynetworks) wants IPv6 in brackets, C([2001:db8::]/64).
    type: dict
    default: {}
  config_directory:
    description: The directory with C(main.cf) and C(master.cf).
    type: path
    default: /etc/postfix
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns the lines of C(main.cf) that change.
    support: full
  platform:
    description: Debian 12 and 13, with Postfix installed.
    support: full
    platforms: debian
notes:
  - After C(postfix check) there is still what only a daemon finds, such as a lookup table that is missing.
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Take and send mail over both families
  ipv6.rollout.postfix:
    parameters:
      inet_protocols: all

- name: Send from the address that has the PTR, and trust one's own prefix
  ipv6.rollout.postfix:
    parameters:
      inet_protocols: all
      smtp_bind_address6: "2001:db8:1200:25::25"
      mynetworks: ["127.0.0.0/8", "[::1]/128", "[2001:db8:1200:25::]/64"]

- name: Give main.cf back
  ipv6.rollout.postfix:
    state: absent
"""

RETURN = r"""
parameters:
  description: The parameters that change, with the value before and after (null for one that is not in C(main.cf)).
  returned: success
  type: dict
  sample: {inet_protocols: {before: ipv4, after: all}}
restarted:
  description: Whether Postfix was restarted, or in check mode would be.
  returned: success
  type: bool
  sample: true
reloaded:
  description: Whether Postfix was reloaded, or in check mode would be.
  returned: success
  type: bool
  sample: false
running:
  description: Whether Postfix was running when the module looked.
  returned: success
  type: bool
  sample: true
listening:
  description: The TCP sockets that the master listens on, or in check mode would.
  returned: success
  type: list
  elements: str
  sample: ["0.0.0.0:25", "[::]:25"]
"""

import difflib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import postfix
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "parameters": {"type": "dict", "default": {}},
            "config_directory": {"type": "path", "default": "/etc/postfix"},
        },
        supports_check_mode=True,
    )
    directory = module.params["config_directory"].rstrip("/")
    really = not module.check_mode
    try:
        if module.params["state"] == "absent":
            outcome = postfix.absent(directory, really)
        else:
            outcome = postfix.present(module.params["parameters"], directory, really)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"postfix: {error}")
    for text in outcome.warnings:
        module.warn(text)
    result = {
        "changed": outcome.changed,
        "parameters": outcome.parameters,
        "restarted": outcome.restarted,
        "reloaded": outcome.reloaded,
        "running": outcome.running,
        "listening": outcome.listening,
    }
    if outcome.before != outcome.after:
        names = f"{directory}/main.cf"
        lines = difflib.unified_diff(
            outcome.before.splitlines(), outcome.after.splitlines(), f"before: {names}", f"after: {names}", lineterm=""
        )
        result["diff"] = {"prepared": "\n".join(lines) + "\n"}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
