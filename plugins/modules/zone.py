#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: zone
short_description: Keep forward and reverse zones as files of a name server
version_added: "0.1.0"
author:
  - ipv6.rollout contributors (@ipv6-rollout)
description:
  - Writes zone files of BIND 9, NSD or Knot DNS on the managed host, which is the primary name server of the zones.
  - Compares the wanted records with the file first. Where nothing differs, no file is written and the serial stays.
  - A file that people wrote stays theirs. New records go into one block between two marked lines, a record that stands
    elsewhere is changed where it stands, and all other lines, comments too, stay as they are.
  - The new file is read by the server's own checker before it is put in place, and loaded without a stop of the server.
    Then the server is asked for the serial that it serves. Where that fails, the old file of this zone is put back, the
    zones before it are done, and those behind it are not touched.
  - A file that is newer than what is served is loaded, even where nothing in it has to change.
  - A zone that the server does not have yet is made and declared. The declarations are in a file of their own, which
    one line includes.
notes:
  - A zone that takes dynamic updates, or that the server has as a secondary, is refused. For the first there is
    M(ipv6.rollout.dns_records).
  - "The serial never goes backwards. With O(serial=date) it is the date and two digits, 2026112100 for the first change
    of a day. The change after 2026112199 gets 2026112200: it counts on into the numbers of the next day, and the next
    day's own changes go on from there."
  - A zone that was taken away and is made again begins anew; its secondaries have to forget it before.
  - A file with the serial that is served, or a lower one, is taken for the one that is served.
  - Where somebody else changed a file between the comparison and the write, nothing is written, and the task fails.
  - Reverse zones are loaded before forward zones, since an address needs its PTR record before it is used. With
    O(state=absent) it is the other way round.
  - C($INCLUDE) and BIND's C($GENERATE) are followed, but a record that comes from one of them cannot be changed.
requirements:
  - dnspython on the controller
  - on the managed host the name server with its checker (C(named-checkzone), C(nsd-checkzone), C(kzonecheck) or
    C(knotc))
options:
  server:
    description: The software of the name server.
    type: str
    choices: [bind, nsd, knot]
    default: bind
  config:
    description:
      - The main configuration file of the server. Empty means Debian's, which is V(/etc/bind/named.conf),
        V(/etc/nsd/nsd.conf) or V(/etc/knot/knot.conf).
    type: str
    default: ""
  zones:
    description:
      - The zones. A plain text is taken for the C(name).
      - Without any, the records go into the zones that the server's configuration has for them. No zone is made then,
        and O(purge) and O(foreign) mean nothing.
    type: raw
    default: []
    suboptions:
      name:
        description: The name of a zone, or a prefix, which stands for all the reverse zones that it takes.
        type: str
        required: true
      file:
        description:
          - The zone file. Without it, it is the one that the configuration names; a new zone gets one in the folder
            C(ipv6-rollout) beside the configuration.
        type: str
      view:
        description: The view of BIND that the zone is in, where it is in several.
        type: str
      ns:
        description: The name servers of the zone. A new zone needs them. Given, the zone has exactly these.
        type: list
        elements: str
      soa:
        description:
          - Fields of the SOA record, C(mname), C(rname), C(refresh), C(retry), C(expire) and C(minimum).
          - A new zone has the first of its name servers for C(mname), and C(hostmaster) at the domain of that server.
        type: dict
      ttl:
        description: The default TTL of a new zone.
        type: int
        default: 3600
      wildcard:
        description:
          - Only for reverse zones. The name that every address without a PTR record of its own points to.
          - An explicit record hides a wildcard for its whole branch (RFC 4592), so further wildcards are written at
            each level on the way to it.
          - A wildcard can never be forward-confirmed (RFC 8501, section 2.2). Mail servers refuse such addresses.
        type: str
  records:
    description:
      - The records, as the filter P(ipv6.rollout.ptr_records#filter) gives them, or of any other type. Each belongs to
        the longest of the zones that its name is in.
    type: raw
    default: []
    suboptions:
      name:
        description: The name of the record. It is always absolute, with or without the final dot.
        type: str
        required: true
      type:
        description: The type, such as V(AAAA) or V(PTR).
        type: str
        required: true
      data:
        description: The data as in a zone file; names in it are absolute. V(TXT) may be plain text.
        type: str
        required: true
      ttl:
        description:
          - The TTL in seconds. Without it an AAAA RRset takes the TTL of the A RRset of the same name. Any other takes
            the TTL that the RRset has, or O(default_ttl).
        type: int
      fallback:
        description: As in M(ipv6.rollout.dns_records).
        type: str
  spf:
    description: Changes to SPF policies, as in M(ipv6.rollout.dns_records).
    type: raw
    default: []
  state:
    description:
      - V(present) has the zones hold the records.
      - V(absent) with O(records) or O(spf) takes out exactly these. The zones of O(zones) that this module made go with
        the last record in all of them.
      - V(absent) without them takes out all that this module wrote, and removes the zones that it made, unless others
        have put records there. A file that was there before is then what it was, but for the serial, which only moves
        forward, and for lines of others that were changed, such as an SPF policy. Name these with V(absent) first.
    type: str
    choices: [present, absent]
    default: present
  exclusive:
    description: Each RRset that O(records) names is to hold the given data and nothing else.
    type: bool
    default: false
  default_ttl:
    description: The TTL of an RRset that is new and has no TTL from elsewhere.
    type: int
    default: 3600
  foreign:
    description:
      - What becomes of records that others have put there and that O(records) does not name.
      - V(keep) leaves them. V(remove) takes them out, delegations and glue too, but for the SOA record and the name
        servers of the zone. V(refuse) fails.
    type: str
    choices: [keep, remove, refuse]
    default: keep
  purge:
    description:
      - Whether records that this module wrote earlier, and that O(records) no longer names, are taken out.
      - Only for a task that names all records of its zones. O(foreign=remove) takes them out as well.
    type: bool
    default: false
  serial:
    description: How the serial number moves when the content does. It is never less than the one that is served.
    type: str
    choices: [date, epoch, counter]
    default: date
  step:
    description: Set by the action plugin.
    type: str
    choices: [read, write]
  names:
    description: Set by the action plugin.
    type: list
    elements: str
    default: []
  jobs:
    description: Set by the action plugin.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    description: Compares, and has the new files checked in a temporary folder.
    support: full
  diff_mode:
    description: Shows the changed RRsets zone by zone.
    support: full
"""

EXAMPLES = r"""
- name: Make the reverse zone of a /48, with the PTR records of its hosts
  ipv6.rollout.zone:
    zones:
      - name: 2001:db8:1200::/48
        ns: [ns1.example.com, ns2.example.com]
    records: "{{ [{'name': 'www.example.com', 'address': '2001:db8:1200::80'}]
      | ipv6.rollout.ptr_records(zones=['2001:db8:1200::/48']) }}"

- name: Put AAAA records into the zone file that people keep by hand
  ipv6.rollout.zone:
    zones: [example.com]
    records:
      - {name: www.example.com, type: AAAA, data: "2001:db8:1200::80"}
    spf:
      - {name: example.com, ip6: ["2001:db8:1200::25"]}

- name: A zone on Knot DNS that holds what is written here, and nothing else
  ipv6.rollout.zone:
    server: knot
    foreign: remove
    zones:
      - {name: example.net, ns: [ns1.example.com]}
    records:
      - {name: example.net, type: MX, data: 10 mail1.example.com}
"""

RETURN = r"""
zones:
  description: The zone files that were written. In check mode, those that would be.
  returned: always, unless nothing could be compared
  type: list
  elements: dict
  contains:
    zone:
      description: The zone.
      type: str
    file:
      description: Its file.
      type: str
    serial:
      description: The new serial number, null for a zone that was removed.
      type: int
    added:
      description: New records, as lines of a zone file.
      type: list
      elements: str
    removed:
      description: Records that are gone, as lines of a zone file.
      type: list
      elements: str
  sample:
    - zone: example.com.
      file: /etc/bind/db.example.com
      serial: 2026112100
      added: ["www.example.com. 600 IN AAAA 2001:db8:1200::80"]
      removed: []
records:
  description: Every record of the RRsets that the task is about, as the files hold them in the end.
  returned: always, unless nothing could be compared
  type: list
  elements: dict
  sample:
    - {name: www.example.com., type: AAAA, ttl: 600, data: "2001:db8:1200::80"}
loaded:
  description: The zones that the server was seen to serve with the new serial. Empty where it cannot be told to load.
  returned: always, unless nothing could be compared
  type: list
  elements: str
  sample: [example.com.]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import zone_files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "server": {"type": "str", "choices": ["bind", "nsd", "knot"], "default": "bind"},
            "config": {"type": "str", "default": ""},
            "zones": {"type": "raw", "default": []},
            "records": {"type": "raw", "default": []},
            "spf": {"type": "raw", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "exclusive": {"type": "bool", "default": False},
            "default_ttl": {"type": "int", "default": 3600},
            "foreign": {"type": "str", "choices": ["keep", "remove", "refuse"], "default": "keep"},
            "purge": {"type": "bool", "default": False},
            "serial": {"type": "str", "choices": ["date", "epoch", "counter"], "default": "date"},
            "step": {"type": "str", "choices": ["read", "write"]},
            "names": {"type": "list", "elements": "str", "default": []},
            "jobs": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        server = zone_files.server(module.params["server"], module.params["config"])
        if module.params["step"] == "read":
            there = zone_files.read(server, module.params["zones"] or {}, module.params["names"])
            module.exit_json(changed=False, there=there)
        if module.params["step"] != "write":
            raise RolloutError("this module works through its action plugin only; call it as a task")
        jobs = [zone_files.Job(**job) for job in module.params["jobs"]]
        done = zone_files.write(server, jobs, not module.check_mode)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=str(error))
    result = {"changed": bool(done.done), "done": done.done, "loaded": done.loaded, "said": done.warnings}
    if done.error is not None:
        module.fail_json(msg=done.error, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
