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
#   boot     restore the files only, after a restart: the kernel starts afresh anyway
#   disarm   forget everything, restore nothing: this is the commit
# Restoring twice does no harm. A hang-up signal does nothing. It ends with 4 where it could not restore everything: the
# record is then kept in DIRECTORY.failed.
set -u
# Names are expanded only where that is meant.
set -f
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
newline='
'
tab=$(printf '\t')
code=0
tmp=
trap '[ -z "$tmp" ] || rm -rf "$tmp"' EXIT

# A folder for what is needed meanwhile: in memory if possible, so that a full disk is in nobody's way. That there is
# room is tried: so much as the record and what is made of it.
room() {
    [ -z "$tmp" ] || rm -rf "$tmp"
    size=$(stat -c %s "$dir/state" 2>/dev/null) || size=100000
    for place in /run /dev/shm "${dir%/*}" /var/tmp /tmp; do
        tmp=$place/$unit.$$
        mkdir "$tmp" 2>/dev/null || continue
        head -c $((size * 4 + 262144)) /dev/zero 2>/dev/null >"$tmp/room" && rm -f "$tmp/room" && return 0
        rm -rf "$tmp"
    done
    echo "no room in /run, /dev/shm, ${dir%/*}, /var/tmp and /tmp" >&2
    return 1
}

# Every program that may hang has a limit. One that did is not asked again before there is another room.
seconds=20
if command -v timeout >/dev/null; then
    timed() { timeout -k 1 "$@"; }
else
    timed() { shift && "$@"; }
fi
bounded() {
    [ ! -e "$tmp/hung.$1" ] || return 124
    timed "$seconds" "$@"
    status=$?
    case $status in
    124 | 137)
        : >"$tmp/hung.$1"
        beat
        ;;
    esac
    return "$status"
}
ip() { bounded ip "$@"; }
nft() { bounded nft "$@"; }

# What tells one boot from another. Containers share the kernel, but not the first process.
boot_of_now() {
    cat /proc/sys/kernel/random/boot_id
    sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20
}
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

# A process and its group: the holders have sessions of their own, the shell and its sleep.
stop() {
    kill -9 -"$1" 2>/dev/null || kill -9 "$1"
}

# Remove every other trace and stop the holders, but not the one that runs this.
clear_up() {
    # What once failed has none, and another guard may be there.
    case $dir in *.failed) return ;; esac
    rm -f "$boot_link" "$boot_unit"
    rmdir "${boot_link%/*}" 2>/dev/null
    # systemd may have read the unit meanwhile.
    if [ -d /run/systemd/system ] && [ "$(timed 10 systemctl show -P LoadState "${boot_unit##*/}")" = loaded ]; then
        timed 10 systemctl --no-block daemon-reload
    fi 2>/dev/null
    killed=none
    if [ -n "$holder" ] && [ "$holder" != $$ ] && ours "$holder"; then
        stop "$holder"
        killed=$holder
    fi
    if [ -e "/run/systemd/transient/$unit.timer" ]; then
        timed 10 systemctl stop "$unit.timer"
    fi 2>/dev/null
    if [ -e "/run/systemd/transient/$unit.service" ] &&
        [ "$(timed 10 systemctl show -P MainPID "$unit.service")" != $$ ]; then
        timed 10 systemctl stop "$unit.service"
    fi 2>/dev/null
    # What a holder that was killed has left.
    set +f
    for left in /run/"$unit".[0-9]* /dev/shm/"$unit".[0-9]* "${dir%/*}/$unit".[0-9]* /var/tmp/"$unit".[0-9]* \
        /tmp/"$unit".[0-9]*; do
        if [ "$left" != "$tmp" ] && [ -O "$left" ] && { [ "${left##*.}" = "$killed" ] || ! ours "${left##*.}"; }; then
            rm -rf "$left"
        fi
    done
    set -f
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
# process. A dead owner's lock is taken over, and that of one that has shown no sign of life for long.
lock() {
    waited=0
    seen=
    while ! mv -T "$dir/free" "$dir/held.$$" 2>/dev/null; do
        mine || return 1
        held=$(find "$dir" -maxdepth 1 -name 'held.*' 2>/dev/null | head -n 1)
        if [ -n "$held" ]; then
            if ! ours "${held##*.}"; then
                mv -T "$held" "$dir/held.$$" 2>/dev/null && return 0
            elif [ "$1" != wait ]; then
                return 1
            fi
            sign="$held $(stat -c %y "$held" 2>/dev/null)"
            if [ "$sign" = "$seen" ]; then
                waited=$((waited + 1))
                [ "$waited" -lt "$patience" ] || stop "${held##*.}"
            else
                waited=0
                seen=$sign
            fi
        fi
        sleep 0.2
    done
}
# Times 0.2 seconds: more than anything between two signs may take.
patience=225

beat() {
    touch -c "$dir/held.$$" 2>/dev/null
}

result() {
    note=${dir%.failed}.result
    printf '%s\n%s\n%s\n%s\n' "$owned" "$1" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" "$2" >"$note.$$" &&
        mv -fT "$note.$$" "$note" && return 0
    rm -f "$note.$$"
    return 1
}

# Say what was done, and go. On a full disk there is only then room to say it.
finish() {
    owned=$(cat "$dir/token")
    if result "$1" exact; then
        forget
    else
        forget
        result "$1" exact
    fi
    clear_up
}

# Nobody comes back, but what was recorded is kept under another name: whoever mends what was in the way tries again.
give_up() {
    code=4
    owned=$(cat "$dir/token")
    failed=${dir%.failed}.failed
    result "$1" "$2; 'sh $failed/guard.sh restore $failed' tries again"
    holder=
    [ -r "$dir/holder" ] && read -r holder <"$dir/holder"
    rm -f "$dir/holder"
    mv -T "$dir/held.$$" "$dir/free"
    if [ "$dir" != "$failed" ]; then
        rm -rf "$failed"
        mv -T "$dir" "$failed" && sync "${dir%/*}"
    fi
    clear_up
}

# Give back and compare, or say what differs. $dir must be locked.
restore() {
    differs=
    for seconds in 1 6 20; do
        beat
        room
        restore_all 2>>"$tmp/errors"
        # Who did not answer is asked again with more patience.
        [ "$seconds" = 20 ] || [ -z "$(silent)" ] || continue
        if state >"$tmp/again" 2>/dev/null && cmp -s "$dir/state" "$tmp/again"; then
            finish "$1"
            return
        fi
        differs="differs: $(shown "$dir/state" "$tmp/again")"
        if [ -n "$(silent)" ]; then
            differs="no answer: $(silent); $differs"
        else
            sleep 1
        fi
    done
    give_up "$1" "$differs"
}

shown() {
    diff "$1" "$2" | sed -n 's/^\([<>]\)/\1/p' | head -n 5 | tr '\n' ';'
}

# The kernel starts afresh, so files are all that is left to give back.
restore_at_boot() {
    room
    restore_files
    grep -E '^(file|leads|content|folder) ' "$dir/state" >"$tmp/then"
    fingerprints >"$tmp/again"
    if cmp -s "$tmp/then" "$tmp/again"; then
        finish "the host was rebooted before the commit"
    else
        give_up "the host was rebooted before the commit" "differs: $(shown "$tmp/then" "$tmp/again")"
    fi
}

hold() {
    while mine; do
        # Hundredths of a second count: what is left of a window is time in which nobody gets in.
        read -r now rest </proc/uptime
        # A deadline that can't be read is over.
        { read -r deadline <"$dir/deadline"; } 2>/dev/null || deadline=0
        left=$((deadline * 100 - ${now%.*} * 100 - 1${now#*.} + 100))
        if [ "$left" -gt 0 ]; then
            sleep "$((left / 100)).$((left / 10 % 10))$((left % 10))"
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
save)
    room || exit 1
    save
    ;;
state)
    room || exit 1
    state || code=1
    ;;
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
    # The unit is started, too, when a running system goes to another target: its guard is still there.
    [ "$(boot_of_now)" != "$(cat "$dir/boot" 2>/dev/null)" ] || exit 0
    lock wait || exit 3
    restore_at_boot
    ;;
disarm)
    lock now || exit 3
    forget
    clear_up
    ;;
*) exit 2 ;;
esac
exit "$code"
"""

SCRIPT = _START + STATE + RESTORE + _COMMANDS
