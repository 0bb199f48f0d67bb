# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the reverse zones of a prefix."""

from __future__ import annotations

DOCUMENTATION = r"""
name: reverse_zones
short_description: Return the reverse zones of a prefix
version_added: "0.1.0"
author: ipv6.rollout contributors (@ipv6-rollout)
description:
  - Returns the zones that together hold exactly the reverse names of a prefix of any length.
  - A zone can begin only at a whole hexadecimal digit (IPv6) or at a whole octet (IPv4). A prefix that ends between two
    of them takes several zones. A V(/47) takes two, a V(/48) one, a V(/45) eight.

positional: _input
options:
  _input:
    description: An IPv6 or IPv4 prefix.
    type: str
    required: true
  rfc2317:
    description:
      - For an IPv4 prefix from C(/25) to C(/31), return its one classless zone, such as C(0/25.2.0.192.in-addr.arpa.).
      - Without it there is one zone for each address of such a prefix.
    type: bool
    default: false
  rfc4183:
    description:
      - For an IPv4 prefix that ends inside an octet, return its one name after RFC 4183, such as
        C(0-26.2.100.10.in-addr.arpa.) or C(192-13.10.in-addr.arpa.).
      - From C(/25) to C(/31) it is a zone that the parent leads to by CNAME records, as with O(rfc2317=true). The name
        of a shorter prefix is meant for the network's own records, not for those of its addresses.
      - Set only one of O(rfc2317) and O(rfc4183).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the zones to ask the provider for
  ansible.builtin.debug:
    msg: "{{ '2001:db8:1200::/47' | ipv6.rollout.reverse_zones }}"

- name: Show the classless zone of a few IPv4 addresses, first with a slash and then with a hyphen
  ansible.builtin.debug:
    msg:
      - "{{ '192.0.2.128/26' | ipv6.rollout.reverse_zones(rfc2317=true) }}"
      - "{{ '192.0.2.128/26' | ipv6.rollout.reverse_zones(rfc4183=true) }}"
"""

RETURN = r"""
_value:
  description: The names of the zones, with the final dot.
  type: list
  elements: str
  sample: [0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa., 1.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.]
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import reverse


def reverse_zones(prefix, rfc2317=False, rfc4183=False):
    """Return the reverse zones of a prefix."""
    try:
        return reverse.reverse_zones(prefix, bool(rfc2317), bool(rfc4183))
    except RolloutError as error:
        raise AnsibleFilterError(f"ipv6.rollout.reverse_zones: {error}") from error


class FilterModule:
    """The filter, by name."""

    def filters(self):
        """Return the filter."""
        return {"reverse_zones": reverse_zones}
