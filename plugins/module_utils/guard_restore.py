# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the guard restores: the second part of its program on the target (guard_script.py), in POSIX sh.

Every function compares with what there is now and changes only what differs, so that a second one does nothing. What
it needs for itself is written to $tmp, which is in memory: a full disk hinders nothing.
"""

from __future__ import annotations

RESTORE = r"""
# Lines of file $1 that are not in file $2.
only_in() {
    awk 'FILENAME == ARGV[1] { other[$0] = 1; next } !($0 in other)' "$2" "$1"
}

# Tables that are new go, those that differ are made again, all at once. Where that fails, the new ones go at least.
# Tables that a program owns are its own business.
restore_tables() {
    awk '
    FILENAME == ARGV[1] { tables_then[$0] = 1; next }
    FILENAME == ARGV[2] { tables_now[$0] = 1; next }
    /^#/ { next }
    /^table / { key = $2 " " $3 }
    /^\tflags .*owner/ { owned[key] = 1 }
    FILENAME == ARGV[3] { then[key] = then[key] $0 "\n"; next }
    { now[key] = now[key] $0 "\n" }
    END {
        for (key in tables_now) if (!(key in tables_then) && !(key in owned)) print "delete table " key
        print "# those that were there"
        for (key in now) if (key in tables_then && !(key in then) && !(key in owned)) print "delete table " key
        for (key in then) if (then[key] != now[key] && !(key in owned)) {
            if (key in tables_now) print "delete table " key
            printf "%s", then[key]
        }
    }' "$dir/tables" "$1/tables" "$dir/native" "$1/native" >"$tmp/nft"
    grep -qv '^#' "$tmp/nft" || return 0
    nft -f "$tmp/nft" || sed '/^# those/,$d' "$tmp/nft" | nft -f -
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
    : >>"$tmp/now/$program.rules"
    saved=$dir/$program.rules
    [ -e "$saved" ] || saved=/dev/null
    [ "$(plain_rules "$family" <"$saved")" = "$(plain_rules "$family" <"$tmp/now/$program.rules")" ] && return 0
    {
        cat "$saved"
        # A table that was not there then is emptied.
        sed -n 's/^\*//p' "$tmp/now/$program.rules" | while read -r table; do
            grep -qxF "*$table" "$saved" || empty_table "$table"
        done
    } | "$program-restore" -w 10
}

# The native tables first: one that took the name of a table of iptables stands in its way. And at the end, since
# iptables makes a table that was not there to say that it is empty.
restore_firewall() {
    restore_tables "$tmp/now"
    cat "$dir/programs" "$tmp/now/programs" | sort -u | while read -r program family; do
        restore_rules "$program" "$family"
    done
    look_firewall "$tmp/now"
    restore_tables "$tmp/now"
}

same_file() {
    if [ -L "$1" ] || [ -L "$2" ]; then
        [ -L "$1" ] && [ -L "$2" ] && [ "$(readlink -- "$1")" = "$(readlink -- "$2")" ]
    else
        [ -f "$2" ] && cmp -s -- "$1" "$2" && [ "$(stat -c '%a %u:%g' -- "$1")" = "$(stat -c '%a %u:%g' -- "$2")" ]
    fi
}

# Put one file back, whole or not at all. Where there is no room for a copy, the saved file itself gets a second name.
restore_file() {
    mkdir -p -- "${2%/*}"
    new=$2.guard.$$
    if ! cp -a -- "$1" "$new"; then
        rm -f -- "$new"
        cp -al -- "$1" "$new" || return 1
    fi
    [ -L "$new" ] || sync "$new"
    mv -fT -- "$new" "$2" && sync "${2%/*}"
}

restore_files() {
    files_changed=no
    # The new ones first, which makes room.
    listing >"$tmp/listing"
    while IFS= read -r path; do
        if [ ! -e "$dir/files$path" ] && [ ! -L "$dir/files$path" ]; then
            rm -f -- "$path"
            files_changed=yes
        fi
    done <"$tmp/listing"
    (cd "$dir/files" && find . ! -type d) >"$tmp/listing"
    while IFS= read -r path; do
        path=${path#.}
        if ! same_file "$dir/files$path" "$path"; then
            restore_file "$dir/files$path" "$path"
            files_changed=yes
        fi
    done <"$tmp/listing"
    folders >"$tmp/folders"
    # The deepest first; a folder that holds anything else stays.
    sort -r "$tmp/folders" | while IFS= read -r path; do
        grep -qxF -- "$path" "$dir/folders" || rmdir -- "$path" 2>/dev/null
    done
}

restore_links() {
    only_in "$dir/links" "$tmp/now/links" | while IFS='|' read -r device up arp multicast mtu master; do
        # Each for itself: what one kind of interface refuses must not keep the others back.
        for words in "$master" "$mtu" "$arp" "$multicast" "$up"; do
            # shellcheck disable=SC2086 # words
            IFS=' ' && ip link set dev "$device" $words
        done
    done
}

# Twice, since some change others.
restore_sysctls() {
    for round in 1 2; do
        sysctls >"$tmp/sysctls"
        only_in "$dir/sysctls" "$tmp/sysctls" | while read -r path value; do
            [ -w "/proc/sys/net/$path" ] && printf '%s\n' "$value" >"/proc/sys/net/$path"
        done
    done
}

restore_addresses() {
    addresses >"$tmp/addresses"
    awk -F '|' 'FILENAME == ARGV[1] { old[$1] = 1; next } !($1 in old) && $2 != "dynamic" { print $1 }' \
        "$dir/addresses" "$tmp/addresses" |
        while read -r device family words; do
            # shellcheck disable=SC2086 # an address, perhaps with its peer
            ip addr del $words dev "$device"
        done
    addresses >"$tmp/addresses"
    awk -F '|' 'FILENAME == ARGV[1] { now[$1 "|" $2] = 1; next } !(($1 "|" $2) in now) { print $1 "|" $3 }' \
        "$tmp/addresses" "$dir/addresses" |
        while IFS='|' read -r key words; do
            IFS=' '
            # shellcheck disable=SC2086 # words
            set -- $key
            device=$1
            shift 2
            # shellcheck disable=SC2086 # words
            ip addr replace "$@" dev "$device" $words
        done
}

restore_neighbours() {
    neighbours >"$tmp/neighbours"
    only_in "$tmp/neighbours" "$dir/neighbours" | while read -r address device name rest; do
        ip neigh del "$address" dev "$name"
    done
    only_in "$dir/neighbours" "$tmp/neighbours" | while read -r words; do
        # shellcheck disable=SC2086 # words
        ip neigh replace $words nud permanent
    done
}

restore_routes() {
    # Twice: a route may need another one to be there first.
    for round in 1 2; do
        routes >"$tmp/routes"
        awk -F '|' 'FILENAME == ARGV[1] { old[$1 "|" $2] = 1; next } !(($1 "|" $2) in old) { print }' \
            "$dir/routes" "$tmp/routes" |
            while IFS='|' read -r family words life; do
                IFS=' '
                # shellcheck disable=SC2086 # words
                ip -"$family" route del $words
            done
        awk -F '|' 'FILENAME == ARGV[1] { now[$1 "|" $2] = 1; next } !(($1 "|" $2) in now) { print }' \
            "$tmp/routes" "$dir/routes" |
            while IFS='|' read -r family words life; do
                IFS=' '
                # shellcheck disable=SC2086 # words
                ip -"$family" route replace $words $life
            done
    done 2>/dev/null
}

restore_policies() {
    policies >"$tmp/policies"
    only_in "$dir/policies" "$tmp/policies" | while IFS='|' read -r family words; do
        # shellcheck disable=SC2086 # words
        IFS=' ' && ip -"$family" rule add $words
    done
    only_in "$tmp/policies" "$dir/policies" | while IFS='|' read -r family words; do
        # shellcheck disable=SC2086 # words
        IFS=' ' && ip -"$family" rule del $words
    done
}

# What ran reads its files again, or is started again; what did not run is stopped.
restore_units() {
    [ -s "$dir/units" ] || return 0
    units >"$tmp/units"
    while read -r unit before; do
        now=$(sed -n "s/^$unit //p" "$tmp/units")
        if [ "$before" = active ]; then
            [ "$now" = active ] || timeout 10 systemctl reset-failed "$unit"
            if [ "$now" != active ] || [ "$files_changed" = yes ]; then
                timeout 30 systemctl reload-or-restart "$unit"
            fi
        elif [ "$now" = active ]; then
            timeout 30 systemctl stop "$unit"
        fi
    done <"$dir/units"
}

restore_all() {
    rm -rf "$tmp/now"
    mkdir "$tmp/now"
    look "$tmp/now"
    restore_firewall
    restore_files
    restore_links
    restore_sysctls
    restore_addresses
    restore_neighbours
    restore_policies
    restore_routes
    restore_units
}
"""
