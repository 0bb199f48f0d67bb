# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation says what the code does.

Every plugin has examples and return values, every role its files, and a role's defaults are the ones that its
argument specification promises. The rest is antsibull-docs' own check.
"""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
ROLE_FILES = ["README.md", "defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml"]
PLUGINS = {"filter": "filter", "lookup": "lookup", "modules": "module"}


def load(path: Path) -> t.Any:
    """Return a YAML file's content; an empty one is an empty mapping."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def check_role(role: Path) -> t.Iterator[str]:
    """Compare a role's defaults with its argument specification, both ways."""
    missing = [name for name in ROLE_FILES if not (role / name).is_file()]
    if missing:
        yield f"roles/{role.name}: {', '.join(missing)} missing"
        return
    defaults = load(role / "defaults" / "main.yml")
    options = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"].get("options", {})
    for name, default in defaults.items():
        if name.startswith("__"):
            continue
        if name not in options:
            yield f"roles/{role.name}: {name} has a default, but meta/argument_specs.yml does not know it"
        elif "default" not in options[name]:
            # A default that is a template cannot be promised as a value: there the text has to say it.
            if "{{" not in str(default):
                yield f"roles/{role.name}: {name} is {default!r} by default, the argument specification says nothing"
        elif options[name]["default"] != default:
            yield f"roles/{role.name}: {name} is {default!r} by default, not {options[name]['default']!r}"
    for name, option in options.items():
        if "default" in option and name not in defaults:
            yield f"roles/{role.name}: {name} has no default in defaults/main.yml, the specification promises one"
        if not name.startswith((f"{role.name}_", "ipv6_")):
            yield f"roles/{role.name}: {name} does not start with {role.name}_"
    state = options.get(f"{role.name}_state", {})
    if not {"present", "absent"} <= set(state.get("choices", [])):
        yield f"roles/{role.name}: {role.name}_state with the choices present and absent missing"
    readme = (role / "README.md").read_text(encoding="utf-8")
    for name in options:
        if name not in readme:
            yield f"roles/{role.name}: README.md does not name {name}"


def check_plugins(kind: str, ansible_type: str) -> t.Iterator[str]:
    """See to it that ansible-doc shows examples and return values of every plugin."""
    names = sorted(path.stem for path in (ROOT / "plugins" / kind).glob("*.py") if path.stem != "__init__")
    if not names:
        return
    full = [f"ipv6.rollout.{name}" for name in names]
    done = subprocess.run(
        ["ansible-doc", "--type", ansible_type, "--json", *full], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        yield f"ansible-doc --type {ansible_type}: {done.stderr.strip()}"
        return
    documents = json.loads(done.stdout)
    for name in full:
        document = documents.get(name)
        if not document or not document.get("doc"):
            yield f"{name} ({ansible_type}): ansible-doc does not show it"
            continue
        for part in ("examples", "return"):
            if not document.get(part):
                yield f"{name} ({ansible_type}): no {part}"


def antsibull() -> t.Iterator[str]:
    """Let antsibull-docs look at all documentation."""
    done = subprocess.run(
        ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        yield from (line for line in (done.stdout + done.stderr).splitlines() if line.strip())


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    problems = []
    roles = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
    for role in roles:
        problems += check_role(role)
    for kind, ansible_type in PLUGINS.items():
        problems += check_plugins(kind, ansible_type)
    problems += antsibull()
    for problem in problems:
        print(problem)
    print(f"docs-check: {len(roles)} roles, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
