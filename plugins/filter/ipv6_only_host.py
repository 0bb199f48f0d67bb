# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what the daemons of a host need behind the v4 proxy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ipv6_only_host
short_description: Say what the daemons of a host need behind the v4 proxy
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Looks at the ports on which the proxy tells a host the client's address by the PROXY protocol.
  - Returns what the roles C(apache), C(dovecot), C(postfix) and C(ip6tables) take for them.
positional: _input, name, proxies
options:
  _input:
    description: The hosts, as P(ipv6.rollout.v4_proxy_hosts#filter) returns them.
    type: dict
    required: true
  name:
    description: The inventory name of the host.
    type: str
    required: true
  proxies:
    description: The IPv6 addresses of the proxies.
    type: list
    elements: str
    required: true
  services:
    description: The services of the host, as P(ipv6.rollout.host_spec#filter) returns them.
    type: list
    elements: dict
    default: []
  aaaa:
    description: Where AAAA records lead, V(direct) to the host, or to the V(proxy).
    type: str
    choices: [direct, proxy]
    default: direct
  master:
    description: What C(postconf -M) prints on the host. Needed where the proxy leads to Postfix.
    type: str
"""

EXAMPLES = r"""
- name: Show what a mail host needs
  ansible.builtin.debug:
    msg: "{{ hosts | ipv6.rollout.ipv6_only_host('mail1', ['2001:db8:1200::53']) }}"
  vars:
    hosts:
      mail1:
        address: "2001:db8:1200:25::25"
        names: [mail.example.com]
        ports: [{port: 993, to: 10993, proxy_protocol: v2}]
"""

RETURN = r"""
_value:
  description: >-
    C(apache) and C(dovecot) for C(apache_proxy_protocol) and C(dovecot_proxy_protocol), C(postfix) for
    C(postfix_master), C(services) for C(ip6tables_services) (what only the proxies use is for them alone), and
    C(others), PROXY ports that belong to none of them.
  type: dict
  sample:
    apache: {}
    dovecot: {ports: {imaps: 10993}, proxies: ["2001:db8:1200::53"]}
    postfix: {}
    services: [{name: v4-proxy-10993, port: 10993, protocol: tcp, sources: ["2001:db8:1200::53"], daemon: ""}]
    others: []
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import ipv6_only as core


def ipv6_only_host(hosts, name, proxies, services=(), aaaa="direct", master=None):
    """Return what the daemons of a host need behind the v4 proxy."""
    try:
        found = core.behind(name, hosts[name], proxies, services, aaaa)
        if master is not None:
            found["postfix"] = core.postfix_services(master, found["postfix"])
        return found
    except (KeyError, TypeError):
        raise AnsibleFilterError(f"ipv6.rollout.ipv6_only_host: {name!r} is not behind the proxy") from None
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.ipv6_only_host: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"ipv6_only_host": ipv6_only_host}
