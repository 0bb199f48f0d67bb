#!/bin/sh
# Runs inside the image as its last step, for both ways of building it (build.sh and Containerfile).
set -eu

# A package enables its daemons when it is installed; a lab machine runs only what its kind asks for.
for unit in NetworkManager NetworkManager-dispatcher NetworkManager-wait-online apache2 dovecot dovecot.socket haproxy named \
    named-resolvconf netfilter-persistent networking nftables openvpn postfix radvd systemd-networkd \
    systemd-networkd-wait-online tayga unbound unbound-resolvconf wpa_supplicant apache-htcacheclean cron ssh.socket \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
    systemctl disable "$unit" >/dev/null 2>&1 || true
done

# These need a kernel of their own, or a console: in a container they fail and leave systemd "degraded".
systemctl mask systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service systemd-logind.service \
    proc-sys-fs-binfmt_misc.automount getty.target console-getty.service getty@.service >/dev/null 2>&1

# Every machine makes its own host keys at its first start, as a cloud image does. Debian's unit tests the
# configuration before anything else can run, so the keys have to come before that test.
rm -f /etc/ssh/ssh_host_*
mkdir -p /etc/systemd/system/ssh.service.d
cat >/etc/systemd/system/ssh.service.d/keygen.conf <<'UNIT'
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
UNIT
systemctl enable ssh.service >/dev/null 2>&1

# Empty, not missing: systemd then takes the identifier from the container.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /usr/sbin/policy-rc.d
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*.log
