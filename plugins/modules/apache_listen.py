#!/usr/bin/python
# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apache_listen
short_description: Choose the sockets that Apache listens on, and carry its sites over to IPv6
version_added: "0.1.0"
description:
  - Writes the C(Listen) lines of C(ports.conf), each in the block (such as C(<IfModule ssl_module>)) where its port
    stands now. Every other byte of the file stays as it is.
  - Adds the IPv6 counterparts to C(<VirtualHost 192.0.2.80:80>) and C(Require ip 192.0.2.0/24) where they stand, in the
    files that Apache reads. What has no known counterpart is reported, never guessed; where it shuts clients out, such
    as C(Require not ip), a warning says that it does not do so over IPv6.
  - Writes virtual hosts, and the PROXY protocol, into one drop-in, C(sites-available/zz-ipv6-rollout.conf).
  - All of it is tested first, in a copy of the whole configuration directory, by Apache itself. What that test does
    not find is looked at too, such as C(Listen 80) beside C(Listen [2001:db8::1]:80), or a port that another program
    holds. A configuration that Apache refuses already is named, and nothing is touched.
  - Another C(Listen) means one restart, since a graceful reload over a changed C(Listen) ends Apache. Everything else
    means one graceful reload, which no client notices; or a restart, where somebody else changed a file with a
    C(Listen) since Apache read it. After it the module looks at the sockets. Where they are not there within ten
    seconds, the old files come back, Apache is restarted with them, and the module fails.
  - Where the files are right and the running Apache listens on something else, Apache is restarted too, and this counts
    as a change. Where Apache does not run, it is not started.
options:
  state:
    description:
      - V(present) sets all that the other options say.
      - V(absent) gives every file back as it was before the first change. Where somebody has edited one since, only
        the lines that this module wrote go back, with a warning that says so.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - V(mapped) opens one socket a port, for clients of both families, C(Listen 80). IPv4 clients
        appear in logs and rules as plain IPv4. It is refused where Apache was built without IPv4-mapped addresses.
      - V(separate) opens a socket for each of O(addresses), of both families.
      - V(ipv6only) opens a socket for each of O(addresses), all of them IPv6. Apache has no wildcard for this.
      - V(ipv4) goes back to IPv4, on O(addresses) or on every IPv4 address. The sites say then what they said before.
    type: str
    choices: [mapped, separate, ipv6only, ipv4]
    default: mapped
  ports:
    description:
      - The ports.
      - Where the list is empty, every port that Apache listens on now with a wildcard, and every port that this module
        set before. A port that somebody put on an address of its own, such as V(127.0.0.1), is then left alone.
    type: list
    elements: int
    default: []
  addresses:
    description: The addresses to listen on, for the modes that want them. They must be on the host already.
    type: list
    elements: raw
    default: []
  ipv6_of:
    description:
      - By IPv4 address or prefix, its IPv6 counterpart, or a list of them. P(ipv6.rollout.plan_addresses#filter) makes
        it from the plan.
      - An address is looked up as it stands in the configuration. That its network is known says nothing of it.
      - V(127.0.0.1) and V(127.0.0.0/8) in C(Require ip) always have V(::1) as their counterpart, whatever this says.
      - What it does not name any more is taken out of the sites again, so it has to name the whole fleet each time.
    type: dict
    default: {}
  virtual_hosts:
    description:
      - Further virtual hosts, for files. One with TLS, or with more to say, is a site of your own.
    type: list
    elements: dict
    default: []
    suboptions:
      names:
        description: The names. The first is the C(ServerName).
        type: list
        elements: str
        required: true
      addresses:
        description: The addresses of both families that it is served on. Empty means a name-based one, on all of them.
        type: list
        elements: raw
        default: []
      port:
        description: The port. Apache must listen on it.
        type: int
        default: 80
      document_root:
        description: The folder with the files. It must be there.
        type: str
        required: true
      log:
        description: Its access log. Otherwise it is the common one.
        type: str
        default: ""
  proxy_protocol:
    description:
      - Takes the PROXY protocol (versions 1 and 2) on an address of its own, so that logs and rules see the clients of
        a proxy. Every name-based virtual host of the ports is served there too, and clients without the header are not.
    type: dict
    suboptions:
      address:
        description: An IPv6 address of this host that nothing else is served on.
        type: str
        required: true
      ports:
        description: The ports there. Empty means all that this module looks after.
        type: list
        elements: int
        default: []
      proxies:
        description:
          - IPv6 addresses and prefixes of the proxies. The header is read from nobody else, and others get C(403).
            The firewall should let nobody else in either.
        type: list
        elements: str
        required: true
      exceptions:
        description: IPv6 addresses and prefixes that speak without the header there, such as a health check.
        type: list
        elements: str
        default: []
  config_directory:
    description: The directory with C(apache2.conf) and C(ports.conf).
    type: path
    default: /etc/apache2
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns the lines that change, file by file.
    support: full
  platform:
    description: Debian 12 and 13.
    support: full
    platforms: debian
notes:
  - C(Listen) lines in other files are reported, and looked at for conflicts, but not edited.
  - The sysctl C(net.ipv6.bindv6only) changes nothing here, since Apache sets the option on each socket itself.
  - Where Apache is not installed, nothing is done but RV(needs_package) returned.
  - Files outside of what Apache reads at its start, such as C(.htaccess), are not looked at.
author:
  - ipv6.rollout contributors (@ipv6-rollout)
"""

EXAMPLES = r"""
- name: Serve both families on the ports that are open now
  ipv6.rollout.apache_listen:

- name: Listen on two addresses only
  ipv6.rollout.apache_listen:
    mode: separate
    ports: [80]
    addresses: [192.0.2.80, "2001:db8:1200::80"]

- name: Let virtual hosts and access lists know the fleet's IPv6 addresses
  ipv6.rollout.apache_listen:
    ipv6_of:
      192.0.2.80: "2001:db8:1200::80"
      192.0.2.0/24: ["2001:db8:1200::/64"]

- name: Serve the clients of a proxy, with their own addresses in the log
  ipv6.rollout.apache_listen:
    proxy_protocol:
      address: "2001:db8:1200::8080"
      proxies: ["2001:db8:1200:53::/64"]

- name: Give everything back
  ipv6.rollout.apache_listen:
    state: absent
"""

RETURN = r"""
ports:
  description: The ports that were looked after.
  returned: success
  type: list
  elements: int
  sample: [80, 443]
listening:
  description: The TCP sockets that Apache listens on, or in check mode would. C([::]) serves IPv4 clients too.
  returned: success
  type: list
  elements: str
  sample: ["[::]:80"]
left:
  description: C(Listen) lines of C(ports.conf) that were left alone, with the reason.
  returned: success
  type: list
  elements: str
  sample: ["/etc/apache2/ports.conf line 4: Listen 127.0.0.1:8080: on an address of its own, and not in ports"]
elsewhere:
  description: C(Listen) lines in other files, which this module does not edit.
  returned: success
  type: list
  elements: str
  sample: ["/etc/apache2/sites-enabled/intranet.conf line 1: Listen 8081"]
untranslated:
  description: Directives with IPv4 addresses that were left without an IPv6 counterpart, with the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - place: /etc/apache2/sites-enabled/intranet.conf line 12
      directive: Require ip 198.51.100.0/24
      reason: 198.51.100.0/24 has no known IPv6 counterpart; name it in ipv6_of
files:
  description: The files and links that were changed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/apache2/ports.conf]
distribution:
  description: Those of RV(files) that came with a package, so that dpkg asks about them at an upgrade.
  returned: success
  type: list
  elements: str
  sample: [/etc/apache2/ports.conf]
restarted:
  description: Whether Apache was restarted, or in check mode would be.
  returned: success
  type: bool
  sample: true
reloaded:
  description: Whether Apache read its configuration again without a break, or in check mode would.
  returned: success
  type: bool
  sample: false
running:
  description: Whether Apache was running when the module looked.
  returned: success
  type: bool
  sample: true
needs_package:
  description: The package that has to be installed first. The call did nothing else then.
  returned: when Apache is not installed
  type: str
  sample: apache2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ipv6.rollout.plugins.module_utils import apache_config
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

SITE = {
    "names": {"type": "list", "elements": "str", "required": True},
    "addresses": {"type": "list", "elements": "raw", "default": []},
    "port": {"type": "int", "default": 80},
    "document_root": {"type": "str", "required": True},
    "log": {"type": "str", "default": ""},
}
PROXY = {
    "address": {"type": "str", "required": True},
    "ports": {"type": "list", "elements": "int", "default": []},
    "proxies": {"type": "list", "elements": "str", "required": True},
    "exceptions": {"type": "list", "elements": "str", "default": []},
}


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "mode": {"type": "str", "choices": ["mapped", "separate", "ipv6only", "ipv4"], "default": "mapped"},
            "ports": {"type": "list", "elements": "int", "default": []},
            "addresses": {"type": "list", "elements": "raw", "default": []},
            "ipv6_of": {"type": "dict", "default": {}},
            "virtual_hosts": {"type": "list", "elements": "dict", "default": [], "options": SITE},
            "proxy_protocol": {"type": "dict", "options": PROXY},
            "config_directory": {"type": "path", "default": "/etc/apache2"},
        },
        supports_check_mode=True,
    )
    given = module.params
    directory = given["config_directory"].rstrip("/")
    really = not module.check_mode
    try:
        if given["state"] == "absent":
            outcome = apache_config.absent(directory, really)
        else:
            outcome = apache_config.present(given, directory, really)
    except (RolloutError, OSError) as error:
        module.fail_json(msg=f"apache_listen: {error}")
    for text in outcome.warnings:
        module.warn(text)
    result = {
        "changed": outcome.changed,
        "ports": outcome.ports,
        "listening": outcome.listening,
        "left": outcome.left,
        "elsewhere": outcome.elsewhere,
        "untranslated": outcome.untranslated,
        "files": outcome.files,
        "distribution": outcome.distribution,
        "restarted": outcome.restarted,
        "reloaded": outcome.reloaded,
        "running": outcome.running,
        "diff": outcome.diff,
    }
    if outcome.needs_package:
        result["needs_package"] = outcome.needs_package
    module.exit_json(**result)


if __name__ == "__main__":
    main()
