#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postfix
short_description: Set parameters, tables and services of Postfix, checked before they are live
version_added: "0.1.0"
description:
  - Sets parameters in C(main.cf), writes lookup tables, and sets what services in C(master.cf) override, all in one
    call. Every other byte of the files stays as it is.
  - The new files are checked first as a copy of the whole configuration directory (C(postfix check), unknown
    parameters, the syntax of C(mynetworks), which C(postfix check) does not look at, and C(postmap) for the tables).
    What Postfix refuses is never live.
  - Postfix is restarted only for a parameter that it reads only at its start, such as C(inet_protocols) and
    C(inet_interfaces), and reloaded for all else. Afterwards the module waits until the master listens. Where it does
    not within ten seconds, the old files come back, Postfix is restarted with them, and the module fails.
  - A reload does not open or close sockets for another C(inet_protocols). Where C(main.cf) is right and the running
    master still listens as before, the module restarts it, and this counts as a change.
  - The mail queue is never touched, so another C(queue_directory) is refused. Where Postfix does not run, it is not
    started.
  - Where a run was stopped after it had written the files, and before Postfix had read them, the next one reloads
    Postfix, and this counts as a change.
  - Where Postfix is not installed, the module says so in RV(needs_package), with what it would set, and changes
    nothing.
options:
  state:
    description:
      - V(present) sets what is given.
      - V(absent) gives all files back as they were before the first change, and removes the tables that were not there.
        Where somebody has edited a file since, only what this module set goes back to its former value, with a
        warning that says so.
    type: str
    choices: [present, absent]
    default: present
  parameters:
    description:
      - The parameters with their values. A list is joined with commas, true and false become C(yes) and C(no).
      - A parameter that is no longer named here keeps its value until O(state=absent).
      - The values of C(inet_protocols), C(inet_interfaces), C(mynetworks) and the like are compared as lists, so
        C(ipv4, ipv6) is C(all).
      - C(mynetworks) wants IPv6 in brackets, C([2001:db8::]/64). O(trusted_networks) does that by itself. A prefix that
        is everybody, or nearly, is refused in both (shorter than /8 for IPv4, than /16 for IPv6).
    type: dict
    default: {}
  trusted_networks:
    description:
      - Prefixes whose hosts may send mail through this one, of both families, without brackets. They are written as
        C(mynetworks), behind the host itself (C(127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128)).
      - Empty leaves C(mynetworks) alone.
    type: list
    elements: raw
    default: []
  allow_ipv6_only:
    description:
      - Whether C(inet_protocols) may be C(ipv6). Mail to a host without an IPv6 address bounces then, it does not wait,
        unless a relay host or NAT64 takes it. Nothing of that can be seen from the host.
    type: bool
    default: false
  tables:
    description:
      - Lookup tables, files in O(config_directory). They are in place, with their index, before a parameter names them.
      - Refer to one as RV(tables) says, for instance C(check_client_access hash:/etc/postfix/clients).
      - An IPv6 address as a key is written as Postfix looks for it (RFC 5952, without brackets). A key that Postfix
        would never find is refused, such as a prefix in a C(hash) table, or host bits in a C(cidr) table.
      - Everybody on the host can read them, so they are no place for passwords. A file of that name that not everybody
        may read is not shown in a diff, and keeps its permissions.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the file, without a folder.
        type: str
        required: true
      type:
        description: The type of the table. V(cidr), V(texthash), V(regexp) and V(pcre) have no index.
        type: str
        choices: [hash, btree, lmdb, cdb, cidr, texthash, regexp, pcre]
        default: hash
      entries:
        description: The keys with their values, in the order in which they are to be looked at.
        type: dict
        default: {}
  services:
    description:
      - The parameters that services of C(master.cf) override, by the first two fields of the service, as
        C(postconf -P) has it. V(null) takes an override out.
    type: dict
    default: {}
  master:
    description:
      - Whole services of C(master.cf), by their first two fields, each as one line.
    type: dict
    default: {}
  sending:
    description:
      - Whether mail may leave over IPv6. Where it may not, the services that send (those that run C(smtp)) get
        C(-o inet_protocols=ipv4), and mail is received over both families all the same. A service with an
        C(inet_protocols) of its own in C(master.cf), or by O(services) or O(master), keeps it, with a warning where
        that is not what was decided.
      - Where it may, C(smtp_bind_address6) is the address, and C(smtp_bind_address_enforce) is C(yes), so that no mail
        ever leaves from another address.
      - Without this option neither is set.
    type: dict
    suboptions:
      mode:
        description:
          - V(confirmed) wants all of this, which is what receivers look at. The PTR record of the address leads to a
            name that has the address as AAAA record. Postfix says this name at HELO. The SPF record of each of the
            domains, and of that name where it has one, lets the address send.
          - The DNS is asked by the controller. Where a name server does not answer, what was confirmed before goes on.
          - V(always) does not look, V(never) sends over IPv4 only.
        type: str
        choices: [confirmed, always, never]
        default: confirmed
      address:
        description: The IPv6 address to send from. C(smtp_bind_address6) in O(parameters) wins, and is confirmed then.
        type: str
        default: ""
      domains:
        description: The domains that this host sends mail for.
        type: list
        elements: str
        default: []
      dns:
        description:
          - C(server) and C(port) of the site's name server, which is asked first. What it is not responsible for,
            and everything where no server is given, the controller's resolver is asked.
        type: dict
        default: {}
      records:
        description: What the DNS says. The controller fills this in; what is written here is not used.
        type: dict
        default: {}
  config_directory:
    description: The directory with C(main.cf) and C(master.cf).
    type: path
    default: /etc/postfix
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns the lines that change in C(main.cf), C(master.cf) and the tables.
    support: full
  platform:
    description: Debian 12 and 13.
    support: full
    platforms: debian
requirements:
  - dnspython on the controller, for O(sending)
notes:
  - C(hash) is what Debian's Postfix has. Where it has no C(hash) any more, the module says which types there are.
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Take mail over both families, and send over IPv6 once the DNS is right
  ipv6.rollout.postfix:
    parameters:
      inet_protocols: all
    sending:
      address: "2001:db8:1200:25::25"
      domains: [example.com]
      dns: {server: 192.0.2.53}

- name: Let one's own prefixes send, and keep a neighbour out
  ipv6.rollout.postfix:
    trusted_networks: ["192.0.2.0/24", "2001:db8:1200::/48"]
    parameters:
      smtpd_client_restrictions: check_client_access cidr:/etc/postfix/clients
    tables:
      - name: clients
        type: cidr
        entries:
          "2001:db8:bad::/48": REJECT
          "2001:db8::/32": DUNNO

- name: Send over IPv4 only, and receive over both
  ipv6.rollout.postfix:
    services:
      smtp/unix: {inet_protocols: ipv4}
      relay/unix: {inet_protocols: ipv4}

- name: Give everything back
  ipv6.rollout.postfix:
    state: absent
"""

RETURN = r"""
parameters:
  description: The parameters that change, with the value before and after (null for one that is not in C(main.cf)).
  returned: success
  type: dict
  sample: {inet_protocols: {before: ipv4, after: all}}
services:
  description:
    - The overrides that change, by service and parameter, with the value before and after. A whole service that
      changes has an empty parameter, and the line before and after as its values.
  returned: success
  type: dict
  sample: {"smtp/unix": {"inet_protocols": {"before": null, "after": "ipv4"}}}
tables:
  description: The tables of O(tables), by name, with C(map) as a parameter names it, and C(changed).
  returned: success
  type: dict
  sample: {clients: {map: "cidr:/etc/postfix/clients", changed: true}}
sending:
  description:
    - What was decided of O(sending), with C(mode), C(ipv6) (whether mail leaves over IPv6), C(address), and C(why),
      the list of what is missing. Empty where O(sending) is not given.
  returned: success
  type: dict
  sample: {mode: confirmed, ipv6: true, address: "2001:db8:1200:25::25", why: []}
needs_package:
  description: The package that is missing. Nothing was changed.
  returned: when Postfix is not installed
  type: str
  sample: postfix
restarted:
  description: Whether Postfix was restarted, or in check mode would be.
  returned: success
  type: bool
  sample: true
reloaded:
  description: Whether Postfix was reloaded, or in check mode would be.
  returned: success
  type: bool
  sample: false
running:
  description: Whether Postfix was running when the module looked.
  returned: success
  type: bool
  sample: true
listening:
  description: The TCP sockets that the master listens on, or in check mode would. Empty where Postfix is not installed.
  returned: success
  type: list
  elements: str
  sample: ["0.0.0.0:25", "[::]:25"]
"""

import difflib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import mail_sending, mail_tables, postfix, postfix_back
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

TABLE = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": list(mail_tables.TYPES), "default": "hash"},
    "entries": {"type": "dict", "default": {}},
}
SENDING = {
    "mode": {"type": "str", "choices": list(mail_sending.MODES), "default": "confirmed"},
    "address": {"type": "str", "default": ""},
    "domains": {"type": "list", "elements": "str", "default": []},
    "dns": {"type": "dict", "default": {}},
    "records": {"type": "dict", "default": {}},
}


def difference(texts):
    """Return what changes, file by file."""
    found = []
    for path, (before, after) in texts.items():
        found += difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"before: {path}", f"after: {path}", lineterm=""
        )
    return "\n".join(found) + "\n"


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "parameters": {"type": "dict", "default": {}},
            "trusted_networks": {"type": "list", "elements": "raw", "default": []},
            "allow_ipv6_only": {"type": "bool", "default": False},
            "tables": {"type": "list", "elements": "dict", "default": [], "options": TABLE},
            "services": {"type": "dict", "default": {}},
            "master": {"type": "dict", "default": {}},
            "sending": {"type": "dict", "options": SENDING},
            "config_directory": {"type": "path", "default": "/etc/postfix"},
        },
        supports_check_mode=True,
    )
    directory = module.params["config_directory"].rstrip("/")
    really = not module.check_mode
    try:
        if module.params["state"] == "absent":
            outcome = postfix_back.absent(directory, really)
        else:
            outcome = postfix.present(module.params, directory, really)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"postfix: {error}")
    for text in outcome.warnings:
        module.warn(text)
    result = {
        "changed": outcome.changed,
        "parameters": outcome.parameters,
        "services": outcome.services,
        "tables": outcome.tables,
        "sending": outcome.sending,
        "restarted": outcome.restarted,
        "reloaded": outcome.reloaded,
        "running": outcome.running,
        "listening": outcome.listening,
    }
    if outcome.needs_package:
        result["needs_package"] = outcome.needs_package
    if outcome.texts:
        result["diff"] = {"prepared": difference(outcome.texts)}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
