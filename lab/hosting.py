# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mail servers of the lab have, and hosts that serve the web and the mail of a site by themselves."""

from __future__ import annotations

import typing as t

from model import File, Files, Lab, Machine

# One certificate in the place where Debian's packages look for it, and a mailbox. Neither is the same on two machines,
# so they are made there, once.
PREPARE = """\
[Unit]
Description=Make the certificate and the mailbox of this host
Before=apache2.service postfix.service postfix@-.service dovecot.service
ConditionPathExists=!/var/lib/hosting-is-made

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -batch \\
  -keyout /etc/ssl/private/ssl-cert-snakeoil.key -out /etc/ssl/certs/ssl-cert-snakeoil.pem \\
  -subj /CN={name} -addext subjectAltName=DNS:{name}
ExecStart=/usr/sbin/useradd --create-home --password {password} alice
ExecStart=/usr/sbin/a2enmod --quiet ssl
ExecStart=/usr/bin/touch /var/lib/hosting-is-made

[Install]
WantedBy=multi-user.target
"""
# The word "lab" as crypt(3) keeps it; in a unit a dollar is written twice.
PASSWORD = "$6$lab$8Didkn.UcNG/jLg7V7QIVX8TXEUMaHiIjiDSTr0wAgIU0I3PLx3iJU9IWSsHB2a53VxKmQZAq1Hyy09qF/fXn1"

PORTS = """\
Listen 80

<IfModule ssl_module>
    Listen 443
</IfModule>
"""
SITES = """\
ServerName {name}

<VirtualHost *:80>
    DocumentRoot /var/www/html
    CustomLog ${{APACHE_LOG_DIR}}/access.log combined
</VirtualHost>

<VirtualHost *:443>
    DocumentRoot /var/www/html
    SSLEngine on
    SSLCertificateFile /etc/ssl/certs/ssl-cert-snakeoil.pem
    SSLCertificateKeyFile /etc/ssl/private/ssl-cert-snakeoil.key
    CustomLog ${{APACHE_LOG_DIR}}/access.log combined
</VirtualHost>
"""
MASTER = """\
smtp        inet  n       -       y       -       -       smtpd
submission  inet  n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_wrappermode=yes
submissions inet  n       -       y       -       -       smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
pickup      unix  n       -       y       60      1       pickup
cleanup     unix  n       -       y       -       0       cleanup
qmgr        unix  n       -       n       300     1       qmgr
tlsmgr      unix  -       -       y       1000?   1       tlsmgr
rewrite     unix  -       -       y       -       -       trivial-rewrite
bounce      unix  -       -       y       -       0       bounce
defer       unix  -       -       y       -       0       bounce
trace       unix  -       -       y       -       0       bounce
verify      unix  -       -       y       -       1       verify
flush       unix  n       -       y       1000?   0       flush
proxymap    unix  -       -       n       -       -       proxymap
proxywrite  unix  -       -       n       -       1       proxymap
smtp        unix  -       -       y       -       -       smtp
relay       unix  -       -       y       -       -       smtp
  -o syslog_name=postfix/relay
showq       unix  n       -       y       -       -       showq
error       unix  -       -       y       -       -       error
retry       unix  -       -       y       -       -       error
discard     unix  -       -       y       -       -       discard
local       unix  -       n       n       -       -       local
virtual     unix  -       n       n       -       -       virtual
lmtp        unix  -       -       y       -       -       lmtp
anvil       unix  -       -       y       -       1       anvil
scache      unix  -       -       y       -       1       scache
postlog     unix-dgram n  -       n       -       1       postlogd
"""


def main_cf(lab: Lab, machine: Machine, domains: t.Sequence[str], protocols: str) -> str:
    """Return a mail server's main.cf."""
    return f"""\
compatibility_level = 3.6
myhostname = {lab.fqdn(machine)}
myorigin = {lab.domain}
mydestination = {", ".join([*domains, "$myhostname", "localhost"])}
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = {protocols}
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
smtpd_banner = $myhostname ESMTP
"""


def mail_names(domain: str) -> Files:
    """Return the files beside main.cf."""
    return {"/etc/mailname": File(f"{domain}\n"), "/etc/aliases": File("postmaster: root\n")}


def files_of(lab: Lab, machine: Machine) -> Files:
    """Return what serves HTTP, HTTPS, mail and a mailbox, all of it on every address of the machine."""
    name = lab.fqdn(machine)
    main = main_cf(lab, machine, machine.mail_domains, "all")
    main += "smtpd_tls_security_level = may\n"
    main += "smtpd_tls_cert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem\n"
    main += "smtpd_tls_key_file = /etc/ssl/private/ssl-cert-snakeoil.key\n"
    return {
        "/etc/systemd/system/hosting.service": File(PREPARE.format(name=name, password=PASSWORD.replace("$", "$$"))),
        "/var/www/html/index.html": File(f"{machine.name} answers\n"),
        "/etc/apache2/ports.conf": File(PORTS),
        "/etc/apache2/sites-enabled/000-default.conf": File(SITES.format(name=name)),
        "/etc/postfix/main.cf": File(main),
        "/etc/postfix/master.cf": File(MASTER),
        **mail_names(name),
    }
