#!/bin/sh
# mypy --strict (pyproject.toml) over what has no Ansible in it: the cores, and the lab's own programs.
set -eu
cd "$(dirname "$0")/.."

set --
for part in module_utils plugin_utils; do
    if [ -n "$(find "plugins/$part" -name '*.py' 2>/dev/null)" ]; then
        set -- "$@" -p "ansible_collections.ipv6.rollout.plugins.$part"
    fi
done
mypy "$@"
mypy lab/*.py
