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
    : >"$tmp/rules_changed"
    {
        cat "$saved"
        # A table that was not there then is emptied; nft has those that were mixed.
        sed -n 's/^\*//p' "$tmp/now/$program.rules" | while read -r table; do
            case $program in
            *legacy) ;;
            *) grep -qxF "${program%tables*} $table" "$dir/mixed" && continue ;;
            esac
            grep -qxF "*$table" "$saved" || empty_table "$table"
        done
    } | bounded "$program-restore" -w 10
}

# The native tables first: one that took the name of a table of iptables stands in its way. And once more after rules
# were given back, since iptables makes a table that was not there to say that it is empty.
restore_firewall() {
    look_firewall "$tmp/now"
    restore_tables "$tmp/now"
    cat "$dir/programs" "$tmp/now/programs" | sort -u >"$tmp/programs"
    while read -r program family; do
        restore_rules "$program" "$family"
    done <"$tmp/programs"
    [ -e "$tmp/rules_changed" ] || return 0
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
# A folder that took its place is kept under another name. The name of the copy is one that no "*" finds.
restore_file() {
    new=${2%/*}/.guard.$$
    [ -d "${2%/*}" ] || (umask 022 && mkdir -p -- "${2%/*}")
    if [ -d "$2" ] && [ ! -L "$2" ]; then
        rmdir -- "$2" 2>/dev/null || mv -T -- "$2" "$2.moved-by-guard" || return 1
    fi
    if ! cp -a -- "$1" "$new"; then
        rm -f -- "$new"
        cp -al -- "$1" "$new" || return 1
    fi
    [ -L "$new" ] || timed 10 sync "$new"
    if ! mv -fT -- "$new" "$2"; then
        rm -f -- "$new"
        return 1
    fi
    timed 10 sync "${2%/*}"
}

# What is not a folder any more is one again, with its mode and owner. What lies behind a link is never touched.
restore_folders() {
    folders >"$tmp/folders_now"
    only_in "$dir/folders" "$tmp/folders_now" | while IFS=$tab read -r mode real path; do
        if [ "$real" = "$path" ]; then
            if [ -L "$path" ] || [ ! -d "$path" ]; then rm -f -- "$path"; fi
            [ -d "$path" ] || mkdir -p -- "$path"
        fi
        if [ "$(readlink -f -- "$path")" = "$real" ]; then
            chown "${mode#* }" -- "$path"
            chmod "${mode% *}" -- "$path"
        fi
    done
}

# Whether the folder of a file is what it was, or one without links: else it is somebody else's.
same_folder() {
    folder=${1%/*}
    real=$(readlink -f -- "$folder") || return 1
    [ "$real" = "$folder" ] || cut -f 2- "$dir/folders" | grep -qxF -- "$real$tab$folder"
}

restore_files() {
    files_changed=no
    restore_folders
    # The new ones first, which makes room.
    listing >"$tmp/listing_now"
    only_in "$tmp/listing_now" "$dir/named" >"$tmp/new"
    while IFS= read -r path; do
        if same_folder "$path"; then
            rm -f -- "$path"
            files_changed=yes
        fi
    done <"$tmp/new"
    fingerprints >"$tmp/prints"
    {
        sed -n 's/^file l[^ ]* [^ ]* //p' "$dir/state"
        only_in "$dir/state" "$tmp/prints" |
            sed -n 's/^file [^ ]* [^ ]* //p; s/^content [^\\ ]*  //p
                /^content \\/ { s/^content [^ ]*  //; s/\\\\/\\/g; p; }'
    } | sort -u >"$tmp/broken"
    while IFS= read -r path; do
        if ! same_file "$dir/files$path" "$path"; then
            restore_file "$dir/files$path" "$path"
            files_changed=yes
        fi
    done <"$tmp/broken"
    # What making it has changed: the deepest first; a folder that holds anything else stays.
    [ $files_changed = no ] || restore_folders
    cut -f 3 "$tmp/folders_now" | sort -r | while IFS= read -r path; do
        cut -f 3 "$dir/folders" | grep -qxF -- "$path" || rmdir -- "$path" 2>/dev/null
    done
}

restore_links() {
    links >"$tmp/links"
    only_in "$dir/links" "$tmp/links" | while IFS='|' read -r device up arp multicast mtu master; do
        # Each for itself: what one kind of interface refuses must not keep the others back.
        for words in "$master" "$mtu" "$arp" "$multicast" "$up"; do
            # shellcheck disable=SC2086 # words
            IFS=' ' && ip link set dev "$device" $words
        done
    done
}

# Twice, since some change others.
restore_sysctls() {
    # shellcheck disable=SC2034 # only counted
    for round in 1 2; do
        sysctls >"$tmp/sysctls"
        only_in "$dir/sysctls" "$tmp/sysctls" >"$tmp/todo_sysctls"
        [ -s "$tmp/todo_sysctls" ] || return 0
        while read -r path value; do
            [ -w "/proc/sys/net/$path" ] && printf '%s\n' "$value" >"/proc/sys/net/$path"
        done <"$tmp/todo_sysctls"
    done
}

# Those of one interface in their order: IPv4 adds a new one at the end, and the first one of a network is its primary;
# IPv6 adds it at the front. So what comes after the first difference is made again. Dynamic ones have no order in IPv6.
restore_addresses() {
    addresses >"$tmp/addresses"
    awk -F '|' 'FILENAME == ARGV[1] { old[$1] = 1; next } !($1 in old) && $2 !~ /^ dynamic/ { print $1 }' \
        "$dir/addresses" "$tmp/addresses" >"$tmp/surplus"
    delete_addresses
    awk -F '|' '
    { split($1, words, " "); group = words[1] " " words[2]; first = words[2] == "inet" }
    $2 ~ /^ dynamic/ && !first { next }
    # An IPv4 address that is there keeps its label, broadcast address and scope: it is made again for other words.
    { key = $1 (first && $2 !~ /^ dynamic/ ? "|" $2 : "|") }
    FILENAME == ARGV[1] { then[group, ++count[group]] = key; old[$1] = 1; next }
    $1 in old { now[group, ++have[group]] = key }
    END {
        for (group in have) {
            n = have[group]; m = count[group]
            if (group ~ / inet$/) {
                for (i = 1; i <= n && now[group, i] == then[group, i]; i++);
                for (; n >= i; n--) drop(now[group, n])
            } else {
                for (; n > 0 && now[group, n] == then[group, m]; n--) m--
                for (i = 1; i <= n; i++) drop(now[group, i])
            }
        }
    }
    function drop(key) { sub(/\|.*/, "", key); print key }' "$dir/addresses" "$tmp/addresses" >"$tmp/surplus"
    delete_addresses
    awk -F '|' '
    FILENAME == ARGV[1] { now[$1 "|" $2] = 1; next }
    ($1 "|" $2) in now { next }
    $1 ~ / inet / { print $1 "|" $3; next }
    { six[++count] = $1 "|" $3 }
    END { for (; count > 0; count--) print six[count] }' "$tmp/addresses" "$dir/addresses" |
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

delete_addresses() {
    [ -s "$tmp/surplus" ] || return 0
    while read -r device family words; do
        # shellcheck disable=SC2086 # an address, perhaps with its peer
        ip addr del $words dev "$device"
    done <"$tmp/surplus"
    addresses >"$tmp/addresses"
}

restore_neighbours() {
    neighbours >"$tmp/neighbours"
    only_in "$tmp/neighbours" "$dir/neighbours" | while read -r address device name rest; do
        case $address in
        # Here the words are: proxy, the address, dev, the interface.
        proxy) ip neigh del proxy "$device" dev "${rest##* }" ;;
        *) ip neigh del "$address" dev "$name" ;;
        esac
    done
    only_in "$dir/neighbours" "$tmp/neighbours" | while read -r words; do
        case $words in
        proxy*) state= ;;
        *) state='nud permanent' ;;
        esac
        # shellcheck disable=SC2086 # words
        ip neigh replace $words $state
    done
}

# Before the routes that name them; groups after their members, in the second round.
restore_nexthops() {
    # shellcheck disable=SC2034 # only counted
    for round in 1 2; do
        nexthops >"$tmp/nexthops"
        cmp -s "$dir/nexthops" "$tmp/nexthops" && return 0
        awk 'FILENAME == ARGV[1] { old[$2] = 1; next } !($2 in old) { print $2 }' "$dir/nexthops" "$tmp/nexthops" |
            while read -r id; do ip nexthop del id "$id"; done
        only_in "$dir/nexthops" "$tmp/nexthops" | while read -r words; do
            # shellcheck disable=SC2086 # words
            ip nexthop replace $words
        done
    done 2>/dev/null
}

# Routes of one destination, table, metric and type of service belong together. One is replaced; of several the order
# counts, so they go and are appended again.
restore_routes() {
    # Twice: a route may need another one to be there first.
    # shellcheck disable=SC2034 # only counted
    for round in 1 2; do
        routes >"$tmp/routes"
        awk -F '|' '
        {
            n = split($2, words, " ")
            i = words[1] ~ /^(local|broadcast|anycast|multicast|blackhole|unreachable|prohibit|throw)$/ ? 2 : 1
            group = $1 "|" words[i]
            for (i++; i < n; i++)
                if (words[i] ~ /^(table|metric|tos|from)$/) group = group " " words[i] " " words[i + 1]
        }
        FILENAME == ARGV[1] { then[group] = then[group] $2 "|"; old[group, ++count[group]] = $0; next }
        { now[group] = now[group] $2 "|"; new[group, ++have[group]] = $0 }
        END {
            for (group in now) {
                if (now[group] == then[group] || (count[group] == 1 && have[group] == 1)) continue
                for (i = 1; i <= have[group]; i++) print "del|" new[group, i]
            }
            for (group in then) {
                if (now[group] == then[group]) continue
                for (i = 1; i <= count[group]; i++) print (count[group] == 1 ? "replace|" : "append|") old[group, i]
            }
        }' "$dir/routes" "$tmp/routes" >"$tmp/todo"
        [ -s "$tmp/todo" ] || return 0
        while IFS='|' read -r verb family words life; do
            [ "$verb" = del ] && life=
            # shellcheck disable=SC2086 # words
            IFS=' ' && ip -"$family" route "$verb" $words $life
        done <"$tmp/todo"
    done 2>/dev/null
}

# Equal priorities in their order, too: a new one comes last.
restore_policies() {
    policies >"$tmp/policies"
    cmp -s "$dir/policies" "$tmp/policies" && return 0
    only_in "$dir/policies" "$tmp/policies" | policy add
    only_in "$tmp/policies" "$dir/policies" | policy del
    policies >"$tmp/policies"
    awk '
    FILENAME == ARGV[1] { then[$1, $2] = then[$1, $2] $0 "\n"; next }
    { now[$1, $2] = now[$1, $2] $0 "\n" }
    END { for (key in then) if (key in now && then[key] != now[key]) printf "%s", then[key] }' \
        "$dir/policies" "$tmp/policies" >"$tmp/order"
    policy del <"$tmp/order"
    policy add <"$tmp/order"
}

policy() {
    while IFS='|' read -r family words; do
        # shellcheck disable=SC2086 # words
        IFS=' ' && ip -"$family" rule "$1" $words
    done
}

# What ran reads its files again, or is started again; what did not run is stopped.
restore_units() {
    [ -s "$dir/units" ] || return 0
    units >"$tmp/units"
    while read -r unit before; do
        beat
        now=$(sed -n "s/^$unit //p" "$tmp/units")
        if [ "$before" = active ]; then
            [ "$now" = active ] || timed 10 systemctl reset-failed "$unit"
            if [ "$now" != active ] || [ "$files_changed" = yes ]; then
                timed 30 systemctl reload-or-restart "$unit"
            fi
        elif [ "$now" = active ]; then
            timed 30 systemctl stop "$unit"
        fi
    done <"$dir/units"
}

restore_network() {
    restore_links
    restore_sysctls
    restore_addresses
    restore_neighbours
    restore_policies
    restore_nexthops
    restore_routes
}

# Side by side: what hangs keeps nothing else back.
restore_all() {
    rm -rf "$tmp/now"
    mkdir "$tmp/now"
    restore_firewall &
    restore_network &
    restore_files
    wait
    restore_units
}
"""
