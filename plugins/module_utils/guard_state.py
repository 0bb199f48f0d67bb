# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard records: the first half of its program on the target (guard_script.py), in POSIX sh.

Every function prints what there is now, a line each. What it prints is compared, and is enough to make it again.
"""

from __future__ import annotations

STATE = r"""
# Each address: interface, family and address | its words, and how long it lives unless that is dynamic | all words that
# make it again.
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
            else if ($i == "dynamic") mark = " dynamic"
            else if ($i == "temporary") temporary = 1
            else if ($i ~ /^(noprefixroute|home|nodad|mngtmpaddr|autojoin)$/) words = words " " $i
            else if ($i ~ /^(tentative|optimistic|dadfailed|deprecated|secondary|permanent|stable-privacy)$/) continue
            else if ($3 == "inet") words = words " label " $i
        }
        if (temporary) next
        print key "|" mark words (mark == "" ? lifetime : "") "|" words lifetime
    }'
}

# Each nexthop object.
nexthops() {
    ip -o nexthop show 2>/dev/null | awk '{
        words = $1
        for (i = 2; i <= NF; i++) {
            if ($i == "scope") i++
            else if ($i !~ /^(linkdown|dead|offload|trap)$/) words = words " " $i
        }
        print words
    }'
}

# Each route but the kernel's own: family | the route | how long it lives. What a nexthop object says is not repeated.
routes() {
    for family in 4 6; do
        ip -o -$family route show table all 2>/dev/null | awk -v family=$family '
        / proto kernel( |$)/ && (/ table local( |$)/ || /^(local|broadcast|anycast|multicast) /) { next }
        / table unspec( |$)/ || / metric 4294967295( |$)/ { next }
        {
            gsub(/\\/, " ")
            key = ""; life = ""; object = 0
            for (i = 1; i <= NF; i++) {
                if ($i == "expires") { life = $(i + 1); sub(/sec$/, "", life); life = " expires " life; i++ }
                else if (object && $i == "via") i += $(i + 1) ~ /^inet6?$/ ? 2 : 1
                else if (object && $i ~ /^(dev|weight)$/) i++
                else if (object && $i ~ /^(nexthop|onlink)$/) continue
                else if ($i == "nhid") { object = 1; key = key " nhid " $(i + 1); i++ }
                else if ($i == "lock" && $(i - 1) == "rto_min") continue
                else if ($i == "error" || ($i == "pref" && $(i + 1) == "medium")) i++
                else if ($i !~ /^(linkdown|dead|offload|trap|rt_offload|rt_trap)$/) key = key " " $i
            }
            # Where nothing is said, "ip route add" puts these into another table than it shows them in.
            if (key ~ /^ (local|broadcast|anycast) / && key !~ / table /) key = key " table main"
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

# Each neighbour that somebody has set, and those that this host answers for.
neighbours() {
    ip -o neigh show nud permanent 2>/dev/null | awk '
    {
        router = / router( |$)/ ? " router" : ""
        for (i = 2; i < NF; i++) if ($i == "lladdr") { print $1 " dev " $3 " lladdr " $(i + 1) router; next }
    }'
    ip -o neigh show proxy 2>/dev/null | awk '$2 == "dev" { print "proxy " $1 " dev " $3 }'
}

# Each sysctl with its value: those that change others first. Not with "read": sh reads byte by byte, and the kernel
# gives out such a file in one piece or not at all. Not secrets.
sysctls() {
    (
        cd /proc/sys/net || exit 0
        set +f
        grep -sHZ -d skip '' ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/all/* ipv4/conf/default/* \
            ipv6/conf/all/* ipv6/conf/default/* ipv4/conf/*/* ipv6/conf/*/* ipv4/ip_* ipv4/icmp_* ipv6/* bridge/*
    ) | tr '\0' ' ' | awk '$1 !~ /stable_secret$/ && !seen[$1]++'
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

# Whether iptables keeps a table. $1 is a folder with its rules.
of_iptables() {
    case $2 in
    ip) grep -qsxF "*$3" "$1/iptables-nft.rules" "$1/iptables.rules" ;;
    ip6) grep -qsxF "*$3" "$1/ip6tables-nft.rules" "$1/ip6tables.rules" ;;
    *) false ;;
    esac
}

# Tables of iptables that hold what it can't say, and leaves out without a word: sets, maps, rules that it did not make
# (its own all count). nft keeps those, unless they hold what only iptables can say, too: nobody can give these back.
mixed_tables() {
    : >"$1/mixed"
    : >"$1/lost"
    while read -r family table; do
        of_iptables "$1" "$family" "$table" || continue
        kind=$(nft --debug=netlink list table "$family" "$table" 2>/dev/null | awk -v name="$family $table " '
            function rule() { if (open && !counted) native = 1; open = 0 }
            index($0, name) == 1 && $4 ~ /^[0-9]+$/ { rule(); open = 1; counted = 0 }
            !/^  \[ / && index($0, name) != 1 { rule() }
            /^  \[ counter / { counted = 1 }
            /^  \[ (lookup|dynset|objref) / { native = 1 }
            /^  \[ (match|target) / { compat = 1 }
            /^\t[a-z]/ && !/^\tchain / { native = 1 }
            END { if (native) print compat ? "lost" : "mixed" }')
        [ -z "$kind" ] || echo "$family $table" >>"$1/$kind"
    done <"$1/tables"
    cat "$1/lost" >>"$1/mixed"
    while read -r family table; do
        for rules in "$1/${family}tables-nft.rules" "$1/${family}tables.rules"; do
            [ -e "$rules" ] || continue
            awk -v start="*$table" '$0 == start { skip = 1 } !skip { print } /^COMMIT/ { skip = 0 }' \
                "$rules" >"$rules.new"
            mv "$rules.new" "$rules"
        done
    done <"$1/mixed"
}

# What is in the tables that iptables does not keep.
native_tables() {
    while read -r family table; do
        of_iptables "$1" "$family" "$table" || nft -s list table "$family" "$table" 2>/dev/null
    done <"$1/tables"
}

# The same as it is compared: what packets themselves put into a set is left out, the order of tables means nothing,
# and what a program owns is its own business.
plain_tables() {
    awk '
    /^#/ { next }
    /^table / { table = "nft " $2 " " $3 "|"; text = ""; owned = 0 }
    /^\tflags .*owner/ { owned = 1 }
    /^\tset / || /^\tmap / { dynamic = 0 }
    /^\t\tflags .*dynamic/ { dynamic = 1 }
    /^\t\telements = / && dynamic { skip = 1 }
    !skip { text = text table $0 "\n" }
    skip && /}$/ { skip = 0 }
    /^}/ && !owned { printf "%s", text }' | sort -s -t '|' -k 1,1
}

# Each unit that was named, and whether it runs.
units() {
    if [ -s "$dir/services" ] && [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2046 # names without spaces
        timed 10 systemctl is-active $(cat "$dir/services") | sed 's/^activating$/active/; s/^reloading$/active/' |
            paste -d ' ' "$dir/services" -
    fi
}

# What the patterns themselves name now: files, and links. A name with a line's end in it is no name of a file here.
listing() {
    (
        set +f
        IFS=
        while read -r pattern; do
            # The pattern is expanded here, and nowhere split.
            for path in $pattern; do
                case $path in *"$newline"* | *"$tab"*) continue ;; esac
                if [ -L "$path" ] || [ -f "$path" ]; then printf '%s\n' "$path"; fi
            done
        done <"$dir/patterns"
    ) | sort -u
}

# The files that links among them lead to. Only those of the record count: a link that is new guards nothing.
targets() {
    while IFS= read -r path; do
        if [ -L "$path" ]; then printf '%s\n' "$path"; fi
    done | xargs -r -d '\n' readlink -f -- | while IFS= read -r path; do
        if [ -f "$path" ]; then printf '%s\n' "$path"; fi
    done
}

# The folders of all these, and those above them: mode and owner, what it is without links, its name.
folders() {
    (
        set +f
        IFS=
        cat "$dir/patterns" "$dir/targets" | while read -r pattern; do
            for path in ${pattern%/*}; do
                while [ -n "$path" ] && [ -d "$path" ]; do
                    printf '%s\n' "$path"
                    path=${path%/*}
                done
            done
        done
    ) | sort -u >"$tmp/folders"
    xargs -r -d '\n' stat -L -c '%a %u:%g' -- <"$tmp/folders" >"$tmp/owners"
    xargs -r -d '\n' readlink -f -- <"$tmp/folders" >"$tmp/reals"
    paste "$tmp/owners" "$tmp/reals" "$tmp/folders"
}

# Links are never read through: what a new one leads to may not end.
fingerprints() {
    listing >"$tmp/named_seen"
    folders >"$tmp/folders_seen"
    prints "$tmp/named_seen" "$tmp/folders_seen"
}

prints() {
    sort -u "$1" "$dir/targets" >"$tmp/listing"
    xargs -r -d '\n' stat -c 'file %A %u:%g %n' -- <"$tmp/listing" >"$tmp/stat" 2>/dev/null
    cat "$tmp/stat"
    sed -n 's/^file l[^ ]* [^ ]* //p' "$tmp/stat" | xargs -r -d '\n' stat -c 'leads %N' -- 2>/dev/null
    sed -n 's/^file -[^ ]* [^ ]* //p' "$tmp/stat" | xargs -r -d '\n' sha256sum -- 2>/dev/null | sed 's/^/content /'
    # A folder that is new and holds something else may stay.
    awk -F '\t' 'NR == FNR { old[$3]; next }
        $3 in old { print "folder " $1 " " $3 ($2 == $3 ? "" : " -> " $2) }' "$dir/folders" "$2"
}

# One that does not answer still keeps the tables that it kept.
look_rules() {
    bounded "$1-save" >"$2/$1.rules" 2>/dev/null
    if [ -e "$tmp/hung.$1-save" ]; then sed -n '/^\*/p' "$dir/$1.rules" >"$2/$1.rules"; fi
}

# Side by side, too: a program that hangs keeps its own rules from us, and no others.
look_firewall() {
    programs >"$1/programs"
    : >"$1/tables"
    while read -r program family; do
        look_rules "$program" "$1" &
    done <"$1/programs"
    if command -v nft >/dev/null; then nft list tables 2>/dev/null | sed -n 's/^table //p' >"$1/tables"; fi
    wait
    mixed_tables "$1"
    native_tables "$1" >"$1/native"
}

# Side by side: none of them needs another one.
look() {
    addresses >"$1/addresses" &
    nexthops >"$1/nexthops" &
    routes >"$1/routes" &
    policies >"$1/policies" &
    links >"$1/links" &
    neighbours >"$1/neighbours" &
    units >"$1/units" &
    look_firewall "$1" &
    sysctls >"$1/sysctls"
    wait
}

# What was looked at, as text that is compared. An interface that is new is not: whoever made it may need it. Nor the
# order of addresses that a router or a daemon gives. The last part of some lines is how to make them, or how long they
# live. One awk, not a sed for each: a host that is busy is slow to start programs.
describe() {
    awk -F '|' '
    kind == "known" { known[FILENAME == ARGV[2] ? $1 : substr($0, 1, index($0, " ") - 1)] = 1; next }
    kind == "address" || kind == "route" { sub(/\|[^|]*$/, "") }
    kind == "link" && !($1 in known) { next }
    kind == "sysctl" && !(substr($0, 1, index($0, " ") - 1) in known) { next }
    # Their order means nothing; here it comes last, and sorted.
    kind == "neighbour" || (kind == "address" && / inet6 .*\| dynamic( |$)/) { print kind " " $0 | "sort"; next }
    { print kind " " $0 }
    END { fflush(); close("sort") }' kind=known "$dir/links" "$dir/sysctls" kind=address "$1/addresses" \
        kind=nexthop "$1/nexthops" kind=route "$1/routes" kind=policy "$1/policies" kind=link "$1/links" \
        kind=sysctl "$1/sysctls" kind=unit "$1/units" kind=neighbour "$1/neighbours"
    while read -r program family; do plain_rules "$family" <"$1/$program.rules"; done <"$1/programs"
    plain_tables <"$1/native"
}

# With tar, not with "cp --parents", which trips over folders that it meets twice.
save_files() {
    mkdir "$dir/files"
    listing >"$dir/named"
    targets <"$dir/named" >"$dir/targets"
    folders >"$dir/folders"
    sort -u "$dir/named" "$dir/targets" | sed 's,^/,,' >"$tmp/listing"
    if [ -s "$tmp/listing" ]; then
        tar -C / -cf - --format=posix --no-recursion --verbatim-files-from -T "$tmp/listing" |
            tar -C "$dir/files" --numeric-owner -xpf -
    fi
}

# The programs that did not answer in time.
silent() {
    (
        set +f
        for mark in "$tmp"/hung.*; do [ ! -e "$mark" ] || printf '%s ' "${mark##*/hung.}"; done
    )
}

save() {
    boot_of_now >"$dir/boot"
    { save_files && prints "$dir/named" "$dir/folders" >"$tmp/prints"; } &
    look "$dir"
    if [ -n "$(silent)" ]; then
        echo "no answer in $seconds seconds: $(silent)" >&2
        exit 1
    fi
    if [ -s "$dir/lost" ]; then
        echo "neither iptables nor nft alone can give back the table $(tr '\n' ' ' <"$dir/lost")of both; split it" >&2
        exit 1
    fi
    [ -e "$tmp/prints" ] || exit 1
    { describe "$dir" && cat "$tmp/prints"; } >"$dir/state"
}

state() {
    rm -rf "$tmp/now"
    mkdir "$tmp/now" || return 1
    fingerprints >"$tmp/prints" &
    look "$tmp/now"
    describe "$tmp/now"
    cat "$tmp/prints"
    [ -z "$(silent)" ]
}
"""
