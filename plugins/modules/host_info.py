#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Tell all that an IPv6 rollout needs to know of a host
version_added: "0.1.0"
description:
  - One read-only call in place of fact gathering. It changes nothing and starts nothing.
  - It tells the system, the addresses with the state of duplicate address detection, the default routes, the settings
    of the kernel, every listening socket with the families that it serves, the rules of both families, other rule
    managers, half-installed packages, the clock, and the settings of Postfix, Apache and BIND that matter for IPv6.
options:
  rules:
    description:
      - Also return the rules of both families as text, as C(iptables-save) and C(ip6tables-save) print them.
      - The filters P(ipv6.rollout.firewall_parity#filter) and P(ipv6.rollout.ip6tables_rules#filter) read them.
    type: bool
    default: false
  audit:
    description:
      - Also return what an audit of the whole site needs, as RV(host_info.audit).
      - An empty dictionary asks for all that needs no further words.
      - It is as read-only as the rest. Each IPv6 default gateway is sent a neighbour solicitation, and the resolver of
        the host is asked for O(audit.names).
    type: dict
    suboptions:
      destinations:
        description: Addresses whose source is looked up. Nothing is sent to them.
        type: list
        elements: str
      names:
        description: Names that are looked up, to see in which order the host tries their addresses.
        type: list
        elements: str
      paths:
        description: Access logs to look into beside those that the configuration of the web server names.
        type: list
        elements: str
      token:
        description: A text of 8 to 200 characters that is looked for in the access logs.
        type: str
      ipv4_use:
        description: Also tell who on the host uses IPv4 by itself.
        type: bool
        default: false
      nat64_prefix:
        description: The prefix of the NAT64 behind which IPv4 addresses are found, for O(audit.ipv4_use).
        type: str
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
- name: Look at the host
  ipv6.rollout.host_info:
  register: look

- name: Look at it as an audit does
  ipv6.rollout.host_info:
    rules: true
    audit:
      destinations: ["2001:db8:feed::10", 198.51.100.200]
      names: [www.example.com]
      token: readiness-0123456789
  register: look

- name: Show the sockets that IPv6 clients can reach
  ansible.builtin.debug:
    msg: "{{ look.host_info.listeners | selectattr('ipv6') }}"
"""

RETURN = r"""
host_info:
  description: What was found.
  returned: success
  type: dict
  contains:
    os:
      description: The keys C(id), C(like), C(version), C(name) of os-release, and C(kernel).
      type: dict
      sample: {id: debian, like: [], version: "12", name: Debian GNU/Linux 12 (bookworm), kernel: 6.1.0}
    python:
      description: The version of Python that ran this.
      type: str
      sample: 3.11.2
    clock:
      description: The host's time, in seconds since 1970.
      type: float
      sample: 1767225600.0
    ipv6:
      description: Whether the kernel speaks IPv6 (C(enabled)) and, where it does not, C(why).
      type: dict
      sample: {enabled: true, why: ""}
    interfaces:
      description:
        - The interfaces with C(name), C(mac), C(mtu), C(up), their C(sysctls) and C(addresses).
        - Each address has C(address), C(length), C(family), C(scope), and the flags C(tentative), C(dadfailed),
          C(deprecated), C(temporary) and C(dynamic).
      type: list
      elements: dict
    routes:
      description: The default routes, under C(ipv4) and C(ipv6), each with C(gateway), C(dev) and C(metric).
      type: dict
    sysctls:
      description: Kernel settings by name.
      type: dict
    listeners:
      description:
        - The sockets that wait for clients. TCP sockets that listen, and UDP sockets that are not connected, in the
          network namespace of the host. The kernel is asked by sock_diag, so nothing depends on C(ss) or C(netstat).
        - Sockets that differ in nothing are one entry, as SO_REUSEPORT makes them.
      type: list
      elements: dict
      contains:
        protocol:
          description: C(tcp) or C(udp).
          type: str
        address:
          description: The address that it is bound to. C(::) and C(0.0.0.0) are any address.
          type: str
        port:
          description: The port.
          type: int
        device:
          description: The interface that it is bound to, which a link-local address always has. Else it is empty.
          type: str
        scope:
          description: What the address is, one of C(wildcard), C(loopback), C(link), C(multicast) and C(global).
          type: str
        v6only:
          description: The option IPV6_V6ONLY. Null for a socket of IPv4, and where it is not known.
          type: bool
        ipv4:
          description:
            - Whether it serves clients of IPv4. A socket of C(::) without C(v6only) does, and sees their addresses as
              IPv4-mapped ones. Null where that is not known.
          type: bool
        ipv6:
          description: Whether it serves clients of IPv6.
          type: bool
        freebind:
          description: Whether it may bind an address that is not there yet. Null where that is not known.
          type: bool
        sockets:
          description: How many sockets there are that are alike.
          type: int
        process:
          description:
            - The name of the process that has it open, as the kernel knows it, cut after 15 octets. If systemd opened
              it for a service that runs, that of the service. Empty where no process is known.
          type: str
        program:
          description: The file name of the program.
          type: str
        pid:
          description: The number of the process, or 0.
          type: int
        user:
          description: The user that the process runs as; without a process the one who made the socket.
          type: str
        unit:
          description: The systemd unit of the process.
          type: str
        processes:
          description:
            - All that have it open, each with C(process), C(program), C(user), C(unit) and C(pids). The workers of one
              program are one entry.
          type: list
          elements: dict
        socket_unit:
          description: The systemd unit of type socket that opened it. Else it is empty.
          type: str
        starts:
          description: The service that this unit starts.
          type: str
        waits:
          description:
            - Whether systemd starts the unit only after network-online.target. Null where that does not matter, since
              no IPv6 address of the host's own is bound, or where it is not known.
          type: bool
      sample:
        - protocol: tcp
          address: "::"
          port: 80
          device: ""
          scope: wildcard
          v6only: false
          ipv4: true
          ipv6: true
          freebind: false
          sockets: 1
          process: apache2
          program: apache2
          pid: 400
          user: root
          unit: apache2.service
          processes:
            - {process: apache2, program: apache2, user: root, unit: apache2.service, pids: [400]}
            - {process: apache2, program: apache2, user: www-data, unit: apache2.service, pids: [401, 402]}
          socket_unit: ""
          starts: ""
          waits: null
    sockets:
      description:
        - What is not known of them. C(exact) is false where the kernel does not answer by sock_diag; then C(v6only) and
          C(device) are not known. C(complete) is false where not all processes could be looked into, or where /proc
          hides them (hidepid).
        - C(others) counts the sockets of SCTP, DCCP and UDP-Lite, which are not listed.
      type: dict
      sample: {exact: true, complete: true, others: {}}
    firewall:
      description:
        - Under C(ipv4) and C(ipv6) the C(policies), user C(chains) and number of C(rules).
        - With O(rules) also C(saved), the rules as text, and C(other), those of the back end that is not in use.
          C(problem) tells why they could not be read. C(nft_tables) names the tables of nft that filter what comes in
          and that C(iptables-save) doesn't show. C(nft_problem) tells why they could not be listed; it is empty where
          nft is not installed.
        - C(tracking_refused) under C(ipv6) tells why the kernel can't follow IPv6 connections. Else it is empty.
        - C(backend) is nft or legacy. C(persistent) tells whether what loads rules at boot is installed.
      type: dict
    managers:
      description: The rule managers that are enabled at boot.
      type: list
      elements: str
      sample: [netfilter-persistent]
    dpkg:
      description: Packages that are C(broken), and whether dpkg was C(interrupted).
      type: dict
    daemons:
      description: Under C(postfix), C(apache) and C(named) whether it is C(installed), and its settings for IPv6.
      type: dict
    network_backend:
      description: What configures the network at boot. One of ifupdown, networkd, netplan, networkmanager, or empty.
      type: str
      sample: ifupdown
    free:
      description: Free octets by folder.
      type: dict
    audit:
      description: What only an audit needs. A part that can't be read ends nothing, and says so in its C(problem).
      returned: if O(audit) is given
      type: dict
      contains:
        problems:
          description: By part, why it could not be read, or not as a whole. It is empty where all is well.
          type: dict
        addresses:
          description:
            - All addresses, with C(interface), C(address), C(length), C(family), C(scope), and the flags C(tentative),
              C(dadfailed), C(deprecated), C(temporary), C(dynamic), C(nodad) and C(optimistic).
            - The lifetimes C(valid) and C(preferred) are in seconds, and null for ever.
          type: list
          elements: dict
        routes:
          description:
            - Under C(ipv4) and C(ipv6) the main table, at most 2000 routes, those to C(default) first. Each next hop is
              an entry with C(destination), C(gateway), C(device), C(metric), C(protocol), C(expires), C(type),
              C(source), and C(dead) where its link is down.
          type: dict
        neighbours:
          description: What the kernel knows of IPv6 neighbours, as C(address), C(device), C(state) and C(router).
          type: list
          elements: dict
        gateways:
          description:
            - Under C(ipv6) the default gateways, each with C(address), C(device), C(state) in the kernel, and whether
              it C(answered) a neighbour solicitation within three seconds.
            - C(asked) is false, and C(answered) null, on links that have no such addresses.
          type: dict
        settings:
          description:
            - Under C(ipv4) and C(ipv6), and then by interface, C(all) and C(default) among them, the settings of the
              kernel as text.
          type: dict
        kernel:
          description:
            - Settings of the whole host by name, as text. What is not there, as in some containers, is empty.
            - C(modules) lists the modules of interest that are loaded.
          type: dict
        disk:
          description:
            - What the configuration of the host gives its interfaces at the next boot.
            - It has C(addresses) and C(gateways) with C(interface) and C(address), in C(dynamic) the interfaces and
              families that get more by DHCP or router advertisements, and the C(files) that say so.
            - C(backend) is the one of RV(host_info.network_backend). C(problem) tells what can't be told.
          type: dict
        saved:
          description:
            - Under C(ipv4) and C(ipv6) the C(path) and the C(rules) that are loaded at boot.
            - The C(loader) has the C(unit) of systemd, whether it is C(enabled), and whether it starts
              C(before_network).
          type: dict
        postfix:
          description:
            - Whether it is C(installed), the C(parameters) that matter for IPv6 and for who may send, with variables
              filled in, and the C(overrides) of master.cf by C(service/type/parameter).
          type: dict
        web:
          description:
            - C(server) is apache2, nginx or empty, and C(logs) lists its access logs.
            - C(access) lists the sections that look at who the client is, each with C(file), C(line), C(kind) and
              C(path) of the block, the name of the C(site), the C(rules), and in C(urls) what a client asks for to come
              there, where that can be told.
          type: dict
        hits:
          description:
            - The lines with O(audit.token) in the last 256 KiB of each access log. C(seen) lists C(file) and client
              C(address), each pair once. C(logs) is the number of logs that could be read.
          type: dict
        selection:
          description:
            - C(sources) by destination, empty where there is no way. C(order) lists the names with the addresses that
              they C(got), in their order.
            - The policy, as rows of C(gai_conf) and as C(labels) of the kernel. C(default_policy) is true where nobody
              has changed it.
          type: dict
        tunnels:
          description: The tunnels that are up, with C(interface), C(kind), C(mtu) and C(parent_mtu).
          type: list
          elements: dict
        ipv4_use:
          description:
            - Who uses IPv4 by itself, as the module M(ipv6.rollout.ipv4_use_info) tells it. Null where it was not
              asked for.
          type: dict
        conntrack:
          description: Under C(ipv4) and C(ipv6) whether the kernel follows connections. Null where nothing says so.
          type: dict
        state:
          description:
            - Digests of addresses, routes, rules, settings of the kernel and files of /etc C(before) and C(after) the
              call, and the C(parts) that differ.
          type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import host
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

SPEC = {
    "rules": {"type": "bool", "default": False},
    "audit": {
        "type": "dict",
        "options": {
            "destinations": {"type": "list", "elements": "str"},
            "names": {"type": "list", "elements": "str"},
            "paths": {"type": "list", "elements": "str"},
            "token": {"type": "str", "no_log": False},
            "ipv4_use": {"type": "bool", "default": False},
            "nat64_prefix": {"type": "str"},
        },
    },
}


def main():
    """Entry point."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        found = host.look(module.params["rules"], module.params["audit"])
    except RolloutError as error:
        module.fail_json(msg=f"host_info: {error}")
    module.exit_json(changed=False, host_info=found)


if __name__ == "__main__":
    main()
