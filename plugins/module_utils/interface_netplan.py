# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netplan: a file of our own that netplan merges with those that are there.

netplan knows an interface under an identifier that may differ from its name, so that is found out first. As with
networkd, nothing is applied: ``netplan generate`` brings the files under /run up to date, and the next boot reads them.
"""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_networkd as networkd
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_networkmanager as networkmanager
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import DEFAULT_METRIC, Wanted
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_backend import (
    HEADER,
    Files,
    all_routes,
    is_default,
    own_name,
    private,
    refuse_other_router,
)

NETPLAN = "/etc/netplan"
FOLDERS = ("/etc/netplan", "/run/netplan", "/usr/lib/netplan", "/lib/netplan")
NETWORKD_FILE = re.compile(r"/run/systemd/network/10-netplan-(.+)\.network")
PROFILE = re.compile(r"/run/NetworkManager/system-connections/netplan-(.+)\.nmconnection")


class Definition(t.NamedTuple):
    """What netplan says of one interface: the section it is in, its identifier, and its settings, a line each."""

    kind: str
    identifier: str
    lines: t.Tuple[str, ...]

    def setting(self, key: str) -> str:
        """Return a setting, or nothing; two spaces before the key mean one level below."""
        found = [line for line in self.lines if line.startswith(key + ":")]
        return _plain(found[0].partition(":")[2]) if found else ""


def _plain(value: str) -> str:
    return value.strip().strip("'\"")


def definitions(content: str) -> t.List[Definition]:
    """Read what ``netplan get`` prints, which is always written the same way: two spaces a level."""
    found: t.List[Definition] = []
    kind = ""
    for line in content.splitlines():
        depth = len(line) - len(line.lstrip())
        if depth == 2 and line.endswith(":"):
            kind = _plain(line[:-1])
        elif depth == 2:
            kind = ""
        elif depth == 4 and kind and not line.lstrip().startswith("- "):
            found.append(Definition(kind, _plain(line.rpartition(":")[0]), ()))
        elif depth > 4 and kind and found:
            found[-1] = found[-1]._replace(lines=(*found[-1].lines, line[6:]))
    return found


def routers(mine: Definition) -> t.List[str]:
    """Return the routers of an interface's default routes, as far as they have the kernel's metric."""
    found = [mine.setting("gateway6")]
    for entry in re.split(r"^- ", "\n".join(mine.lines), flags=re.MULTILINE)[1:]:
        pairs = [line.partition(":") for line in entry.splitlines()]
        values = {key.strip(): _plain(value) for key, _colon, value in pairs}
        # Of another table, or for some sources only, it is not the default route that ours would meet.
        if values.get("table", "254") != "254" or "from" in values:
            continue
        if "via" in values and is_default(values.get("to", "")):
            found += [values["via"]] if values.get("metric", str(DEFAULT_METRIC)) == str(DEFAULT_METRIC) else []
    return found


def matches(one: Definition) -> t.Optional[t.Dict[str, t.List[str]]]:
    """Return what a definition's ``match`` asks for, with all values of each key; None where it has no ``match``."""
    found: t.Optional[t.Dict[str, t.List[str]]] = None
    inside, last = False, ""
    for line in one.lines:
        words = line.strip()
        if not line.startswith((" ", "- ")):
            inside = line.startswith("match:")
            found = {} if inside else found
        elif inside and found is not None and words.startswith("- "):
            found.setdefault(last, []).append(_plain(words[2:]))
        elif inside and found is not None:
            key, _colon, value = words.partition(":")
            last = _plain(key)
            found.setdefault(last, []).extend([_plain(value)] if value.strip() else [])
    return found


def driver_of(name: str) -> str:
    """Return the driver of an interface, or nothing where it has none, as a virtual one."""
    path = f"/sys/class/net/{name}/device/driver"
    return os.path.basename(os.path.realpath(path)) if os.path.exists(path) else ""


def matching(all_of_them: t.Sequence[Definition], name: str, mac: str) -> t.List[Definition]:
    """Return the definitions that mean an interface, for one that netplan has not brought up."""
    found = []
    has = {"name": name, "macaddress": mac.lower(), "driver": driver_of(name)}
    for one in all_of_them:
        asked = matches(one)
        if one.setting("set-name") == name:
            found.append(one)
        elif asked is None:
            found += [one] if one.identifier == name else []
        # All keys have to fit, each with one of its values; a key that is not known here fits nothing.
        elif all(
            key in has
            and any(fnmatch.fnmatchcase(has[key], each.lower() if key == "macaddress" else each) for each in values)
            for key, values in asked.items()
        ):
            found.append(one)
    return found


def source(index: int, name: str) -> str:
    """Return the file that netplan made for an interface and that is in use, or nothing."""
    for path in (networkd.used_file(index), networkmanager.profile_path(name)):
        if NETWORKD_FILE.fullmatch(path) or PROFILE.fullmatch(path):
            return path
    return ""


def definition(name: str, used: str, there: t.Sequence[Definition]) -> Definition:
    """Return what netplan knows of an interface; raise where it knows nothing, or two things."""
    found = NETWORKD_FILE.fullmatch(used) or PROFILE.fullmatch(used)
    if found:
        mine = [one for one in there if one.identifier == found.group(1)]
    else:
        mine = matching(there, name, networkmanager.mac_of(name))
    if len(mine) == 1:
        return mine[0]
    if mine:
        both = " and ".join(one.identifier for one in mine)
        raise RolloutError(f"backend: {name} is both {both} for netplan; make their match name one interface each")
    raise RolloutError(
        f"backend: netplan knows no {name}; it knows {', '.join(one.identifier for one in there) or 'nothing'}. "
        f"Describe {name} in {NETPLAN}, or name another back end"
    )


def file_text(wish: Wanted, mine: Definition, networkmanager_does_it: bool) -> str:
    """Return our file. JSON strings are YAML strings, so nothing in a name can be taken for something else.

    DHCPv6 goes with router advertisements: they tell of it, and for NetworkManager both are one setting.
    """
    lines = ["network:", "  version: 2", f"  {mine.kind}:", f"    {json.dumps(mine.identifier)}:"]
    lines.append(f"      accept-ra: {'true' if wish.accepts_ra else 'false'}")
    if networkmanager_does_it or not wish.accepts_ra:
        lines.append(f"      dhcp6: {'true' if wish.accepts_ra else 'false'}")
    lines.append(f"      ipv6-privacy: {'true' if private(wish) else 'false'}")
    lines.append("      addresses:")
    for address in wish.addresses:
        lines.append(f"        - {json.dumps(address.text)}{':' if address.deprecated else ''}")
        lines += ["            lifetime: 0"] if address.deprecated else []
    routes = all_routes(wish)
    lines += ["      routes:"] if routes else []
    for route in routes:
        lines += [f"        - to: {json.dumps(route.to)}", f"          via: {json.dumps(route.via)}"]
        lines += ["          on-link: true", f"          metric: {route.metric}"]
    return HEADER + "".join(line + "\n" for line in lines)


def _copy(root: str, own: str) -> None:
    """Copy what netplan reads, but our own file, so that neither answer depends on what we wrote before."""
    for folder in FOLDERS:
        if os.path.isdir(folder):
            os.makedirs(root + folder, exist_ok=True)
            for path in glob.glob(folder + "/*.yaml"):
                if path != own:
                    shutil.copy2(path, root + path)


def validate(root: str, own: str, content: bytes) -> str:
    """Let netplan read our file in a copy of its folders; return its warnings, raise where it refuses."""
    files.write(root + own, content, mode=0o600, uid=os.geteuid(), gid=os.getegid())
    done = commands.run(["netplan", "generate", "--root-dir", root])
    said = [line for line in (done.err + done.out).replace(root, "").splitlines() if line.strip()]
    # It asks udev to read its rules again even when they are in another place; there is none in a container.
    said = [line for line in said if "Failed to send reload request" not in line]
    if done.rc != 0:
        raise RolloutError(f"backend: netplan refuses what {own} would say: {' '.join(said)}")
    return " ".join(said)


def wanted_files(wish: Wanted, index: int) -> t.Tuple[Files, t.List[str]]:
    """Return the file that netplan needs, and remarks."""
    if not commands.found("netplan"):
        raise RolloutError("backend: netplan was asked for and is not installed; name another one")
    used = source(index, wish.name)
    if NETWORKD_FILE.fullmatch(used):
        networkd.alone(index, used)
    if PROFILE.fullmatch(used):
        for address in wish.addresses:
            if address.deprecated:
                raise RolloutError(
                    f"addresses: {address.text} is deprecated, which netplan can't tell NetworkManager; leave "
                    "deprecated out, or set 'renderer: networkd' for this interface"
                )
    own = f"{NETPLAN}/60-ipv6-rollout-{own_name(wish.name)}.yaml"
    remarks = []
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-") as root:
        _copy(root, own)
        mine = definition(wish.name, used, definitions(commands.check(["netplan", "get", "--root-dir", root])))
        refuse_other_router(f"netplan's {mine.identifier}", routers(mine), wish)
        content = file_text(wish, mine, bool(PROFILE.fullmatch(used))).encode()
        if files.read(own) != content:
            said = validate(root, own, content)
            remarks += [f"netplan warns: {said}"] if said else []
    return {own: content}, remarks


def settle(name: str, paths: t.Collection[str]) -> None:
    """Bring what netplan made under /run up to date, and tell NetworkManager of its profile; nothing is applied."""
    if not any(path.startswith(NETPLAN + "/") for path in paths):
        return
    commands.check(["netplan", "generate"])
    profile = networkmanager.profile_path(name)
    if PROFILE.fullmatch(profile):
        networkmanager.load(profile)
