# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a dual-stack gateway serves for hosts without IPv4."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ipv6_only_gateway
short_description: Say what a dual-stack gateway serves for hosts without IPv4
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the services that the rules of the gateway let in, and the mail domains that it is the backup for.
positional: _input, hosts
options:
  _input:
    description: The services of the gateway itself, as P(ipv6.rollout.host_spec#filter) returns them.
    type: list
    elements: dict
    required: true
  hosts:
    description: The hosts behind the proxy, as P(ipv6.rollout.v4_proxy_hosts#filter) returns them.
    type: dict
    required: true
  members:
    description: The same hosts, as P(ipv6.rollout.fleet_members#filter) returns them.
    type: dict
    default: {}
  clients:
    description: The IPv6 prefixes whose hosts ask the DNS64.
    type: list
    elements: str
    default: []
  recipients:
    description: By mail domain the list of its addresses. A domain that is not there is verified at the host.
    type: dict
    default: {}
  aaaa:
    description: Where AAAA records lead, V(direct) to the hosts, or to the V(proxy).
    type: str
    choices: [direct, proxy]
    default: direct
"""

EXAMPLES = r"""
- name: Show what the gateway lets in
  ansible.builtin.debug:
    msg: "{{ [] | ipv6.rollout.ipv6_only_gateway({}, clients=['2001:db8:1200::/48']) }}"
"""

RETURN = r"""
_value:
  description: C(services) for C(ip6tables_services), and C(mail_domains) for C(backup_mx_domains).
  type: dict
  sample:
    services: [{name: dns64, port: 53, protocol: udp, sources: ["2001:db8:1200::/48"], daemon: ""}]
    mail_domains: []
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import ipv6_only as core


def ipv6_only_gateway(services, hosts, members=None, clients=(), recipients=None, aaaa="direct"):
    """Return what a gateway serves for hosts without IPv4."""
    try:
        mail = core.mail_domains(members or {}, recipients or {})
        return {"services": core.gateway(services, hosts, clients, aaaa, bool(mail)), "mail_domains": mail}
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.ipv6_only_gateway: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(
            "ipv6.rollout.ipv6_only_gateway: services, hosts or members are not what the filters host_spec, "
            f"v4_proxy_hosts and fleet_members return ({error}); pass on what those return"
        ) from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"ipv6_only_gateway": ipv6_only_gateway}
