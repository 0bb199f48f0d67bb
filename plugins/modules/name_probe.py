#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: name_probe
short_description: Prove by real connections that names are served at an address
version_added: "0.1.0"
description:
  - Run it on the lab machine, before a name is published. It connects to an address and asks for a name, by the C(Host)
    header of HTTP, or by the server name of TLS.
  - A connection that is closed for the name, or an answer C(421), is a proof that nobody serves the name there.
  - A check that fails is a result and no error; look at RV(failed_checks).
options:
  checks:
    description: The connections to make.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name that is asked for.
        type: str
        required: true
      address:
        description: The address to connect to.
        type: str
        required: true
      port:
        description: The port.
        type: int
        required: true
      mode:
        description: V(http) gets the page V(/). V(tls) completes a handshake.
        type: str
        choices: [http, tls]
        default: tls
  timeout:
    description: Seconds to wait for each step.
    type: float
    default: 5.0
  patience:
    description: Seconds for which a check that fails is tried again.
    type: float
    default: 0.0
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: There is nothing to compare, since nothing is changed.
    support: none
  platform:
    description: Linux.
    support: full
    platforms: linux
author:
  - ipv6.rollout contributors (@ipv6-rollout)
seealso:
  - plugin: ipv6.rollout.v4_proxy_checks
    plugin_type: filter
    description: Makes the checks for a v4 proxy.
"""

EXAMPLES = r"""
- name: See that the proxy leads somewhere
  ipv6.rollout.name_probe:
    checks:
      - {name: www.example.com, address: 192.0.2.10, port: 80, mode: http}
      - {name: mail.example.com, address: 192.0.2.10, port: 993}
    patience: 10
  delegate_to: lab1
"""

RETURN = r"""
proofs:
  description: One entry a check, in the same order, with C(name), C(address), C(port), C(ok) and C(evidence).
  returned: success
  type: list
  elements: dict
  sample: [{name: www.example.com, address: 192.0.2.10, port: 80, ok: true, evidence: HTTP 200}]
failed_checks:
  description: One line for each check that failed.
  returned: success
  type: list
  elements: str
  sample: ["www.example.com at 192.0.2.10 port 443: the connection is closed for this name"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import name_probe


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "checks": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "port": {"type": "int", "required": True},
                    "mode": {"type": "str", "choices": ["http", "tls"], "default": "tls"},
                },
            },
            "timeout": {"type": "float", "default": 5.0},
            "patience": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    told = module.params
    proofs = name_probe.prove_all(told["checks"], told["timeout"], told["patience"])
    failed = [
        f"{proof['name']} at {proof['address']} port {proof['port']}: {proof['evidence']}"
        for proof in proofs
        if not proof["ok"]
    ]
    module.exit_json(changed=False, proofs=proofs, failed_checks=failed)


if __name__ == "__main__":
    main()
