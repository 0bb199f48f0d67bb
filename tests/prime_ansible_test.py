# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets ansible-test make its environments where nothing but a Python package index is reachable.

It would fetch get-pip.py from its own server. This puts a stand-in into its cache: a few lines that run the same
version of pip out of the wheel that the package index has.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

from ansible_test._internal import python_requirements

STAND_IN = """\
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "pip-{version}-py3-none-any.whl"))
from pip._internal.cli.main import main
sys.exit(main(["install"] + [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]))
"""


def main() -> None:
    """Prime the cache, once."""
    source = inspect.getsource(python_requirements)
    found = re.search(r"""pip=['"]([0-9.]+)['"]""", source)
    if not found:
        # A later ansible-test does it another way: let it try.
        return
    version = found.group(1)
    cache = Path.home() / ".ansible" / "test" / "cache"
    stand_in = cache / f"get_pip_{version.replace('.', '_')}.py"
    if stand_in.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(cache), f"pip=={version}"], check=True
    )
    stand_in.write_text(STAND_IN.format(version=version), encoding="utf-8")


if __name__ == "__main__":
    main()
