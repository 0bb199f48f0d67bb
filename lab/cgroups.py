# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose cgroups are hybrid or version 1: a mount namespace in which they look like any machine of today.

There podman would share one systemd hierarchy among all containers, writable: the systemd of one lab machine sees and
removes the cgroups of the others, and after a reboot of one of them nobody can enter the rest. So the engine runs in
a mount namespace where /sys/fs/cgroup is version 2, and every container gets a tree of its own. The namespace is
kept in a file, because what the engine mounts in one call it needs in the next.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from model import ROOT, LabError

KEPT = Path("/run/ipv6-rollout-lab")
NAMESPACE = KEPT / "mount-namespace"
CONTAINERS_CONF = ROOT / "lab" / "containers.conf"


def as_root() -> list[str]:
    """Return the words that make a command run as root."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise LabError("the lab needs root or sudo: containers with networks of their own do")
    return ["sudo"]


def hybrid(base: Path = Path("/sys/fs/cgroup")) -> bool:
    """Tell a machine whose cgroups are not purely version 2."""
    return base.exists() and not (base / "cgroup.controllers").exists()


def _run(*argv: str) -> bool:
    return subprocess.run([*as_root(), *argv], capture_output=True, check=False).returncode == 0


def _must(*argv: str) -> None:
    if not _run(*argv):
        raise LabError(f"{' '.join(argv)} failed: this machine's cgroups are hybrid, and the way around needs it")


def enter() -> tuple[list[str], bool]:
    """Return the words that run the engine in the namespace, and whether the namespace had to be made."""
    # `env`, because sudo does not hand the environment on.
    words = [*as_root(), "nsenter", f"--mount={NAMESPACE}", "env", f"CONTAINERS_CONF={CONTAINERS_CONF}"]
    if _run("nsenter", f"--mount={NAMESPACE}", "true"):
        return words, False
    _must("mkdir", "-p", str(KEPT))
    if not _run("mountpoint", "-q", str(KEPT)):
        # A namespace can only be kept on a mount that is not propagated.
        _must("mount", "--bind", str(KEPT), str(KEPT))
        _must("mount", "--make-private", str(KEPT))
    _must("touch", str(NAMESPACE))
    # slave: what the machine mounts later is seen inside, what the engine mounts is not seen outside.
    mount = ["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"]
    _must("unshare", f"--mount={NAMESPACE}", "--propagation", "slave", *mount)
    return words, True


def leave() -> None:
    """Let the namespace go; its mounts go with it."""
    for path in (NAMESPACE, KEPT):
        _run("umount", str(path))
    _run("rm", "-rf", str(KEPT))
