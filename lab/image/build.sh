#!/bin/sh
# build.sh SUITE OUT.tar.zst: the lab image out of Debian packages only, where no container registry is reachable.
# Needs root, mmdebstrap and zstd. LAB_MIRROR names another Debian mirror.
set -eu

suite=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
packages=$(grep -v '^#' "$here/packages.txt" | paste -sd, -)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2016 # $1 in the hooks is the new root: mmdebstrap's shell expands it, not this one
mmdebstrap --quiet --variant=minbase --mode=root --include="$packages" \
    --dpkgopt='force-unsafe-io' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --aptopt='Apt::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' \
    --essential-hook="copy-in '$here/preseed.txt' /tmp" \
    --essential-hook='chroot "$1" debconf-set-selections /tmp/preseed.txt' \
    --customize-hook="copy-in '$here/finish.sh' /tmp" \
    --customize-hook='chroot "$1" sh /tmp/finish.sh; rm -f "$1/tmp/preseed.txt" "$1/tmp/finish.sh"' \
    "$suite" "$work/root.tar" ${LAB_MIRROR:+"$LAB_MIRROR"}

# Two steps, so that an interrupted build never leaves half an image behind.
zstd --quiet -3 "$work/root.tar" -o "$out.part"
mv "$out.part" "$out"
