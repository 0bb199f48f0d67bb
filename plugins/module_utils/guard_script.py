# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's own program on the target: POSIX sh, so that it works when Python, ssh and the controller are gone.

It is a fixed text: what it acts on lies in files beside it, and nothing of the inventory ever becomes part of it.
"""

from __future__ import annotations

from ansible_collections.ipv6.rollout.plugins.module_utils.guard_restore import RESTORE
from ansible_collections.ipv6.rollout.plugins.module_utils.guard_state import STATE

DIRECTORY = "/var/lib/ipv6-rollout-guard"
UNIT = "ipv6-rollout-guard"
BOOT_UNIT_PATH = f"/etc/systemd/system/{UNIT}-boot.service"
BOOT_LINK_PATH = f"/etc/systemd/system/sysinit.target.wants/{UNIT}-boot.service"

BOOT_UNIT = f"""\
# A reboot while the guard waits for the commit is a rollback: files go back before anything reads them.
[Unit]
Description=Give back the network files of an uncommitted change
DefaultDependencies=no
RequiresMountsFor=/etc {DIRECTORY}
After=local-fs.target
Before=systemd-sysctl.service network-pre.target netfilter-persistent.service nftables.service
Before=networking.service systemd-networkd.service NetworkManager.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
ConditionPathExists={DIRECTORY}/guard.sh

[Service]
Type=oneshot
ExecStart=/bin/sh {DIRECTORY}/guard.sh boot {DIRECTORY}
TimeoutStartSec=60

[Install]
WantedBy=sysinit.target
"""

_START = r"""#!/bin/sh
# The guard of the ipv6.rollout collection. It is called as: sh guard.sh COMMAND DIRECTORY [TOKEN]
#   save     record addresses, routes, sysctls, rules and files into DIRECTORY
#   state    print what would be compared
#   hold     wait for the deadline, then restore: what the systemd timer runs
#   process  the same, for the other holder, which notes its process id
#   restore  restore now
#   boot     restore the files only: the kernel starts afresh anyway
#   disarm   forget everything, restore nothing: this is the commit
# Restoring twice does no harm. A hang-up signal does nothing.
set -u
trap '' HUP
PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
command=$1
dir=$2
token=${3:-}
unit=ipv6-rollout-guard
boot_unit=/etc/systemd/system/$unit-boot.service
boot_link=/etc/systemd/system/sysinit.target.wants/$unit-boot.service
# In memory, so that a full disk is in nobody's way.
tmp=/run/$unit.$$
{ mkdir "$tmp" 2>/dev/null && [ -w "$tmp" ]; } || { tmp=$dir/tmp.$$ && mkdir "$tmp" 2>/dev/null; }
trap 'rm -rf "$tmp"' EXIT
"""

_COMMANDS = r"""
# Once the folder has its other name, no holder finds anything to restore: that is the moment of the commit, and it is
# on the disk before anybody hears of it.
forget() {
    holder=
    [ -r "$dir/holder" ] && read -r holder <"$dir/holder"
    mv -T "$dir" "$dir.gone.$$" && sync "${dir%/*}"
    rm -rf "$dir.gone.$$"
}

# Remove every other trace and stop the holders, but not the one that runs this.
clear_up() {
    rm -f "$boot_link" "$boot_unit"
    rmdir "${boot_link%/*}" 2>/dev/null
    if [ -n "$holder" ] && [ "$holder" != $$ ] && ours "$holder"; then
        # The process group of its own session: the shell and its sleep.
        kill -9 -"$holder" 2>/dev/null || kill -9 "$holder"
    fi
    if [ -e "/run/systemd/transient/$unit.timer" ]; then
        timeout 10 systemctl stop "$unit.timer"
    fi 2>/dev/null
    if [ -e "/run/systemd/transient/$unit.service" ] &&
        [ "$(timeout 10 systemctl show -P MainPID "$unit.service")" != $$ ]; then
        timeout 10 systemctl stop "$unit.service"
    fi 2>/dev/null
    # What a holder that was killed has left.
    for left in /run/"$unit".[0-9]*; do
        [ "$left" = "$tmp" ] || ours "${left##*.}" || rm -rf "$left"
    done
    return 0
}

# Whether a process number is one of ours: numbers are given out again.
ours() {
    [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF guard.sh
}

mine() {
    [ -d "$dir" ] || return 1
    [ -z "$token" ] && return 0
    [ "$(cat "$dir/token" 2>/dev/null)" = "$token" ]
}

# The lock is a file's name, which needs no room on the disk and changes in one piece: "free" or "held." and the
# process. A dead owner's lock is taken over.
lock() {
    while ! mv -T "$dir/free" "$dir/held.$$" 2>/dev/null; do
        mine || return 1
        for held in "$dir"/held.*; do
            if ! ours "${held##*.}"; then
                mv -T "$held" "$dir/held.$$" 2>/dev/null && return 0
            elif [ "$1" != wait ]; then
                return 1
            fi
        done
        sleep 0.2
    done
}

result() {
    printf '%s\n%s\n%s\n%s\n' "$owned" "$1" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" "$2" >"$dir.result.$$" &&
        mv -fT "$dir.result.$$" "$dir.result" && return 0
    rm -f "$dir.result.$$"
    return 1
}

# Say what was done, and go. On a full disk there is only then room to say it.
finish() {
    owned=$(cat "$dir/token")
    if result "$1" "$2"; then
        forget
    else
        forget
        result "$1" "$2"
    fi
    clear_up
}

# $dir must be locked.
restore() {
    exact=no
    for try in 1 2 3; do
        restore_all 2>>"$tmp/errors"
        state >"$tmp/again"
        if cmp -s "$dir/state" "$tmp/again"; then
            exact=exact
            break
        fi
        sleep 1
    done
    if [ "$exact" = no ]; then
        exact="differs: $(diff "$dir/state" "$tmp/again" | sed -n 's/^\([<>]\)/\1/p' | head -n 5 | tr '\n' ';')"
    fi
    finish "$1" "$exact"
}

hold() {
    while mine; do
        read -r now rest </proc/uptime
        # A deadline that can't be read is over.
        { read -r deadline <"$dir/deadline"; } 2>/dev/null || deadline=0
        left=$((deadline - ${now%.*}))
        if [ "$left" -gt 0 ]; then
            sleep "$left"
            continue
        fi
        lock wait || return 0
        # Armed anew in the last moment?
        { read -r later <"$dir/deadline"; } 2>/dev/null || later=$deadline
        if [ "$later" = "$deadline" ]; then
            restore "the time was over without a commit"
            return 0
        fi
        mv -T "$dir/held.$$" "$dir/free"
    done
}

case $command in
save) save ;;
state) state ;;
hold) hold ;;
process)
    printf '%s\n' $$ >"$dir/holder"
    hold
    ;;
restore)
    lock wait || exit 3
    restore "asked for"
    ;;
boot)
    lock wait || exit 3
    restore_files
    finish "the host was rebooted before the commit" exact
    # systemd has read the unit that brought us here, which is gone.
    [ -d /run/systemd/system ] && timeout 10 systemctl --no-block daemon-reload
    ;;
disarm)
    lock now || exit 3
    forget
    clear_up
    ;;
*) exit 2 ;;
esac
exit
"""

SCRIPT = _START + STATE + RESTORE + _COMMANDS
