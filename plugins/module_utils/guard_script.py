# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's own program on the target: POSIX sh, so that it works when Python, ssh and the controller are gone.

It is a fixed text: what it acts on lies in files beside it, and nothing of the inventory ever becomes part of it.
"""

from __future__ import annotations

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

SCRIPT = r"""#!/bin/sh
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

# Each address: interface, family and address | its lifetime | the words that make it again.
addresses() {
    ip -o addr show | awk '
    $3 == "inet" || $3 == "inet6" {
        gsub(/\\/, " ")
        device = $2; sub(/@.*/, "", device); sub(/:$/, "", device)
        key = device " " $3 " " $4; words = ""; lifetime = ""; mark = ""; temporary = 0
        for (i = 5; i <= NF; i++) {
            if ($i == "peer") { key = key " peer " $(i + 1); i++ }
            else if ($i == "brd" || $i == "scope" || $i == "metric") { words = words " " $i " " $(i + 1); i++ }
            else if ($i == "valid_lft" || $i == "preferred_lft") {
                value = $(i + 1); sub(/sec$/, "", value); lifetime = lifetime " " $i " " value; i++
            }
            else if ($i == "proto") i++
            else if ($i == "dynamic") mark = "dynamic"
            else if ($i == "temporary") temporary = 1
            else if ($i ~ /^(noprefixroute|home|nodad|mngtmpaddr|optimistic|autojoin)$/) words = words " " $i
            else if ($i ~ /^(tentative|dadfailed|deprecated|secondary|permanent|stable-privacy)$/) continue
            else if ($3 == "inet") words = words " label " $i
        }
        if (temporary) next
        if (mark == "") mark = lifetime
        print key "|" mark "|" words lifetime
    }'
}

# Each route of every table but the kernel's own: family | the route | how long it lives.
routes() {
    for family in 4 6; do
        ip -o -$family route show table all 2>/dev/null | awk -v family=$family '
        / table (local|unspec)( |$)/ || /^(local|broadcast|anycast|multicast) / || / metric 4294967295( |$)/ { next }
        {
            gsub(/\\/, " ")
            key = ""; life = ""
            for (i = 1; i <= NF; i++) {
                if ($i == "expires") { life = $(i + 1); sub(/sec$/, "", life); life = " expires " life; i++ }
                else if ($i == "error" || ($i == "pref" && $(i + 1) == "medium")) i++
                else if ($i !~ /^(linkdown|dead|offload|trap|rt_offload|rt_trap)$/) key = key " " $i
            }
            print family "|" substr(key, 2) "|" life
        }'
    done
}

# Each sysctl with its value; "all" and "default" first, since they change the others. Not with "read": sh reads byte
# by byte, and the kernel gives out such a file in one piece or not at all.
sysctls() {
    tree=/proc/sys/net/ipv6/conf
    set -- /proc/sys/net/ipv4/ip_forward
    for folder in "$tree/all" "$tree/default" "$tree"/*; do
        for key in disable_ipv6 forwarding accept_ra autoconf use_tempaddr; do
            set -- "$@" "$folder/$key"
        done
    done
    grep -sH '' "$@" | sed 's/:/ /' | awk '!seen[$1]++'
}

# The rules of one family as they are compared: no counters, no comments, no table that does nothing.
plain_rules() {
    awk -v family="$1" '
    /^#/ { next }
    /^\*/ { table = substr($0, 2); text = ""; real = 0; next }
    /^COMMIT/ { if (real) printf "%s", text; next }
    {
        sub(/^\[[0-9]+:[0-9]+\] /, ""); sub(/ \[[0-9]+:[0-9]+\]$/, ""); sub(/ +$/, "")
        text = text "rule " family " " table "|" $0 "\n"
        if ($0 ~ /^-/ || $2 != "ACCEPT") real = 1
    }' | sort -s -t '|' -k 1,1
}

saved_rules() {
    if command -v "$1-save" >/dev/null; then "$1-save" 2>/dev/null; fi
}

# All files that the patterns name now, and those that links among them lead to.
listing() {
    (
        IFS=
        while read -r pattern; do
            # The pattern is expanded here, and nowhere split.
            for path in $pattern; do
                if [ -L "$path" ]; then
                    printf '%s\n' "$path"
                    real=$(readlink -f -- "$path") && [ -f "$real" ] && printf '%s\n' "$real"
                elif [ -f "$path" ]; then
                    printf '%s\n' "$path"
                fi
            done
        done <"$dir/patterns"
    ) | sort -u
}

fingerprints() {
    listing >"$dir/listing.$$"
    xargs -r -d '\n' stat -c 'file %N %F %a %u:%g' -- <"$dir/listing.$$" 2>/dev/null
    xargs -r -d '\n' sha256sum -- <"$dir/listing.$$" 2>/dev/null | sed 's/^/content /'
    rm -f "$dir/listing.$$"
}

folders() {
    (
        IFS=
        while read -r pattern; do
            for path in ${pattern%/*}; do [ -d "$path" ] && printf '%s\n' "$path"; done
        done <"$dir/patterns"
    ) | sort -u
}

describe() {
    sed 's/|[^|]*$//; s/^/address /' "$1/addresses"
    sed 's/|[^|]*$//; s/^/route /' "$1/routes"
    sed 's/^/sysctl /' "$1/sysctls"
    plain_rules ipv4 <"$1/iptables.rules"
    plain_rules ipv6 <"$1/ip6tables.rules"
}

look() {
    addresses >"$1/addresses"
    routes >"$1/routes"
    sysctls >"$1/sysctls"
    saved_rules iptables >"$1/iptables.rules"
    saved_rules ip6tables >"$1/ip6tables.rules"
}

# With tar, not with "cp --parents", which trips over folders that it meets twice.
save_files() {
    mkdir "$dir/files"
    listing | sed 's,^/,,' >"$dir/listing.$$"
    if [ -s "$dir/listing.$$" ]; then
        tar -C / -cf - --format=posix --no-recursion --verbatim-files-from -T "$dir/listing.$$" |
            tar -C "$dir/files" --numeric-owner -xpf - || exit 1
    fi
    rm -f "$dir/listing.$$"
    folders >"$dir/folders"
}

save() {
    look "$dir"
    save_files
    { describe "$dir"; fingerprints; } >"$dir/state"
}

state() {
    now=$dir/now.$$
    mkdir "$now" || return 1
    look "$now"
    describe "$now"
    fingerprints
    rm -rf "$now"
}

empty_table() {
    case $1 in
    filter) chains='INPUT FORWARD OUTPUT' ;;
    nat) chains='PREROUTING INPUT OUTPUT POSTROUTING' ;;
    mangle) chains='PREROUTING INPUT FORWARD OUTPUT POSTROUTING' ;;
    raw) chains='PREROUTING OUTPUT' ;;
    security) chains='INPUT FORWARD OUTPUT' ;;
    *) return ;;
    esac
    printf '*%s\n' "$1"
    for chain in $chains; do printf ':%s ACCEPT [0:0]\n' "$chain"; done
    printf 'COMMIT\n'
}

restore_rules() {
    program=$1
    family=$2
    command -v "$program-restore" >/dev/null || return 0
    then=$(plain_rules "$family" <"$dir/$program.rules")
    [ "$then" = "$(saved_rules "$program" | plain_rules "$family")" ] && return 0
    # A table that was not there then is emptied, and where it can be, removed.
    new=
    for table in $(saved_rules "$program" | sed -n 's/^\*//p'); do
        grep -qx "\*$table" "$dir/$program.rules" || new="$new $table"
    done
    {
        cat "$dir/$program.rules"
        for table in $new; do empty_table "$table"; done
    } | "$program-restore" -w 10
    case $("$program-restore" --version) in
    *nf_tables*)
        if command -v nft >/dev/null; then
            for table in $new; do nft delete table "$3" "$table" 2>/dev/null; done
        fi
        ;;
    esac
    return 0
}

same_file() {
    if [ -L "$1" ] || [ -L "$2" ]; then
        [ -L "$1" ] && [ -L "$2" ] && [ "$(readlink -- "$1")" = "$(readlink -- "$2")" ]
    else
        [ -f "$2" ] && cmp -s -- "$1" "$2" && [ "$(stat -c '%a %u:%g' -- "$1")" = "$(stat -c '%a %u:%g' -- "$2")" ]
    fi
}

restore_files() {
    files_changed=no
    listing >"$dir/listing.$$"
    while IFS= read -r path; do
        if [ ! -e "$dir/files$path" ] && [ ! -L "$dir/files$path" ]; then
            rm -f -- "$path"
            files_changed=yes
        fi
    done <"$dir/listing.$$"
    (cd "$dir/files" && find . ! -type d) >"$dir/listing.$$"
    while IFS= read -r path; do
        path=${path#.}
        if ! same_file "$dir/files$path" "$path"; then
            mkdir -p -- "${path%/*}"
            cp -a -- "$dir/files$path" "$path.guard.$$"
            [ -L "$path.guard.$$" ] || sync "$path.guard.$$"
            mv -fT -- "$path.guard.$$" "$path"
            files_changed=yes
        fi
    done <"$dir/listing.$$"
    rm -f "$dir/listing.$$"
    folders >"$dir/folders.$$"
    # The deepest first; a folder that holds anything else stays.
    sort -r "$dir/folders.$$" | while IFS= read -r path; do
        grep -qxF -- "$path" "$dir/folders" || rmdir -- "$path" 2>/dev/null
    done
    rm -f "$dir/folders.$$"
}

restore_sysctls() {
    while read -r path value; do
        [ -w "$path" ] && [ "$(cat "$path")" != "$value" ] && printf '%s\n' "$value" >"$path"
    done <"$dir/sysctls"
}

restore_addresses() {
    addresses >"$dir/now.addresses"
    awk -F '|' 'FILENAME == ARGV[1] { old[$1] = 1; next } !($1 in old) && $2 != "dynamic" { print $1 }' \
        "$dir/addresses" "$dir/now.addresses" |
        while read -r device family words; do
            # shellcheck disable=SC2086 # an address, perhaps with its peer
            ip addr del $words dev "$device"
        done
    addresses >"$dir/now.addresses"
    awk -F '|' 'FILENAME == ARGV[1] { now[$1 "|" $2] = 1; next } !(($1 "|" $2) in now) { print $1 "|" $3 }' \
        "$dir/now.addresses" "$dir/addresses" |
        while IFS='|' read -r key words; do
            IFS=' '
            # shellcheck disable=SC2086 # words
            set -- $key
            device=$1
            shift 2
            # shellcheck disable=SC2086 # words
            ip addr replace "$@" dev "$device" $words
        done
    rm -f "$dir/now.addresses"
}

restore_routes() {
    # Twice: a route may need another one to be there first.
    for round in 1 2; do
        routes >"$dir/now.routes"
        awk -F '|' 'FILENAME == ARGV[1] { old[$1 "|" $2] = 1; next } !(($1 "|" $2) in old) { print }' \
            "$dir/routes" "$dir/now.routes" |
            while IFS='|' read -r family words life; do
                IFS=' '
                # shellcheck disable=SC2086 # words
                ip -"$family" route del $words
            done
        awk -F '|' 'FILENAME == ARGV[1] { now[$1 "|" $2] = 1; next } !(($1 "|" $2) in now) { print }' \
            "$dir/now.routes" "$dir/routes" |
            while IFS='|' read -r family words life; do
                IFS=' '
                # shellcheck disable=SC2086 # words
                ip -"$family" route replace $words $life
            done
    done 2>/dev/null
    rm -f "$dir/now.routes"
}

reload_services() {
    [ "$files_changed" = yes ] && [ -s "$dir/services" ] && [ -d /run/systemd/system ] || return 0
    while read -r service; do
        timeout 30 systemctl try-reload-or-restart "$service"
    done <"$dir/services"
}

restore_all() {
    restore_rules iptables ipv4 ip
    restore_rules ip6tables ipv6 ip6
    restore_files
    restore_sysctls
    restore_addresses
    restore_routes
    reload_services
}

# Remove every trace and stop the holders, but not the one that runs this. Once the folder has its other name, no
# holder finds anything to restore: that is the moment of the commit.
forget() {
    holder=
    [ -r "$dir/holder" ] && read -r holder <"$dir/holder"
    mv -T "$dir" "$dir.gone.$$" && rm -rf "$dir.gone.$$"
    rm -f "$boot_link" "$boot_unit"
    rmdir "${boot_link%/*}" 2>/dev/null
    if [ -n "$holder" ] && [ "$holder" != $$ ] && [ -r "/proc/$holder/cmdline" ]; then
        # The process group of its own session: the shell and its sleep.
        case $(tr '\0' ' ' <"/proc/$holder/cmdline") in
        *"guard.sh process "*) kill -9 -"$holder" 2>/dev/null ;;
        esac
    fi
    if [ -e "/run/systemd/transient/$unit.timer" ]; then
        timeout 10 systemctl stop "$unit.timer"
    fi 2>/dev/null
    if [ -e "/run/systemd/transient/$unit.service" ] &&
        [ "$(timeout 10 systemctl show -P MainPID "$unit.service")" != $$ ]; then
        timeout 10 systemctl stop "$unit.service"
    fi 2>/dev/null
    return 0
}

mine() {
    [ -d "$dir" ] || return 1
    [ -z "$token" ] && return 0
    [ "$(cat "$dir/token" 2>/dev/null)" = "$token" ]
}

# The lock is a folder: to make one is atomic. A dead owner's lock is taken over.
lock() {
    while ! mkdir "$dir/lock" 2>/dev/null; do
        mine || return 1
        owner=
        [ -r "$dir/lock/pid" ] && read -r owner <"$dir/lock/pid"
        if [ -z "$owner" ]; then
            sleep 0.2
            [ -r "$dir/lock/pid" ] && continue
        elif kill -0 "$owner" 2>/dev/null; then
            [ "$1" = wait ] || return 1
            sleep 0.2
            continue
        fi
        mine || return 1
        rm -rf "$dir/lock"
    done
    printf '%s\n' $$ >"$dir/lock/pid"
}

result() {
    printf '%s\n%s\n%s\n%s\n' "$(cat "$dir/token")" "$1" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" "$2" >"$dir.result.$$"
    mv -fT "$dir.result.$$" "$dir.result"
}

restore() {
    lock wait || return 0
    exact=no
    for try in 1 2 3; do
        restore_all 2>>"$dir/errors"
        state >"$dir/again"
        if cmp -s "$dir/state" "$dir/again"; then
            exact=exact
            break
        fi
        sleep 1
    done
    if [ "$exact" = no ]; then
        exact="differs: $(diff "$dir/state" "$dir/again" | sed -n 's/^\([<>]\)/\1/p' | head -n 5 | tr '\n' ';')"
    fi
    result "$1" "$exact"
    forget
}

hold() {
    while mine; do
        read -r now rest </proc/uptime
        read -r deadline <"$dir/deadline" || return 0
        left=$((deadline - ${now%.*}))
        [ "$left" -gt 0 ] || break
        sleep "$left"
    done
    mine || return 0
    restore "the time was over without a commit"
}

case $command in
save) save ;;
state) state ;;
hold) hold ;;
process)
    printf '%s\n' $$ >"$dir/holder"
    hold
    ;;
restore) restore "asked for" ;;
boot)
    restore_files
    result "the host was rebooted before the commit" exact
    forget
    ;;
disarm)
    lock now || exit 3
    forget
    ;;
*) exit 2 ;;
esac
exit
"""
