#!/bin/sh
# ansible-test sanity, on a copy: it insists on a path ending in ansible_collections/ipv6/rollout, and follows links.
# Words after the script's name go to ansible-test, for example: tests/sanity.sh --test validate-modules
set -eu
cd "$(dirname "$0")/.."

command -v git >/dev/null 2>&1 || { echo "git: not found; on Debian: apt-get install git" >&2; exit 1; }

tree=.build/sanity/ansible_collections/ipv6/rollout
# What is kept from run to run is only what ansible-test itself wrote: its own environments take a minute to make.
mkdir -p "$tree"
find "$tree" -mindepth 1 -maxdepth 1 ! -name tests ! -name .git -exec rm -rf {} +
find "$tree/tests" -mindepth 1 -maxdepth 1 ! -name output -exec rm -rf {} + 2>/dev/null || true
git ls-files --cached --others --exclude-standard -z | tar --null --create --ignore-failed-read --files-from=- 2>/dev/null |
    tar --extract --directory "$tree"

# Without a repository of its own the copy would count as an ignored part of this one.
[ -d "$tree/.git" ] || git init --quiet "$tree"

python tests/prime_ansible_test.py

version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
cd "$tree"
exec ansible-test sanity --local --python "$version" --color no "$@"
