#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: v4_proxy
short_description: Let IPv4 clients reach IPv6-only hosts by name, through HAProxy
version_added: "0.1.0"
description:
  - Runs an HAProxy that takes connections of IPv4 clients, and of IPv6 clients where wanted, and passes each on to the
    host that serves the name. HTTP goes by the C(Host) header, TLS by the server name in the client's first message.
    TLS is not decrypted, and the proxy has no certificate.
  - Names that nobody serves are refused. HTTP gets status 421, and a TLS connection is closed. A connection only ever
    goes to a host and port that was named, so this is never an open proxy.
  - The proxy is a unit of its own, C(ipv6-rollout-v4-proxy.service). C(/etc/haproxy/haproxy.cfg) and C(haproxy.service)
    are left alone. A port that another program holds is refused before anything is touched.
  - Another name for a host that is served already restarts nothing, and reloads nothing. It goes into a map that the
    running HAProxy takes as a whole. Another host, port or forward is a reload, which established connections outlive.
  - The configuration is tried out as a copy first. Afterwards the module waits until the new process listens as it
    should. Where it does not within 15 seconds, the old files come back, and HAProxy runs with them.
options:
  state:
    description: V(absent) stops the proxy, and gives back what was there before it.
    type: str
    choices: [present, absent]
    default: present
  addresses:
    description:
      - The addresses that clients come to, of either family. V(0.0.0.0) and V(::) stand for all of one family.
      - An IPv6 address never takes IPv4 clients too, whatever C(net.ipv6.bindv6only) says.
    type: list
    elements: str
    default: ["0.0.0.0"]
  hosts:
    description:
      - The hosts behind the proxy, by name. P(ipv6.rollout.v4_proxy_hosts#filter) makes this from the inventory and the
        plan.
      - C(address) is the IPv6 address of the host. C(backend) is the one that the names lead to, where that is another.
      - C(names) are the names that lead to it. C(*.example.com) stands for all names with one label more.
      - C(ports) are the ports on which they do. Each is a number, or a dictionary of C(port), C(to) (the port of the
        host, by default the same), C(mode) (C(http) or C(tls), by default C(http) on port 80 only) and
        C(proxy_protocol) (C(none), C(v1) or C(v2), by default C(none)).
      - C(forward) is a port that leads to port 22 of the host, whatever the name.
    type: dict
    default: {}
  check:
    description: Whether HAProxy connects to every host and port every 10 seconds, and refuses at once where it is down.
    type: bool
    default: false
  maxconn:
    description:
      - How many connections of clients there may be at a time.
      - Where a process may not have that many open files, as in many containers, it is fewer, and there is a warning.
    type: int
    default: 4096
  idle:
    description: After how many seconds without a byte a TLS connection is closed. IMAP clients need 30 minutes.
    type: int
    default: 2100
  forward_idle:
    description: The same for forwarded connections.
    type: int
    default: 86400
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns the files and the unit before and after.
    support: full
  platform:
    description: Debian 12 and 13.
    support: full
    platforms: debian
notes:
  - Where C(haproxy) is missing, nothing is changed, and the result has RV(needs_package).
  - A connection that is there when the configuration is read again keeps its host for 24 hours at most.
  - Where C(haproxy) was updated, the next run reloads, and the new program takes over.
  - HTTP requests get C(X-Forwarded-For) with the address of the client. What the client wrote there is replaced.
author:
  - ipv6.rollout contributors (@ipv6-rollout)
seealso:
  - plugin: ipv6.rollout.v4_proxy_hosts
    plugin_type: filter
    description: Says who is behind the proxy.
  - plugin: ipv6.rollout.v4_proxy_records
    plugin_type: filter
    description: Says which DNS records the names need.
"""

EXAMPLES = r"""
- name: Two hosts behind one address
  ipv6.rollout.v4_proxy:
    addresses: [192.0.2.10]
    hosts:
      www1:
        address: "2001:db8:1200::80"
        names: [www.example.com]
        ports: [80, {port: 443, to: 8443, proxy_protocol: v2}]
        forward: 22001
      mail1:
        address: "2001:db8:1200:25::160"
        names: [mail.example.com]
        ports: [465, 587, 993, 995]
        forward: 22002

- name: Take the proxy away
  ipv6.rollout.v4_proxy:
    state: absent
"""

RETURN = r"""
how:
  description:
    - What was done to HAProxy, or in check mode would be. V(none), V(map) (names replaced in memory), V(reload),
      V(restart), V(start) or V(stop).
  returned: success
  type: str
  sample: map
names:
  description: How many names there are in the map, each counted once for every port.
  returned: success
  type: int
  sample: 6
listening:
  description: The TCP sockets that the proxy listens on, or in check mode would.
  returned: success
  type: list
  elements: str
  sample: ["192.0.2.10:80", "192.0.2.10:443"]
unit:
  description: The unit of systemd.
  returned: success
  type: str
  sample: ipv6-rollout-v4-proxy.service
files:
  description: The files that were changed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/haproxy/ipv6-rollout-v4-proxy.map]
needs_package:
  description: The package that has to be installed first.
  returned: when it is missing
  type: str
  sample: haproxy
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy, v4_proxy_texts, v4_proxy_values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "addresses": {"type": "list", "elements": "str", "default": ["0.0.0.0"]},
            "hosts": {"type": "dict", "default": {}},
            "check": {"type": "bool", "default": False},
            "maxconn": {"type": "int", "default": 4096},
            "idle": {"type": "int", "default": 2100},
            "forward_idle": {"type": "int", "default": 86400},
        },
        supports_check_mode=True,
    )
    really = not module.check_mode
    try:
        if module.params["state"] == "absent":
            outcome = v4_proxy.absent(really)
        else:
            outcome = v4_proxy.present(v4_proxy_values.wish(module.params), really)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"v4_proxy: {error}")
    for text in outcome.warnings:
        module.warn(text)
    result = {
        "changed": outcome.changed,
        "how": outcome.how,
        "names": outcome.names,
        "listening": outcome.listening,
        "unit": v4_proxy_texts.UNIT,
        "files": outcome.paths,
        "diff": outcome.diff,
    }
    if outcome.needs_package:
        result["needs_package"] = outcome.needs_package
    module.exit_json(**result)


if __name__ == "__main__":
    main()
