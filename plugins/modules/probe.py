#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Prove services by real connections, one family at a time
version_added: "0.1.0"
description:
  - Run it on the lab machine. It connects to each address that it is given, speaks the protocol, and says what it saw.
  - Each check is pinned to one family. Nothing falls back from IPv6 to IPv4, since that would hide what is broken.
  - A check that fails is a result and no error, so that one call proves all; look at C(failed_checks).
options:
  checks:
    description: The connections to make.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: Your name for this check. It comes back with the result.
        type: str
        required: true
      kind:
        description:
          - What to speak. V(tcp) only connects. V(http) and V(https) get the page V(/). V(smtp) reads the greeting and
            says EHLO. V(dns) asks for a SOA record over UDP and TCP. V(ping) sends an echo request.
          - V(reverse) makes no connection. It looks whether the address has a PTR record whose name has the address.
        type: str
        choices: [tcp, http, https, smtp, dns, ping, reverse]
        required: true
      family:
        description: The address family.
        type: str
        choices: [ipv4, ipv6]
        required: true
      address:
        description: The address to connect to.
        type: str
      name:
        description:
          - A name that must resolve to O(checks[].address) on the machine where this runs.
          - Without an address, every address of the family that the name has is connected to.
        type: str
      port:
        description: The port.
        type: int
      source:
        description: The local address to connect from.
        type: str
      host:
        description: The C(Host) header of HTTP, or the name that is asked for with V(dns).
        type: str
      says:
        description: Text that the page must contain, the name that the SMTP greeting must begin with, or the PTR name.
        type: str
      expect:
        description: Whether the port must be reachable (V(open)) or must not be (V(closed)).
        type: str
        choices: [open, closed]
        default: open
      timeout:
        description: Seconds to wait for each step.
        type: float
        default: 5.0
  patience:
    description: Seconds for which a check that does not come out as expected is tried again.
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
"""

EXAMPLES = r"""
- name: See that the web server answers over each family
  ipv6.rollout.probe:
    checks:
      - {id: www6, kind: http, family: ipv6, name: www.example.com, address: "2001:db8:1200::80", port: 80}
      - {id: www4, kind: http, family: ipv4, name: www.example.com, port: 80}
      - {id: db6, kind: tcp, family: ipv6, address: "2001:db8:1200::80", port: 5432, expect: closed}
  register: proof
  delegate_to: lab1
"""

RETURN = r"""
proofs:
  description: One entry a check, in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The name of the check.
      type: str
      sample: www6
    ok:
      description: Whether it came out as expected.
      type: bool
      sample: true
    evidence:
      description: What was seen, as one line of plain text.
      type: str
      sample: HTTP 200, 1024 octets
    address:
      description: The address that was connected to last.
      type: str
      sample: 2001:db8:1200::80
    seconds:
      description: How long it took.
      type: float
      sample: 0.012
failed_checks:
  description: The names of the checks that did not come out as expected.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import probe
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "checks": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "id": {"type": "str", "required": True},
                    "kind": {
                        "type": "str",
                        "choices": ["tcp", "http", "https", "smtp", "dns", "ping", "reverse"],
                        "required": True,
                    },
                    "family": {"type": "str", "choices": ["ipv4", "ipv6"], "required": True},
                    "address": {"type": "str"},
                    "name": {"type": "str"},
                    "port": {"type": "int"},
                    "source": {"type": "str"},
                    "host": {"type": "str"},
                    "says": {"type": "str"},
                    "expect": {"type": "str", "choices": ["open", "closed"], "default": "open"},
                    "timeout": {"type": "float", "default": 5.0},
                },
            },
            "patience": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    try:
        checks = [probe.check(value) for value in module.params["checks"]]
        proofs = probe.prove_all(checks, module.params["patience"])
    except RolloutError as error:
        module.fail_json(msg=f"probe: {error}")
    failed = [proof["id"] for proof in proofs if not proof["ok"]]
    module.exit_json(changed=False, proofs=proofs, failed_checks=failed)


if __name__ == "__main__":
    main()
