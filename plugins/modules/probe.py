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
  - Each check is pinned to one family. Nothing falls back from IPv6 to IPv4, since that would hide what is broken. Only
    the kind V(race) does so, because a client that falls back is what it is about.
  - A check that fails is a result and no error, so that one call proves all; look at C(failed_checks).
  - Whatever a server sends is read within a time and a size, and is told as plain text. 64 checks go on at a time.
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
          - What to do. What each kind tells beside its verdict is in RV(proofs[].seen).
          - V(tcp) only connects.
          - V(tls) makes a TLS handshake for the name O(checks[].host). With O(checks[].expect=closed), the server must
            refuse the name.
          - V(http) and V(https) get the page O(checks[].path), which must not be an error of the server. Up to five
            redirects on the same host are followed, at the same address. They never decide the verdict.
          - V(transfer) gets a page to its end in segments that fit a hop of O(checks[].mtu); TLS is spoken on port 443.
          - V(smtp) reads the greeting, says EHLO, and with O(checks[].starttls) begins TLS.
          - V(relay) offers a mail from a stranger to a stranger, which must be refused. It never sends a mail.
          - V(dns) asks for a SOA record over UDP and TCP and wants an authoritative answer. With O(checks[].query) it
            sends that message, and any answer to it will do.
          - V(ping) sends an echo request.
          - V(reverse) makes no connection. It looks whether the address has a PTR record whose name has the address.
          - V(ports) tries each of O(checks[].ports), and tells which are open, closed (refused) or silent.
          - V(race) tries O(checks[].addresses) one after the other, 250 ms apart, and keeps the first that answers, as
            a client with both families does (RFC 8305).
          - V(mtu) asks for an echo reply of 1500 octets, tells the host by a packet too big message that only
            O(checks[].mtu) octets pass, and looks whether the next reply comes in pieces that fit (RFC 8201). The host
            remembers that for some minutes, for the lab machine alone. It needs root.
          - V(extension) sends echo requests in valid fragments, which must be answered, and with what RFC 5095, RFC
            5722, RFC 7112 and RFC 8200 forbid, which must not. It needs root.
          - V(ra) asks for router advertisements on O(checks[].interface), listens for the whole O(checks[].timeout),
            and tells who answered. It needs root.
        type: str
        choices: [tcp, tls, http, https, transfer, smtp, relay, dns, ping, reverse, ports, race, mtu, extension, ra]
        required: true
      family:
        description: The address family. The kinds V(mtu), V(extension) and V(ra) are about IPv6 alone.
        type: str
        choices: [ipv4, ipv6]
        required: true
      address:
        description: The address to connect to. It must belong to the family; an IPv4-mapped IPv6 address does not.
        type: str
      name:
        description:
          - A name that must resolve to O(checks[].address) on the machine where this runs.
          - Without an address, every address of the family that the name has is connected to.
        type: str
      addresses:
        description: With O(checks[].kind=race), the addresses of both families in the order in which they are tried.
        type: list
        elements: str
      port:
        description: The port.
        type: int
      ports:
        description: With O(checks[].kind=ports), the ports to try. At most 256 are waited for at a time.
        type: list
        elements: int
      source:
        description: The local address to connect from.
        type: str
      host:
        description:
          - The C(Host) header of HTTP, the server name of TLS, or the name that is asked for with V(dns).
          - An IPv6 address stands in brackets.
        type: str
      path:
        description: The path of the page, with V(http), V(https) and V(transfer).
        type: str
        default: /
      agent:
        description: The C(User-Agent) header. Without it none is sent.
        type: str
      says:
        description: Text that the page must contain, the name that the SMTP greeting must begin with, or the PTR name.
        type: str
      starttls:
        description: With O(checks[].kind=smtp), whether TLS must be offered and work.
        type: bool
        default: false
      sender:
        description: With O(checks[].kind=relay), the sender.
        type: str
        default: probe@example.net
      recipient:
        description: With O(checks[].kind=relay), the recipient, whose mail the server must not be responsible for.
        type: str
        default: probe@example.org
      query:
        description: With O(checks[].kind=dns), the message to send, as base64 of its wire form.
        type: str
      protocol:
        description: With O(checks[].query), over what it is sent. With V(both), both must bring an answer.
        type: str
        choices: [udp, tcp, both]
        default: both
      mtu:
        description: With O(checks[].kind=mtu) and O(checks[].kind=transfer), the size that passes, 1280 to 1500.
        type: int
        default: 1280
      interface:
        description: With O(checks[].kind=ra), where to listen. The default is the interface of the IPv6 default route.
        type: str
      expect:
        description:
          - Whether the port must be reachable (V(open)) or must not be (V(closed)). The latter is for V(tcp), V(tls),
            V(http), V(https), V(transfer), V(smtp), V(dns) and V(ping), and never proved where there is no route.
        type: str
        choices: [open, closed]
        default: open
      timeout:
        description: Seconds to wait for each step (a connection, a handshake, an answer), up to 600.
        type: float
        default: 5.0
  patience:
    description: Seconds for which a check that does not come out as expected is tried again, up to 3600.
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

- name: See that a mail server offers TLS and relays for nobody, and that big packets get through
  ipv6.rollout.probe:
    checks:
      - {id: tls6, kind: smtp, family: ipv6, address: "2001:db8:1200::25", port: 25, starttls: true}
      - {id: relay6, kind: relay, family: ipv6, address: "2001:db8:1200::25", port: 25}
      - {id: mtu6, kind: mtu, family: ipv6, address: "2001:db8:1200::25", mtu: 1280}
      - {id: open6, kind: ports, family: ipv6, address: "2001:db8:1200::25", ports: [22, 25, 80, 443], timeout: 2}
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
    seen:
      description:
        - What was seen in parts. A check that failed tells what came before it failed, so that any key may be missing.
        - Where this machine can't make the probe at all, it holds nothing but RV(proofs[].seen.problem).
      type: dict
      contains:
        problem:
          description: What this machine lacks for the probe (a right, a program, a route). Nothing is proved by that.
          type: str
        family:
          description: The family of the socket that was really connected. It is missing where no connection came about.
          type: str
        mss:
          description:
            - For V(tcp) and V(transfer), the largest TCP segment that is sent to the server, without TCP options.
            - It is the smaller one of what the server announced and what the route allows, and compares with a path
              MTU less 60 (less 40 with IPv4).
          type: int
        certificate:
          description: For V(tls), V(https) and V(smtp) with TLS, the server's certificate as base64 of its DER form.
          type: str
        version:
          description: For V(tls) and V(smtp) with TLS, the version. V(tls) has C(alpn) too, as the server chose.
          type: str
        status:
          description: For V(http), V(https) and V(transfer), the status of the last answer. C(reason) is its words.
          type: int
        location:
          description: For V(http) and V(https), the C(Location) header of the last answer.
          type: str
        final:
          description: For V(http) and V(https), the URL of the last answer, after redirects on the same host.
          type: str
        redirect_problem:
          description: For V(http) and V(https), why a redirect could not be followed.
          type: str
        headers:
          description: For V(http) and V(https), the first 40 headers of the last answer by lower-case name.
          type: dict
        lines:
          description:
            - For V(http) and V(https), a short hash of each line of the last page, at most 4000, of the first 256 KiB.
            - Tokens, times, long numbers, and the names and addresses of both ends are left out before, so that the
              lists of both families are equal where the pages are.
          type: list
          elements: str
        octets:
          description: For V(http) and V(https), the size of the last page up to 256 KiB; for V(transfer), all of it.
          type: int
        first_byte:
          description: For V(http) and V(https), seconds from the request to the first answer, and one round trip more.
          type: float
        seconds:
          description: For V(transfer) and V(race), how long it took.
          type: float
        complete:
          description: For V(transfer), whether everything came.
          type: bool
        greeting:
          description: For V(smtp) and V(relay), the first line.
          type: str
        name:
          description: For V(smtp) and V(relay), the name in the greeting; for V(reverse), the name of the PTR record.
          type: str
        extensions:
          description: For V(smtp) and V(relay), what the server offers.
          type: list
          elements: str
        reply:
          description: For V(relay), the reply that decided. C(code) is its number.
          type: str
        udp:
          description:
            - For V(dns) with a query, the answer over UDP as base64, or empty. C(tcp) is the same for TCP.
            - C(udp_problem) and C(tcp_problem) say why there is none, or are empty.
          type: str
        open:
          description:
            - For V(ports), those that take connections. C(closed) are those that refuse them, by the host or by a rule
              that rejects. C(silent) are those from which no answer came in time.
          type: list
          elements: int
        winner:
          description: For V(race), the address that answered first.
          type: str
        within_300ms:
          description: For V(race), whether the connection to the winner began within 300 ms.
          type: bool
        before:
          description:
            - For V(mtu), the largest packet of the reply at first, with its IPv6 header, or 0. C(after) is the same
              after the packet too big message.
            - C(replied_before) and C(replied_after) tell whether a reply came.
          type: int
        echo:
          description:
            - For V(extension), what became of a plain echo request. It is C(answered), C(refused) (by an ICMPv6 error),
              C(silent), or C(problem) with words. Where it is not answered, the others prove nothing.
            - C(valid_fragments) is the same for a request in two fragments, which must be answered.
            - These must not be answered. C(routing_header_0) has a routing header of type 0 (RFC 5095). C(overlapping)
              comes in fragments that overlap (RFC 5722). C(tiny_first) has a first fragment that lacks headers (RFC
              7112). C(unknown_header) stands behind a header that nobody knows (RFC 8200).
          type: str
        interface:
          description: For V(ra), where was listened.
          type: str
        routers:
          description: For V(ra), what each router announces, sorted by address.
          type: list
          elements: dict
          contains:
            address:
              description: The link-local address.
              type: str
            lifetime:
              description: For how many seconds it is a default router; 0 where it is none.
              type: int
            managed:
              description: The flag for addresses by DHCPv6.
              type: bool
            other:
              description: The flag for other settings by DHCPv6.
              type: bool
            mtu:
              description: The MTU of the link, or 0.
              type: int
            prefixes:
              description: The prefixes of the link.
              type: list
              elements: str
            pref64:
              description: The NAT64 prefix (RFC 8781), or empty.
              type: str
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
                    "kind": {"type": "str", "choices": list(probe.KINDS), "required": True},
                    "family": {"type": "str", "choices": ["ipv4", "ipv6"], "required": True},
                    "address": {"type": "str"},
                    "name": {"type": "str"},
                    "addresses": {"type": "list", "elements": "str"},
                    "port": {"type": "int"},
                    "ports": {"type": "list", "elements": "int"},
                    "source": {"type": "str"},
                    "host": {"type": "str"},
                    "path": {"type": "str", "default": "/"},
                    "agent": {"type": "str"},
                    "says": {"type": "str"},
                    "starttls": {"type": "bool", "default": False},
                    "sender": {"type": "str", "default": "probe@example.net"},
                    "recipient": {"type": "str", "default": "probe@example.org"},
                    "query": {"type": "str"},
                    "protocol": {"type": "str", "choices": ["udp", "tcp", "both"], "default": "both"},
                    "mtu": {"type": "int", "default": 1280},
                    "interface": {"type": "str"},
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
