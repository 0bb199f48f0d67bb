#!/bin/sh
# Have the files that texts.py printed read by the programs that would read them at boot. Standard input is the JSON.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/texts.json"
cat >"$folder/unpack.py" <<'EOF'
import json, os, sys
for case, files in json.load(open(f"{sys.argv[1]}/texts.json")).items():
    for path, text in files.items():
        target = os.path.join(sys.argv[1], case.replace(" ", "-"), path.lstrip("/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600), "w") as stream:
            stream.write(text)
EOF
python3 "$folder/unpack.py" "$folder"
cd "$folder"

echo "== ifupdown"
ifup --no-act --force --verbose --interfaces 6in4-ifupdown/etc/network/interfaces.d/60-ipv6-rollout-test6 test6 2>&1

echo "== netplan"
chmod 700 6in4-netplan
netplan generate --root-dir 6in4-netplan 2>&1
cat 6in4-netplan/run/systemd/network/*

echo "== networkmanager"
nmcli --offline connection modify ipv6.dns-priority 7 \
    <6in4-networkmanager/etc/NetworkManager/system-connections/test6.nmconnection 2>&1

echo "== wg-quick"
wg-quick strip "$folder/wireguard-ifupdown/etc/wireguard/testwg.conf" 2>&1

# networkd has no mode that only checks: let it run for a moment, and read what it says of the files.
echo "== networkd"
mkdir -p /run/systemd/network
cp 6in4-networkd/etc/systemd/network/* wireguard-networkd/etc/systemd/network/* /run/systemd/network/
sed -i 's,=/etc/systemd/network/,=/run/systemd/network/,' /run/systemd/network/*.netdev
chgrp systemd-network /run/systemd/network/*
chmod 640 /run/systemd/network/*
since=$(date '+%F %T')
systemctl start systemd-networkd
i=0
until journalctl -q -u systemd-networkd --since "$since" | grep -qE 'testwg: |testwg$' || [ $i -gt 50 ]; do
    i=$((i + 1))
    sleep 0.1
done
systemctl stop systemd-networkd.socket systemd-networkd 2>&1
journalctl -q -o cat -u systemd-networkd --since "$since" | sed 's/^/networkd: /'
rm -rf /run/systemd/network
