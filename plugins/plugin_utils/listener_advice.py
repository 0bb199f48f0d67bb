# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How programs are told to listen on both families: the setting, the file, the value, and what makes it live."""

from __future__ import annotations

import re
import typing as t


class Advice(t.NamedTuple):
    """For one program: its names, what to change, and what makes the change live."""

    names: t.Tuple[str, ...]
    change: str
    then: str


BOTH: t.Tuple[Advice, ...] = (
    Advice(
        ("sshd",),
        "in /etc/ssh/sshd_config and sshd_config.d: 'AddressFamily any', and beside each 'ListenAddress' of IPv4 "
        "one of IPv6 ('ListenAddress ::' beside 'ListenAddress 0.0.0.0'), or none at all; test with 'sshd -t'",
        "systemctl reload ssh",
    ),
    Advice(
        ("dovecot",),
        "in /etc/dovecot: 'listen = *, ::', also in an inet_listener that has a listen or address of its own; look "
        "with 'doveconf listen'",
        "systemctl restart dovecot",
    ),
    Advice(
        ("master",),
        "'inet_protocols = all' in /etc/postfix/main.cf, and 'inet_interfaces' with the IPv6 address where it is not "
        "'all' (role postfix); test with 'postfix check'",
        "systemctl restart postfix",
    ),
    Advice(
        ("exim4", "exim"),
        "in /etc/exim4/update-exim4.conf.conf: dc_local_interfaces='0.0.0.0 ; ::0'; then update-exim4.conf",
        "systemctl restart exim4",
    ),
    Advice(
        ("mysqld", "mariadbd"),
        "'bind-address = ::' (it serves IPv4 too) in the [mysqld] part of /etc/mysql; accounts that name an IPv4 "
        "address or pattern as host need a second one for IPv6",
        "systemctl restart mariadb (or mysql)",
    ),
    Advice(
        ("postgres",),
        "listen_addresses = '*' in postgresql.conf, and in pg_hba.conf a line with the IPv6 prefix for each of IPv4",
        "systemctl restart postgresql",
    ),
    Advice(
        ("redis-server", "valkey-server"),
        "the IPv6 address in 'bind' of /etc/redis/redis.conf (valkey: /etc/valkey/valkey.conf): 'bind 192.0.2.1 "
        "2001:db8::1'; '* -::*' is any address, so only with a password and a firewall",
        "systemctl restart redis-server (or valkey-server)",
    ),
    Advice(
        ("memcached",),
        "a second '-l' with the IPv6 address in /etc/memcached.conf; memcached asks nobody for a password",
        "systemctl restart memcached",
    ),
    Advice(
        ("mongod",),
        "'net.ipv6: true' and the IPv6 address in 'net.bindIp' of /etc/mongod.conf",
        "systemctl restart mongod",
    ),
    Advice(
        ("prometheus", "*_exporter", "*-exporter", "alertmanager", "grafana", "grafana-server", "pushgateway"),
        "without an address, '--web.listen-address=:PORT' is both families; an IPv4 address there (ARGS in "
        "/etc/default, http_addr in grafana.ini) is IPv4 only: take it out, or repeat the option with "
        "'[2001:db8::1]:PORT'",
        "systemctl restart its service",
    ),
    Advice(
        ("nginx",),
        "beside each 'listen 80;' a 'listen [::]:80;' in the server blocks of /etc/nginx: without brackets it is IPv4 "
        "only; test with 'nginx -t'",
        "systemctl reload nginx, and look at the sockets: a reload that fails to bind keeps the old ones and says "
        "nothing",
    ),
    Advice(
        ("apache2", "httpd"),
        "'Listen 80' without an address in /etc/apache2/ports.conf is both families, '0.0.0.0:80' is IPv4 only (role "
        "apache); virtual hosts that name an IPv4 address need the IPv6 one as well",
        "systemctl restart apache2; never a reload, which can end with no listener at all",
    ),
    Advice(
        ("haproxy",),
        "'bind :::80 v4v6' in place of 'bind :80' or 'bind *:80', which are IPv4 only; test with 'haproxy -c -f'",
        "systemctl reload haproxy",
    ),
    Advice(
        ("named",),
        "'listen-on-v6 { any; };' in the options of /etc/bind, and IPv6 prefixes in allow-query, allow-recursion and "
        "allow-transfer where these have a list; 'OPTIONS=-u bind' without '-4' in /etc/default/named",
        "rndc reconfig; a restart where -4 was taken out",
    ),
    Advice(
        ("unbound",),
        "'interface: ::0' beside 'interface: 0.0.0.0', 'do-ip6: yes', and an 'access-control' with the IPv6 prefixes",
        "systemctl restart unbound",
    ),
    Advice(
        ("pdns_server", "pdns_recursor"),
        "'local-address=0.0.0.0, ::' in /etc/powerdns, and the IPv6 prefixes in allow-from",
        "systemctl restart its service",
    ),
    Advice(
        ("dnsmasq",),
        "a 'listen-address' with the IPv6 address, or none, in /etc/dnsmasq.conf",
        "systemctl restart dnsmasq",
    ),
    Advice(
        ("openvpn",),
        "'proto udp6' in place of 'proto udp' ('tcp6-server' in place of 'tcp-server'): it serves IPv4 too",
        "systemctl restart its service; tunnels come back by themselves",
    ),
    Advice(
        ("snmpd",),
        "'agentaddress udp:161,udp6:161' in /etc/snmp/snmpd.conf, and 'rocommunity6' or 'com2sec6' beside those of "
        "IPv4",
        "systemctl restart snmpd",
    ),
    Advice(
        ("chronyd",),
        "an 'allow' with the IPv6 prefix in /etc/chrony; 'bindaddress ::' where there is a bindaddress of IPv4; no "
        "'-4' in DAEMON_OPTS of /etc/default/chrony",
        "systemctl restart chrony",
    ),
    Advice(
        ("ntpd",),
        "no '-4' in NTPD_OPTS, 'interface listen' or 'interface ignore' lines that don't leave IPv6 out, and "
        "'restrict -6 default ...' in its configuration",
        "systemctl restart ntpsec (or ntp)",
    ),
    Advice(
        ("cupsd",),
        "'Port 631', or 'Listen [2001:db8::1]:631' beside the one of IPv4, in /etc/cups/cupsd.conf",
        "systemctl restart cups",
    ),
    Advice(
        ("docker-proxy",),
        "publish the port without an address, or once more with '[::]:PORT:PORT', and let Docker have IPv6 (\"ipv6\": "
        'true for the network); an address in "ip" of /etc/docker/daemon.json is IPv4 only',
        "make the container anew",
    ),
    Advice(
        ("vsftpd",),
        "'listen=NO' and 'listen_ipv6=YES' in /etc/vsftpd.conf: one socket for both families",
        "systemctl restart vsftpd",
    ),
    Advice(("proftpd",), "'UseIPv6 on', and no IPv4 'DefaultAddress', in /etc/proftpd", "systemctl restart proftpd"),
    Advice(
        ("slapd",),
        "no IPv4 address in SLAPD_SERVICES of /etc/default/slapd: 'ldap:///' is both families",
        "systemctl restart slapd",
    ),
    Advice(
        ("java",),
        "no -Djava.net.preferIPv4Stack=true among the options of Java; Tomcat: no IPv4 'address' in the Connector of "
        "server.xml",
        "systemctl restart its service",
    ),
    Advice(
        ("beam.smp",),
        "RabbitMQ: 'listeners.tcp.default = :::5672' in rabbitmq.conf",
        "systemctl restart rabbitmq-server",
    ),
    Advice(
        ("zabbix_agentd", "zabbix_agent2", "zabbix_server"),
        "'ListenIP=0.0.0.0,::' in /etc/zabbix, and the server's IPv6 address in Server",
        "systemctl restart its service",
    ),
    Advice(("munin-node",), "'host *' in /etc/munin/munin-node.conf", "systemctl restart munin-node"),
    Advice(("php-fpm*",), "'listen = [::]:9000' in the pool's file below /etc/php", "systemctl restart its service"),
    Advice(("gunicorn",), "'--bind [::]:PORT', which serves IPv4 too", "systemctl restart its service"),
)

OTHER = Advice(
    (),
    "look in its documentation for the address that it binds: '::' is any address of IPv6, and with IPV6_V6ONLY off of "
    "IPv4 too",
    "restart it",
)

# Programs that show an IPv4-mapped client as plain IPv4, and whose access lists take it so.
UNMAPS = {"apache2", "httpd"}

# Programs that notice new addresses and bind them by themselves.
FOLLOWS_ADDRESSES = {"named", "ntpd", "dhclient", "systemd-network", "systemd-networkd", "NetworkManager"}


def names(listener: t.Mapping[str, t.Any]) -> list[str]:
    """Return what a program is called, the best first: the kernel cuts a process's name after 15 octets."""
    unit = re.sub(r"(@.*)?\.(service|scope|socket)$", "", str(listener.get("unit") or ""))
    return [name for name in (str(listener["process"]), str(listener.get("program") or ""), unit) if name]


def called(listener: t.Mapping[str, t.Any], known: t.Collection[str]) -> bool:
    """Whether a program is one of these; a name may begin or end with a ``*``."""
    for name in names(listener):
        for one in known:
            if (
                one == name
                or (one[0] == "*" and name.endswith(one[1:]))
                or (one[-1] == "*" and name.startswith(one[:-1]))
            ):
                return True
    return False


def both_families(listener: t.Mapping[str, t.Any]) -> str:
    """Say what to change so that a program listens on both families, and what makes it live."""
    unit = str(listener.get("socket_unit") or "")
    if unit:
        port = listener["port"]
        kind = "Stream" if listener["protocol"] == "tcp" else "Datagram"
        return (
            f"systemd opens the socket, so the program's own settings don't count: 'systemctl edit {unit}' with "
            f"[Socket], 'Listen{kind}=' (takes away what was there), 'Listen{kind}={port}' and 'BindIPv6Only=both'; "
            f"then: systemctl daemon-reload, systemctl restart {unit}"
        )
    found = next((advice for advice in BOTH if called(listener, advice.names)), OTHER)
    return f"{found.change}; then: {found.then}"
