# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program of the target: no shell, C locale, a time limit, text in and out."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

# sbin is missing from the PATH of some ssh logins, and that is where ip, named-checkconf and the like live.
SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]
)


class Result(t.NamedTuple):
    """What a program left: its return code, standard output and standard error."""

    rc: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The program's own words on a failure, in one piece."""
        return (self.err.strip() or self.out.strip() or f"return code {self.rc}").strip()


def found(program: str) -> t.Optional[str]:
    """Return the path of a program, or None where it is not installed."""
    return shutil.which(program, path=SEARCH_PATH)


def run(argv: t.Sequence[str], stdin: str = "", timeout: float = 30.0, folder: t.Optional[str] = None) -> Result:
    """Run a program, in a folder where one is given, and return what it left.

    A missing program gives return code 127, a hanging one 124.
    """
    environment = {**os.environ, "PATH": SEARCH_PATH, "LC_ALL": "C", "LANG": "C"}
    try:
        # A core knows no module whose run_command it could call.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(argv),
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            env=environment,
            cwd=folder,
            check=False,
        )
    except FileNotFoundError:
        return Result(127, "", f"{argv[0]}: not found")
    except subprocess.TimeoutExpired:
        return Result(124, "", f"{' '.join(argv)}: no answer in {timeout:g} s")
    return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def check(argv: t.Sequence[str], stdin: str = "", timeout: float = 30.0) -> str:
    """Run a program that must succeed and return its output; raise RolloutError with its own words."""
    done = run(argv, stdin, timeout)
    if done.rc != 0:
        raise RolloutError(f"{' '.join(argv)} failed: {done.said}")
    return done.out
