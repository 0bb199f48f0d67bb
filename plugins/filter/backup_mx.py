# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what Postfix needs for two mail exchangers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_mx
short_description: Say what Postfix needs for two mail exchangers
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Makes what the module M(ipv6.rollout.postfix) takes, for the backup mail exchanger of hosts that have only IPv6, or
    for such a host itself.
  - Parameters in which other tables or restrictions are set already keep them.
positional: _input, side
options:
  _input:
    description:
      - For V(backup), the mail domains. Each has a C(name), the C(primary) (an IPv6 address or a name with an AAAA
        record), the name C(mx) for the MX record, and C(recipients) (a list of addresses, or C(verify)).
      - For V(primary), the addresses of its backups.
    type: list
    elements: raw
    required: true
  side:
    description: Which of the two mail exchangers.
    type: str
    required: true
    choices: [backup, primary]
  hostname:
    description: The full name of the backup.
    type: str
    default: ""
  options:
    description:
      - For V(backup), C(source), C(mynetworks), C(proxy_interfaces), C(queue_lifetime), C(retry) and C(size_limit).
      - For V(primary), C(exempt_from).
    type: dict
    default: {}
  own:
    description: What C(postconf -n) prints on the host, or nothing where Postfix isn't installed yet.
    type: str
    default: ""
  local:
    description: What C(postconf -x) prints there of the parameters that name its own domains.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the MX records
  ansible.builtin.debug:
    msg: "{{ (domains | ipv6.rollout.backup_mx('backup', hostname='gw.example.com')).records }}"
  vars:
    domains:
      - {name: example.com, primary: "2001:db8:1200:25::25", mx: ipv6.mail.example.com, recipients: verify}
"""

RETURN = r"""
_value:
  description: >-
    C(parameters), C(tables) and C(master) for M(ipv6.rollout.postfix), C(records) for M(ipv6.rollout.dns_records) and
    C(checks) for M(ipv6.rollout.probe).
  type: dict
  sample:
    parameters: {inet_protocols: all}
    tables: []
    master: {}
    records: [{name: example.com., type: MX, data: 10 ipv6.mail.example.com.}]
    checks: []
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import backup_mx as core


def backup_mx(value, side, hostname="", options=None, own="", local=""):
    """Return what Postfix needs on one of the two mail exchangers."""
    told = options or {}
    if not isinstance(told, Mapping):
        raise AnsibleFilterError(f"ipv6.rollout.backup_mx: options: {shown(told)} is not a dictionary")
    try:
        if side == "backup":
            return core.backup(value, hostname, told, own, local)
        if side == "primary":
            return core.primary(value, told.get("exempt_from", []), own)
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.backup_mx: {error}") from error
    raise AnsibleFilterError(f"ipv6.rollout.backup_mx: {side!r} is neither 'backup' nor 'primary'")


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"backup_mx": backup_mx}
