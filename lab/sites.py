# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server with a site and a certificate for each of its names, and the IPv4 firewall that a host starts with."""

from __future__ import annotations

from model import File, Files, Lab, Machine

# Keys are not the same on two machines, so they are made there, once. The first start of Apache needs them.
PREPARE = """\
[Unit]
Description=Make a certificate for each name of this host
Before=apache2.service
ConditionPathExists=!/var/lib/sites-are-made

[Service]
Type=oneshot
RemainAfterExit=yes
{make}
ExecStart=/usr/sbin/a2enmod --quiet ssl headers
ExecStart=/usr/bin/touch /var/lib/sites-are-made

[Install]
WantedBy=multi-user.target
"""
MAKE = """\
ExecStart=/usr/bin/openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -batch \\
  -keyout /etc/ssl/private/{name}.key -out /etc/ssl/certs/{name}.pem -subj /CN={name} \\
  -addext subjectAltName=DNS:{name}"""

# What is asked for by an address, or by a name that nobody has, gets the first site: it says nothing of the others.
DEFAULT = """\
<VirtualHost *:80>
    ServerName {name}
    DocumentRoot /var/www/default
    CustomLog ${{APACHE_LOG_DIR}}/access.log combined
</VirtualHost>

<VirtualHost *:443>
    ServerName {name}
    DocumentRoot /var/www/default
    SSLEngine on
    SSLCertificateFile /etc/ssl/certs/{name}.pem
    SSLCertificateKeyFile /etc/ssl/private/{name}.key
    CustomLog ${{APACHE_LOG_DIR}}/access.log combined
</VirtualHost>
"""
SITE = """\
<VirtualHost *:80>
    ServerName {name}
    DocumentRoot /var/www/{name}
    CustomLog ${{APACHE_LOG_DIR}}/access.log combined
</VirtualHost>

<VirtualHost *:443>
    ServerName {name}
    DocumentRoot /var/www/{name}
    SSLEngine on
    SSLCertificateFile /etc/ssl/certs/{name}.pem
    SSLCertificateKeyFile /etc/ssl/private/{name}.key
    Header always set Strict-Transport-Security "max-age=31536000"
    CustomLog ${{APACHE_LOG_DIR}}/access.log combined
    # For the mail servers only.
    <Location "/reports/">
        {require}
    </Location>
</VirtualHost>
"""


def _page(name: str) -> str:
    """A page long enough to be compared line by line, and to need several packets."""
    lines = "".join(f"<p>Paragraph {number} of {name}</p>\n" for number in range(1, 301))
    return f"<!DOCTYPE html>\n<title>{name}</title>\n<h1>{name} answers</h1>\n{lines}"


def files_of(lab: Lab, machine: Machine) -> Files:
    """Return the sites of a machine with ``lab_https``."""
    where = "0.0.0.0:" if machine.ipv4 else "[::]:"
    own = f"{machine.name}.{lab.domain}"
    found = {
        "/etc/apache2/ports.conf": File("".join(f"Listen {where}{port}\n" for port in (80, 443))),
        "/etc/apache2/sites-enabled/000-default.conf": File(DEFAULT.format(name=own)),
        "/var/www/default/index.html": File("There is no site of this name here\n"),
        "/etc/systemd/system/sites.service": File(
            PREPARE.format(make="\n".join(MAKE.format(name=name) for name in [own, *machine.names]))
        ),
    }
    readers = [reader.ipv4 for reader in lab.of_kind("mail") if reader.ipv4]
    require = f"Require ip {' '.join(readers)}" if readers else "Require all denied"
    for name in machine.names:
        found[f"/etc/apache2/sites-enabled/{name}.conf"] = File(SITE.format(name=name, require=require))
        found[f"/var/www/{name}/reports/index.html"] = File("Nothing to report\n")
        found[f"/var/www/{name}/index.html"] = File(_page(name))
    return found


def firewall(machine: Machine) -> str:
    """Return the rules that netfilter-persistent loads: ``lab_ports`` (tcp/80) are open, the rest is rejected."""
    lines = [
        "*filter",
        ":INPUT DROP [0:0]",
        # What a gateway lets through is for its own roles to say.
        f":FORWARD {'ACCEPT' if machine.kind == 'gateway' else 'DROP'} [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -p icmp -j ACCEPT",
    ]
    for port in machine.ports:
        protocol, number = port.split("/")
        lines.append(f"-A INPUT -p {protocol} -m {protocol} --dport {number} -j ACCEPT")
    lines += [
        "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
        "-A INPUT -j REJECT --reject-with icmp-admin-prohibited",
        "COMMIT",
    ]
    return "\n".join(lines) + "\n"
