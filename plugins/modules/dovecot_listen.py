#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dovecot_listen
short_description: Choose the addresses that Dovecot listens on, and its ports for proxies
version_added: "0.1.0"
description:
  - Writes C(listen), trusted networks and the listeners of the PROXY protocol into
    C(/etc/dovecot/conf.d/99-ipv6-rollout.conf), for Dovecot 2.3 and 2.4, and only what the other files do not say
    already. Where Dovecot listens as it should, nothing is written.
  - Dovecot takes the last value that it reads. A line that comes later, as in C(local.conf), is named with its file and
    number, and nothing is changed. Other files are never edited.
  - The new configuration is read first, by doveconf, in a copy. A configuration that is broken already is named, and
    nothing is changed. What doveconf does not see is looked at too, as an address that is not on the host, with which
    Dovecot ends.
  - Then Dovecot is reloaded, and nobody is refused meanwhile. Six seconds later Dovecot ends the sessions of before,
    and clients log in again, unless it has C(shutdown_clients = no).
  - It is restarted only where a socket for every address makes room for one address of the same family, or the other
    way round, since a reload fails there, or where a reload did not bring the sockets. This ends all sessions at
    once.
  - Where the sockets are not right after ten seconds, the files come back, Dovecot is restarted with them, and the
    module fails.
  - Where the files are right and the running Dovecot listens on something else, this is put right and counts as a
    change. Where Dovecot does not run, it is not started.
options:
  state:
    description:
      - V(present) sets what Dovecot listens on.
      - V(absent) gives back the files of before the first change, and Dovecot its sockets of before.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - V(both), V(ipv4) and V(ipv6) are every address of the families.
      - V(addresses) is each of O(addresses). Dovecot then waits at boot, at most ten seconds, until each is there and
        past its duplicate address detection, by a drop-in of its unit.
    type: str
    choices: [both, ipv4, ipv6, addresses]
    default: both
  addresses:
    description: The addresses to listen on. They must be on the host already; one that is tentative is waited for.
    type: list
    elements: raw
    default: []
  login_trusted_networks:
    description:
      - Prefixes for Dovecot's setting of this name, besides those of the other files.
      - Clients from there may send passwords without TLS, and may say which client they speak for. A proxy that speaks
        the PROXY protocol does not need it.
    type: list
    elements: raw
    default: []
  proxy_protocol:
    description: Ports at which proxies, and nobody else, speak the PROXY protocol and then TLS.
    type: dict
    default: {}
    suboptions:
      ports:
        description: The port for V(imaps), V(pop3s) or both, none of them in use by Dovecot.
        type: dict
        default: {}
      proxies:
        description:
          - The prefixes or addresses of the proxies, for C(haproxy_trusted_networks).
          - Networks that other files name there are trusted at these ports too, and are told. Where one of them is
            everybody, the ports are refused.
        type: list
        elements: raw
        default: []
attributes:
  check_mode:
    description:
      - Can run in C(check_mode) and return changed status prediction without modifying the target.
      - Where Dovecot is not installed yet, what its own configuration would need.
    support: full
  diff_mode:
    description: Returns the files that change.
    support: full
  platform:
    description: Debian 12 and 13, with Dovecot installed.
    support: full
    platforms: debian
notes:
  - Listeners with an address of their own (C(address), in 2.4 C(listen)) are left alone.
  - TLS, passwords and mailboxes are not looked after.
  - It needs root, in check mode too, to read sockets.
  - Where C(dovecot.socket) listens for Dovecot, another O(mode) is refused.
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Serve mail to both families
  ipv6.rollout.dovecot_listen:

- name: Serve it through a proxy too
  ipv6.rollout.dovecot_listen:
    mode: ipv6
    proxy_protocol:
      ports: {imaps: 10993, pop3s: 10995}
      proxies: ["2001:db8:1200::53"]

- name: Give it back
  ipv6.rollout.dovecot_listen:
    state: absent
"""

RETURN = r"""
listening:
  description: The TCP sockets that Dovecot listens on, or in check mode would.
  returned: success
  type: list
  elements: str
  sample: ["0.0.0.0:993", "[::]:993"]
files:
  description: The files that were written or removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/dovecot/conf.d/99-ipv6-rollout.conf]
reloaded:
  description: Whether Dovecot was reloaded, or in check mode would be.
  returned: success
  type: bool
  sample: true
restarted:
  description: Whether Dovecot was restarted, or in check mode would be.
  returned: success
  type: bool
  sample: false
running:
  description: Whether Dovecot was running when the module looked.
  returned: success
  type: bool
  sample: true
needs_package:
  description: A package that is missing.
  returned: in check mode, where Dovecot is not installed
  type: str
  sample: dovecot-imapd
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import daemon_change, dovecot
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    proxy_protocol = {
        "ports": {"type": "dict", "default": {}},
        "proxies": {"type": "list", "elements": "raw", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "mode": {"type": "str", "choices": ["both", "ipv4", "ipv6", "addresses"], "default": "both"},
            "addresses": {"type": "list", "elements": "raw", "default": []},
            "login_trusted_networks": {"type": "list", "elements": "raw", "default": []},
            "proxy_protocol": {"type": "dict", "default": {}, "options": proxy_protocol},
        },
        supports_check_mode=True,
    )
    given = module.params
    really = not module.check_mode
    try:
        if given["state"] == "absent":
            outcome = dovecot.absent(really)
        else:
            names = ("mode", "addresses", "login_trusted_networks", "proxy_protocol")
            outcome = dovecot.present(*(given[name] for name in names), really)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"dovecot_listen: {error}")
    for text in outcome.warnings:
        module.warn(text)
    module.exit_json(restarted=outcome.restarted, **daemon_change.result(outcome))


if __name__ == "__main__":
    main()
