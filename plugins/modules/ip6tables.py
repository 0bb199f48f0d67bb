#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ip6tables
short_description: Set the whole IPv6 rule set of a host at once
version_added: "0.1.0"
description:
  - Writes the IPv6 filter table of a host from what may reach it. Everything else is rejected.
  - The rules let in neighbour discovery and all other ICMPv6 that RFC 4890 (section 4.4) wants, answers to the
    host's own connections, DHCPv6 answers, the lab machine, management by ssh, and the opened services.
  - The rules are tested first, loaded in one transaction, read back, and kept in C(/etc/iptables/rules.v6), which
    C(netfilter-persistent) loads at boot.
  - User chains of other programs (Docker, fail2ban, ufw), and the jumps to them, stay as they are and are reported.
    OUTPUT is left alone, and so is FORWARD, but for its policy, where the host is no router with O(routed_prefixes).
    IPv4 rules are never touched.
options:
  state:
    description:
      - V(present) sets the rules.
      - V(absent) gives back the rules, and the file, that were there before the first change.
    type: str
    choices: [present, absent]
    default: present
  lab_sources:
    description: Prefixes of the lab machine. All that comes from them is let in, so that it can prove the services.
    type: list
    elements: raw
    default: []
  management_sources:
    description: Prefixes from which ssh is let in.
    type: list
    elements: raw
    default: []
  management_port:
    description: The port of ssh.
    type: int
    default: 22
  services:
    description: The services of this host, whether they are open yet or not.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name, which becomes the comment of the rule.
        type: str
        required: true
      port:
        description: The port, 1 to 65535.
        type: int
        required: true
      protocol:
        description: The transport protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      sources:
        description: The prefixes that may use the service. Everybody may where the list is empty.
        type: list
        elements: raw
        default: []
      destination:
        description:
          - The address, or prefix, of a service behind this router. It must be in one of O(routed_prefixes).
          - Without it the service is one of this host.
        type: raw
      daemon:
        description: The program behind it, which the P(ipv6.rollout.services#filter) filter adds. It is not used here.
        type: raw
  open:
    description:
      - Which of the services are let in.
      - V(keep) leaves open what is open and opens nothing, V(all) opens all, V(none) closes all.
      - With V(keep), fewer sources of an open service count at once. More of them wait until the service is opened.
      - A list of names opens these beside the open ones.
    type: raw
    default: keep
  forward:
    description:
      - The policy of the FORWARD chain.
      - With V(auto) it is DROP. A host that forwards IPv6 now keeps the policy that it has, with a warning.
      - With O(routed_prefixes) it always is DROP.
    type: str
    choices: [auto, accept, drop]
    default: auto
  routed_prefixes:
    description:
      - The networks behind this router. The FORWARD chain lets out what comes from them, and lets in answers, ICMPv6
        as RFC 4890 (section 4.3) wants it, the lab machine, and open services with a C(destination).
      - Needs O(outside_interfaces).
    type: list
    elements: raw
    default: []
  outside_interfaces:
    description:
      - The interfaces that lead to the world. A packet that comes in there with a source in O(routed_prefixes) is
        forged, and dropped.
    type: list
    elements: raw
    default: []
  foreign:
    description:
      - What to do with rules in INPUT, and in FORWARD of a router, that this module did not write and that are no jumps
        to somebody's user chain. V(refuse) stops with the first of them named, V(replace) drops them.
      - A jump to a chain that decides over every packet (C(-A INPUT -j LOGDROP)) is one of them, but with V(replace) it
        stays, behind the rules of this module.
      - V(state=absent) brings them back in both cases.
    type: str
    choices: [refuse, replace]
    default: refuse
  prove:
    description:
      - The families over which the next login of the administrator must get through the new rules, beside that of the
        connection in use.
      - The controller finds out from which address it would log in, as ssh's configuration has it. What the rules
        would do is worked out before anything is changed.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: []
  addresses:
    description: The address of that login, by family. By default C(ansible_host), where it is one of the family.
    type: dict
    default: {}
  lockout:
    description:
      - What to do where the new rules would refuse that login. V(refuse) changes nothing and fails with the rule named.
      - V(allow) does not look.
    type: str
    choices: [refuse, allow]
    default: refuse
  logins:
    description: Used by the action plugin.
    type: list
    elements: dict
    suboptions:
      family: {description: The family., type: str, required: true}
      source: {description: From where., type: str, required: true}
      destination: {description: To where., type: str, required: true}
      port: {description: The port of ssh., type: int, required: true}
      reason: {description: Why the source is not known., type: str, default: ""}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns the rules that go and come.
    support: full
  platform:
    description: Debian 12 and 13, with the packages C(iptables) and C(iptables-persistent).
    support: full
    platforms: debian
author:
  - ipv6.rollout contributors (@ipv6-rollout)
seealso:
  - module: ipv6.rollout.guard
    description: Takes a rule set back by itself if nobody can log in any more.
"""

EXAMPLES = r"""
- name: Let the lab machine in, reject the rest
  ipv6.rollout.ip6tables:
    lab_sources: ["2001:db8:feed::/64"]
    services: [{name: http, port: 80}]

- name: Open the web server to everybody
  ipv6.rollout.ip6tables:
    lab_sources: ["2001:db8:feed::/64"]
    services: [{name: http, port: 80}]
    open: [http]

- name: A router with one network behind it, and a web server there that everybody may reach
  ipv6.rollout.ip6tables:
    management_sources: ["2001:db8:aa::/48"]
    routed_prefixes: ["2001:db8:1::/48"]
    outside_interfaces: [eth0]
    services: [{name: http, port: 80, destination: "2001:db8:1:80::80"}]
    open: all

- name: Refuse rules that would not let the administrator in over IPv6
  ipv6.rollout.ip6tables:
    management_sources: ["2001:db8:aa::/48"]
    prove: [ipv6]
    addresses:
      ipv6: "{{ lookup('ipv6.rollout.plan').hosts[inventory_hostname] }}"

- name: Give back the rules that were there before
  ipv6.rollout.ip6tables:
    state: absent
"""

RETURN = r"""
open:
  description: The names of the services that are let in.
  returned: success
  type: list
  elements: str
  sample: [http]
closed:
  description: The names of the declared services that are not let in yet.
  returned: success
  type: list
  elements: str
  sample: []
foreign_chains:
  description: User chains of other programs, which were left alone.
  returned: success
  type: list
  elements: str
  sample: [f2b-sshd]
backend:
  description: What C(ip6tables) writes to on the host, V(nf_tables) or V(legacy).
  returned: success
  type: str
  sample: nf_tables
needs_package:
  description: The package that has to be installed first. Nothing was changed.
  returned: when the host lacks it
  type: str
  sample: iptables-persistent
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import ip6tables, lockout, rules
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def opening(value):
    """Return the option open as the core takes it."""
    if value in ("keep", "all", "none"):
        return value
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    raise RolloutError(f"open: {value!r} is neither 'keep', 'all' or 'none' nor a list of names; write it as [{value}]")


def run(module):
    """Set the rules, or give the old ones back."""
    given = module.params
    really = not module.check_mode
    logins = None if given["logins"] is None else [lockout.Login(**login) for login in given["logins"]]
    if given["state"] == "absent":
        return ip6tables.absent(really, logins)
    policy = rules.policy(
        given["lab_sources"],
        given["management_sources"],
        given["management_port"],
        given["services"],
        "" if given["forward"] == "auto" else given["forward"].upper(),
        given["routed_prefixes"],
        given["outside_interfaces"],
    )
    return ip6tables.present(policy, opening(given["open"]), given["foreign"] == "replace", really, logins)


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "lab_sources": {"type": "list", "elements": "raw", "default": []},
            "management_sources": {"type": "list", "elements": "raw", "default": []},
            "management_port": {"type": "int", "default": 22},
            "services": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "port": {"type": "int", "required": True},
                    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                    "sources": {"type": "list", "elements": "raw", "default": []},
                    "destination": {"type": "raw"},
                    "daemon": {"type": "raw"},
                },
            },
            "open": {"type": "raw", "default": "keep"},
            "forward": {"type": "str", "choices": ["auto", "accept", "drop"], "default": "auto"},
            "foreign": {"type": "str", "choices": ["refuse", "replace"], "default": "refuse"},
            "routed_prefixes": {"type": "list", "elements": "raw", "default": []},
            "outside_interfaces": {"type": "list", "elements": "raw", "default": []},
            "prove": {"type": "list", "elements": "str", "choices": ["ipv4", "ipv6"], "default": []},
            "addresses": {"type": "dict", "default": {}},
            "lockout": {"type": "str", "choices": ["refuse", "allow"], "default": "refuse"},
            "logins": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "family": {"type": "str", "required": True},
                    "source": {"type": "str", "required": True},
                    "destination": {"type": "str", "required": True},
                    "port": {"type": "int", "required": True},
                    "reason": {"type": "str", "default": ""},
                },
            },
        },
        supports_check_mode=True,
    )
    package = ip6tables.missing_package() if module.params["state"] == "present" else None
    if package:
        module.exit_json(changed=True, needs_package=package, open=[], closed=[], foreign_chains=[])
    try:
        outcome = run(module)
    except RolloutError as error:
        module.fail_json(msg=f"ip6tables: {error}")
    for text in outcome.warnings:
        module.warn(text)
    declared = [service["name"] for service in module.params["services"]]
    result = {
        "changed": outcome.changed,
        "open": sorted(set(outcome.opened)),
        "closed": sorted(set(declared) - set(outcome.opened)),
        "foreign_chains": outcome.foreign,
        "backend": outcome.backend,
    }
    if outcome.before != outcome.after:
        result["diff"] = {
            "before": outcome.before,
            "after": outcome.after,
            "before_header": "IPv6 filter table",
            "after_header": "IPv6 filter table",
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
