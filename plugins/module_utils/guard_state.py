# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard records: the first half of its program on the target (guard_script.py), in POSIX sh.

Every function prints what there is now, a line each. What it prints is compared, and is enough to make it again.
"""

from __future__ import annotations

STATE = r"""
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

# Each policy rule: family | the rule.
policies() {
    for family in 4 6; do
        ip -$family rule show 2>/dev/null |
            sed "s/ \[[a-z]*\]//g; s/[[:space:]]*\$//; s/^\([0-9]*\):[[:space:]]*/$family|pref \1 /"
    done
}

# Each interface: name | whether it is up | how it resolves | its MTU | its bridge or bond.
links() {
    ip -o link show | awk '{
        device = $2; sub(/@.*/, "", device); sub(/:$/, "", device)
        flags = $3; gsub(/[<>]/, ",", flags)
        mtu = ""; master = "nomaster"
        for (i = 4; i < NF; i++) {
            if ($i == "mtu" && mtu == "") mtu = $(i + 1)
            if ($i == "master") master = "master " $(i + 1)
            if ($i ~ /^link\//) break
        }
        print device "|" (flags ~ /,UP,/ ? "up" : "down") "|arp " (flags ~ /,NOARP,/ ? "off" : "on") \
            "|multicast " (flags ~ /,MULTICAST,/ ? "on" : "off") "|mtu " mtu "|" master
    }'
}

# Each neighbour that somebody has set.
neighbours() {
    ip -o neigh show nud permanent 2>/dev/null | awk '
    { for (i = 2; i < NF; i++) if ($i == "lladdr") { print $1 " dev " $3 " lladdr " $(i + 1); next } }'
}

# Each sysctl with its value: those that change others first. Not with "read": sh reads byte by byte, and the kernel
# gives out such a file in one piece or not at all. Not the directories of interfaces that were not there then.
sysctls() {
    (
        cd /proc/sys/net || exit 0
        grep -sH -d skip '' ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/all/* ipv4/conf/default/* \
            ipv6/conf/all/* ipv6/conf/default/* ipv4/conf/*/* ipv6/conf/*/* ipv4/ip_* ipv4/icmp_* ipv6/* bridge/*
    ) | sed 's/:/ /' | awk '!seen[$1]++'
}

# The commands for rules that are there: the back ends nft and legacy side by side, and their families. A kernel
# without legacy tables is not asked for them.
programs() {
    for family in ipv4 ipv6; do
        ip=ip
        [ $family = ipv4 ] || ip=ip6
        if command -v ${ip}tables-nft-save >/dev/null; then
            echo "${ip}tables-nft $family"
            read -r table 2>/dev/null </proc/net/${ip}_tables_names && command -v ${ip}tables-legacy-save >/dev/null &&
                echo "${ip}tables-legacy $family-legacy"
        elif command -v ${ip}tables-save >/dev/null; then
            echo "${ip}tables $family"
        fi
    done
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

# All nftables tables, and what is in those that iptables does not keep. $1 is a folder with the rules of iptables.
native_tables() {
    : >"$1/tables"
    command -v nft >/dev/null || return 0
    nft list tables 2>/dev/null | sed -n 's/^table //p' >"$1/tables"
    while read -r family table; do
        case $family in
        ip) grep -qsxF "*$table" "$1/iptables-nft.rules" "$1/iptables.rules" && continue ;;
        ip6) grep -qsxF "*$table" "$1/ip6tables-nft.rules" "$1/ip6tables.rules" && continue ;;
        esac
        nft -s list table "$family" "$table" 2>/dev/null
    done <"$1/tables"
}

# The same as it is compared: what packets themselves put into a set is left out, the order of tables means nothing.
plain_tables() {
    awk '
    /^#/ { next }
    /^table / { table = "nft " $2 " " $3 "|" }
    /^\tset / || /^\tmap / { dynamic = 0 }
    /^\t\tflags .*dynamic/ { dynamic = 1 }
    /^\t\telements = / && dynamic { skip = 1 }
    !skip { print table $0 }
    skip && /}$/ { skip = 0 }' | sort -s -t '|' -k 1,1
}

# Each unit that was named, and whether it runs.
units() {
    if [ -s "$dir/services" ] && [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2046 # names without spaces
        timeout 10 systemctl is-active $(cat "$dir/services") | sed 's/^activating$/active/; s/^reloading$/active/' |
            paste -d ' ' "$dir/services" -
    fi
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
    listing >"$tmp/listing"
    xargs -r -d '\n' stat -c 'file %N %F %a %u:%g' -- <"$tmp/listing" 2>/dev/null
    xargs -r -d '\n' sha256sum -- <"$tmp/listing" 2>/dev/null | sed 's/^/content /'
}

folders() {
    (
        IFS=
        while read -r pattern; do
            for path in ${pattern%/*}; do [ -d "$path" ] && printf '%s\n' "$path"; done
        done <"$dir/patterns"
    ) | sort -u
}

look_firewall() {
    programs >"$1/programs"
    while read -r program family; do "$program-save" >"$1/$program.rules" 2>/dev/null; done <"$1/programs"
    native_tables "$1" >"$1/native"
}

# Side by side: none of them needs another one.
look() {
    addresses >"$1/addresses" &
    routes >"$1/routes" &
    policies >"$1/policies" &
    links >"$1/links" &
    neighbours >"$1/neighbours" &
    units >"$1/units" &
    look_firewall "$1" &
    sysctls >"$1/sysctls"
    wait
}

# What was looked at, as text that is compared. An interface that is new is not: whoever made it may need it.
describe() {
    sed 's/|[^|]*$//; s/^/address /' "$1/addresses"
    sed 's/|[^|]*$//; s/^/route /' "$1/routes"
    sed 's/^/policy /' "$1/policies"
    awk -F '|' 'NR == FNR { old[$1] = 1; next } $1 in old { print "link " $0 }' "$dir/links" "$1/links"
    sort "$1/neighbours" | sed 's/^/neighbour /'
    awk 'NR == FNR { old[$1] = 1; next } $1 in old { print "sysctl " $0 }' "$dir/sysctls" "$1/sysctls"
    sed 's/^/unit /' "$1/units"
    while read -r program family; do plain_rules "$family" <"$1/$program.rules"; done <"$1/programs"
    plain_tables <"$1/native"
}

# With tar, not with "cp --parents", which trips over folders that it meets twice.
save_files() {
    mkdir "$dir/files"
    listing | sed 's,^/,,' >"$tmp/listing"
    if [ -s "$tmp/listing" ]; then
        tar -C / -cf - --format=posix --no-recursion --verbatim-files-from -T "$tmp/listing" |
            tar -C "$dir/files" --numeric-owner -xpf - || exit 1
    fi
    folders >"$dir/folders"
}

save() {
    look "$dir"
    save_files
    { describe "$dir"; fingerprints; } >"$dir/state"
}

state() {
    rm -rf "$tmp/now"
    mkdir "$tmp/now" || return 1
    look "$tmp/now"
    describe "$tmp/now"
    fingerprints
}
"""
