#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tunnel
short_description: IPv6 over a tunnel, where the provider gives none
version_added: "0.1.0"
description:
  - Sets up one end of a tunnel that carries IPv6, now and for the next boot, with OpenVPN, 6in4 (C(sit), protocol 41)
    or WireGuard.
  - Looks first, at the kernel, the interfaces, the addresses and the firewall of the host, and refuses with all the
    reasons before anything is touched.
  - An OpenVPN configuration is tried out before it is live. OpenVPN is started with it in an empty network namespace,
    where it takes or refuses options, certificates and keys.
  - Where the tunnel does not start, files, unit and sysctls go back. What can't be taken back is named.
  - IPv4 is never touched; what an OpenVPN server pushes of it is left out.
options:
  state:
    description:
      - V(present) sets the tunnel up.
      - V(absent) takes it back. The interface goes, the unit is enabled and active only if it was so before, and files
        and sysctls are what they were. Needs O(name) alone.
      - An interface of that name that is of another kind stays, and so does forwarding that another sysctl file asks
        for. A warning says so.
    type: str
    choices: [present, absent]
    default: present
  kind:
    description: What carries the packets.
    type: str
    choices: [openvpn, 6in4, wireguard]
    default: openvpn
  name:
    description: The name of the tunnel, and of its interface.
    type: str
    default: tun6
  role:
    description: Which end of an OpenVPN tunnel this is.
    type: str
    choices: [server, client]
  local:
    description:
      - The address of this host that outer packets have. It must be on the host.
      - Needed for 6in4, where it is IPv4. An OpenVPN server listens on it alone.
    type: str
  remote:
    description: The other end, for 6in4 its IPv4 address, for an OpenVPN client the server's address or name.
    type: str
  port:
    description:
      - The UDP port of the OpenVPN server, 1194 by default.
      - The port that WireGuard listens on. Without it the kernel chooses one, which suits the end that calls.
    type: int
  proto:
    description:
      - The outer protocol of OpenVPN. With V(udp6) a server listens for both families on one socket, and a client
        calls over IPv6.
      - V(udp) by default.
    type: str
    choices: [udp, udp4, udp6]
  network:
    description: The prefix of an OpenVPN server for its clients, mostly a /64. The server has its first address.
    type: str
  addresses:
    description: The IPv6 addresses of this end, with prefix lengths, for 6in4 and WireGuard.
    type: list
    elements: str
    default: []
  routes:
    description:
      - The IPv6 prefixes that lie behind the tunnel. An OpenVPN server tells them to its clients.
      - Not for WireGuard, which takes them from O(peers[].allowed).
      - What is routed to another interface already, or on its link, is refused before anything is touched.
    type: list
    elements: str
    default: []
  clients:
    description: The clients of an OpenVPN server. Nobody else gets in.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The common name of the client's certificate.
        type: str
        required: true
      address:
        description: The client's address in O(network), without a length.
        type: str
        required: true
      routed:
        description: Prefixes that are routed to the client, such as a /64 of its own.
        type: list
        elements: str
        default: []
  peers:
    description: The other ends of a WireGuard tunnel.
    type: list
    elements: dict
    default: []
    suboptions:
      public_key:
        description: The public key of the peer.
        type: str
        required: true
      endpoint:
        description: Where the peer is, C(host:port); an IPv6 address in brackets. Without it the peer has to call.
        type: str
      allowed:
        description: The IPv6 prefixes that the peer may send from. They are routed to it as well.
        type: list
        elements: str
        required: true
      preshared_key:
        description: A symmetric key, beside the public ones.
        type: str
      keepalive:
        description: Seconds between packets that keep a NAT in between open.
        type: int
  server_name:
    description: The common name that the server's certificate must have, for an OpenVPN client.
    type: str
  ca:
    description: The certificates of OpenVPN's authority, as PEM text or as the absolute path of a file of the host.
    type: str
  certificate:
    description:
      - The certificate of this end, as PEM text or as the absolute path of a file of the host.
      - It needs the extensions C(keyUsage) and C(extendedKeyUsage) for its role.
    type: str
  key:
    description: The private key of this end, as PEM text for OpenVPN, as C(wg genkey) prints it for WireGuard.
    type: str
  key_file:
    description:
      - The absolute path of a file of the host with the private key, instead of O(key).
      - As with O(ca) and O(certificate), another content of the file restarts the tunnel at the next run.
    type: path
  tls_crypt:
    description:
      - The text of a C(tls-crypt) key, the same on both ends.
      - With it OpenVPN does not answer strangers at all.
    type: str
  mtu:
    description:
      - The MTU of the tunnel, the same on both ends. By default 1420 for OpenVPN and WireGuard, and 1280 for 6in4.
      - From 1280 to 1500, for 6in4 to 1480.
    type: int
  forwarding:
    description:
      - Whether the host forwards IPv6, as the end with a network behind it has to.
      - Interfaces that live on router advertisements get C(accept_ra=2) first, so that they keep their default route.
    type: bool
    default: false
  backend:
    description:
      - What configures the network at boot, for 6in4 and WireGuard.
      - WireGuard is kept by C(wg-quick) on all of them but V(networkd).
    type: str
    choices: [auto, ifupdown, networkd, netplan, networkmanager]
    default: auto
  lockout:
    description:
      - What to do where a new route into the tunnel covers the address from which the SSH session comes that runs this,
        and no smaller prefix of another interface does.
      - V(refuse) changes nothing; V(allow) goes on.
    type: str
    choices: [refuse, allow]
    default: refuse
  wait:
    description: How many seconds to wait for the tunnel's address after a change. For a client the server must answer.
    type: int
    default: 20
author:
  - ipv6.rollout contributors (@ipv6-rollout)
attributes:
  check_mode:
    support: full
    description: Tells exactly what a real run would change, also where the package is not installed yet.
  diff_mode:
    support: full
    description: Shows files, unit, sysctls and commands. Of a file with a key it shows only that it changes.
"""

EXAMPLES = r"""
- name: The server's end of an OpenVPN tunnel
  ipv6.rollout.tunnel:
    kind: openvpn
    role: server
    network: "2001:db8:1200:ff::/64"
    routes: ["2001:db8:1200::/48"]
    clients:
      - {name: lab1, address: "2001:db8:1200:ff::10"}
    ca: "{{ lookup('ansible.builtin.file', 'pki/ca.crt') }}"
    certificate: "{{ lookup('ansible.builtin.file', 'pki/server.crt') }}"
    key: "{{ vault_tunnel_key }}"
    forwarding: true

- name: The lab machine's end
  ipv6.rollout.tunnel:
    kind: openvpn
    role: client
    remote: 192.0.2.53
    ca: /etc/ssl/tunnel/ca.crt
    certificate: /etc/ssl/tunnel/lab1.crt
    key_file: /etc/ssl/private/lab1.key

- name: A 6in4 tunnel to a broker
  ipv6.rollout.tunnel:
    kind: 6in4
    local: 192.0.2.10
    remote: 198.51.100.1
    addresses: ["2001:db8:feed::2/64"]
    routes: ["2000::/3"]

- name: One end of a WireGuard tunnel, which the other end calls
  ipv6.rollout.tunnel:
    kind: wireguard
    name: wg6
    port: 51820
    addresses: ["2001:db8:1200:ff::1/64"]
    key: "{{ vault_wireguard_key }}"
    peers:
      - public_key: "{{ lab1_public_key }}"
        allowed: ["2001:db8:1200:ff::2/128", "2001:db8:1200:fe::/64"]
    forwarding: true

- name: Take a tunnel back
  ipv6.rollout.tunnel:
    name: tun6
    state: absent
"""

RETURN = r"""
name:
  description: The tunnel, and its interface.
  returned: success
  type: str
  sample: tun6
unit:
  description: The systemd unit that keeps the tunnel, empty where the back end does.
  returned: success
  type: str
  sample: openvpn-client@tun6.service
backend:
  description: What configures the network at boot, empty for OpenVPN, which needs none.
  returned: when O(state=present)
  type: str
  sample: networkd
addresses:
  description: The global IPv6 addresses that the tunnel's interface has now.
  returned: success
  type: list
  elements: str
  sample: ["2001:db8:1200:ff::10/64"]
up:
  description: Whether the interface has an address. For an OpenVPN client this means that the server has answered.
  returned: success
  type: bool
  sample: true
files:
  description: The files that were changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/openvpn/client/tun6.conf]
needs_package:
  description: The package that has to be installed first. Nothing was changed.
  returned: when the host lacks it
  type: str
  sample: openvpn
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel, tunnel_apply, tunnel_values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

CLIENT = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "routed": {"type": "list", "elements": "str", "default": []},
}
PEER = {
    "public_key": {"type": "str", "required": True, "no_log": False},
    "endpoint": {"type": "str"},
    "allowed": {"type": "list", "elements": "str", "required": True},
    "preshared_key": {"type": "str", "no_log": True},
    "keepalive": {"type": "int"},
}


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "kind": {"type": "str", "choices": ["openvpn", "6in4", "wireguard"], "default": "openvpn"},
            "name": {"type": "str", "default": "tun6"},
            "role": {"type": "str", "choices": ["server", "client"]},
            "local": {"type": "str"},
            "remote": {"type": "str"},
            "port": {"type": "int"},
            "proto": {"type": "str", "choices": ["udp", "udp4", "udp6"]},
            "network": {"type": "str"},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "routes": {"type": "list", "elements": "str", "default": []},
            "clients": {"type": "list", "elements": "dict", "default": [], "options": CLIENT},
            "peers": {"type": "list", "elements": "dict", "default": [], "options": PEER},
            "server_name": {"type": "str"},
            "ca": {"type": "str"},
            "certificate": {"type": "str"},
            "key": {"type": "str", "no_log": True},
            "key_file": {"type": "path", "no_log": False},
            "tls_crypt": {"type": "str", "no_log": True},
            "mtu": {"type": "int"},
            "forwarding": {"type": "bool", "default": False},
            "backend": {
                "type": "str",
                "choices": ["auto", "ifupdown", "networkd", "netplan", "networkmanager"],
                "default": "auto",
            },
            "lockout": {"type": "str", "choices": ["refuse", "allow"], "default": "refuse"},
            "wait": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    given = module.params
    really = not module.check_mode
    try:
        if given["state"] == "absent":
            outcome = tunnel_apply.absent(tunnel_values.interface_name(given["name"]), really)
        else:
            outcome = tunnel_apply.present(
                tunnel.wanted(given), given["backend"], given["wait"], really, given["lockout"]
            )
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"tunnel: {error}")
    for text in outcome.warnings:
        module.warn(text)
    result = {
        "changed": outcome.changed,
        "name": outcome.name,
        "unit": outcome.unit,
        "backend": outcome.backend,
        "addresses": outcome.addresses,
        "up": outcome.up,
        "files": outcome.paths,
        "diff": outcome.diff,
    }
    if outcome.needs_package:
        result["needs_package"] = outcome.needs_package
    module.exit_json(**result)


if __name__ == "__main__":
    main()
