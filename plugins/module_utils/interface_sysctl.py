# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What switches IPv6 or router advertisements off on this host: the kernel's command line, and sysctl files.

Files are read as systemd-sysctl reads them at boot (sysctl.d(5)): by name across all folders, a later line over an
earlier one, a line for one interface over a pattern.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_backend import own_name

FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
SYSCTL_CONF = "/etc/sysctl.conf"
OWN = "99-zz-ipv6-rollout"
CONF = "net/ipv6/conf"
KEYS = ("disable_ipv6", "accept_ra")
# Where a kernel parameter or a module's option can stand.
BOOT_FILES = (
    "/etc/default/grub",
    "/etc/default/grub.d/*.cfg",
    "/etc/kernel/cmdline",
    "/etc/modprobe.d/*.conf",
    "/boot/cmdline.txt",
    "/boot/firmware/cmdline.txt",
)
_DISABLED = re.compile(r"\bipv6\.disable=1\b|^\s*options\s+ipv6\b.*\bdisable=1\b")


class Setting(t.NamedTuple):
    """A line of a sysctl file; the key with slashes, as a path below /proc/sys."""

    key: str
    value: str
    path: str
    line: int

    @property
    def where(self) -> str:
        """The line as a message tells it."""
        return f"{self.path} line {self.line} ({self.key.replace('/', '.')} = {self.value})"


def key_of(text: str) -> str:
    """Return a key as a path: with dots as separators, dots and slashes change places."""
    first = re.search(r"[./]", text)
    if first is None or first.group(0) == "/":
        return text
    return text.translate(str.maketrans("./", "/."))


def parse(text: str, path: str) -> t.List[Setting]:
    """Read the lines of a sysctl file; a key that is only excluded from patterns has the value "-"."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        key = key.strip()
        if equals:
            found.append(Setting(key_of(key.lstrip("-").strip()), value.strip(), path, number))
        elif key.startswith("-"):
            found.append(Setting(key_of(key[1:].strip()), "-", path, number))
    return found


def _text(path: str) -> str:
    try:
        return (files.read(path) or b"").decode(errors="replace")
    except OSError:
        return ""


def boot_settings(root: str = "") -> t.List[Setting]:
    """Return what systemd-sysctl sets at boot, in its order, without our own files."""
    paths: t.Dict[str, str] = {}
    for folder in FOLDERS:
        for path in glob.glob(f"{root}{folder}/*.conf"):
            paths.setdefault(os.path.basename(path), path)
    found = []
    for name in sorted(paths):
        path = paths[name][len(root) :]
        if OWN not in name:
            # Debian 12 reads /etc/sysctl.conf by a link; the user edits the file itself.
            shown = SYSCTL_CONF if os.path.realpath(paths[name]) == os.path.realpath(root + SYSCTL_CONF) else path
            found += parse(_text(paths[name]), shown)
    return found


def boot_value(settings: t.Sequence[Setting], name: str, key: str) -> t.Optional[Setting]:
    """Return the line that decides a key of an interface at boot, or None where no file says anything.

    ``all`` passes disable_ipv6 on to every interface and has no effect for the others; ``default`` is what an
    interface gets that comes up after the sysctls were set.
    """
    mine = f"{CONF}/{name}/{key}"
    explicit = [setting for setting in settings if setting.key == mine]
    decides: t.Optional[Setting] = None
    for setting in settings:
        pattern = "*" in setting.key or "?" in setting.key or "[" in setting.key
        passed_on = key in ("disable_ipv6", "forwarding") and setting.key == f"{CONF}/all/{key}"
        if setting.key == mine:
            concerned = setting.value != "-"
        elif setting.key == f"{CONF}/default/{key}":
            concerned = decides is None or "/default/" in decides.key
        else:
            concerned = passed_on or (pattern and not explicit and fnmatch.fnmatchcase(mine, setting.key))
        decides = setting if concerned else decides
    return decides


def after_boot(root: str = "") -> t.List[Setting]:
    """Return the lines of /etc/sysctl.conf where it is not read at boot (Debian 13), but by ``sysctl -p``."""
    if any(setting.path == SYSCTL_CONF for setting in boot_settings(root)):
        return []
    return parse(_text(root + SYSCTL_CONF), SYSCTL_CONF)


def own_file(name: str, culprits: t.Sequence[Setting]) -> str:
    """Return the path of our file for an interface: its name sorts after those of the files that it overrules."""
    own = f"{OWN}-{own_name(name)}.conf"
    last = max([os.path.basename(setting.path) for setting in culprits if setting.path != SYSCTL_CONF], default="")
    return f"/etc/sysctl.d/{f'{last}-' if last >= own else ''}{own}"


def own_text(name: str, values: t.Mapping[str, str], culprits: t.Sequence[Setting]) -> str:
    """Return our file: the values, and what they overrule."""
    lines = ["# Written by the ipv6.rollout collection: the module interface replaces and removes it."]
    lines += [f"# It overrules {setting.where}." for setting in culprits]
    lines += [f"{CONF}/{name}/{key} = {value}" for key, value in sorted(values.items())]
    return "".join(line + "\n" for line in lines)


def disabled_at_boot(root: str = "") -> str:
    """Return where the kernel is told to start without IPv6: the command line in use, or a file and its line."""
    for pattern in BOOT_FILES:
        for path in sorted(glob.glob(root + pattern)):
            for number, line in enumerate(_text(path).splitlines(), 1):
                if not line.lstrip().startswith("#") and _DISABLED.search(line):
                    return f"{path[len(root) :]} line {number}"
    return "the kernel's command line" if _DISABLED.search(_text(f"{root}/proc/cmdline")) else ""
