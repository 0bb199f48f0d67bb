# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of web and mail: W01 to W09, L02 and M01 to M08."""

from __future__ import annotations

from defect import defect

CONF = "/etc/apache2/conf-enabled/zz-defect.conf"
GONE = f"rm -f {CONF}; apache2ctl graceful"


def apache(text: str, modules: str = "") -> tuple[str, str]:
    """Return how a piece of configuration is added to Apache and removed. A restart, since modules may be new."""
    enable = f"a2enmod --quiet {modules}\n" if modules else ""
    disable = f"\na2dismod --quiet --force {modules}" if modules else ""
    start = f"{enable}cat >{CONF} <<'END'\n{text}END\nsed -i \"s/@domain@/$domain/\" {CONF}\nsystemctl restart apache2"
    return start, f"rm {CONF}{disable}\nsystemctl restart apache2"


def web(check: str, name: str, why: str, text: str, *also: str, modules: str = "") -> None:
    """Add a defect in the configuration of Apache."""
    seed, undo = apache(text, modules)
    defect(check, name, why, "www1", seed, undo, also=also)


def changed(settings: str) -> tuple[str, str]:
    """Return how main.cf is changed and changed back. A restart, since master leaves a daemon that failed alone."""
    return (
        f"cp -p /etc/postfix/main.cf /run/defect.main; postconf -e {settings}; systemctl restart postfix",
        "cp -p /run/defect.main /etc/postfix/main.cf; rm /run/defect.main; systemctl restart postfix",
    )


def postfix(check: str, name: str, why: str, settings: str, *also: str) -> None:
    """Add a defect in main.cf."""
    seed, undo = changed(settings)
    defect(check, name, why, "mail1", seed, undo, also=also)


defect(
    "W01",
    "a web port is closed over IPv4",
    "The rollout shuts nothing over IPv4, so somebody else did. The service is declared, and the rules say no (F04).",
    "www1",
    "iptables -I INPUT -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset; cp -p /etc/iptables/rules.v4"
    " /run/defect.rules; iptables-save >/etc/iptables/rules.v4",
    "cp -p /run/defect.rules /etc/iptables/rules.v4; rm /run/defect.rules; iptables-restore </etc/iptables/rules.v4",
    also=["F04 www1"],
)
web(
    "W02",
    "a header has another value over IPv6",
    "The answer is 200 over both families, and only one of them is told to stay with TLS.",
    'Header always set Content-Security-Policy "default-src \'none\'" "expr=%{REMOTE_ADDR} =~ /:/"\n',
)
SEED, UNDO = apache(
    "<Directory /var/www/www.@domain@>\nRewriteEngine on\nRewriteCond %{REMOTE_ADDR} :\n"
    "RewriteRule ^(index\\.html)?$ other.html [END]\n</Directory>\n",
    "rewrite",
)
defect(
    "W03",
    "another page over IPv6",
    "The same status, and another text.",
    "www1",
    "sed 's/Paragraph/Section/' /var/www/www.$domain/index.html >/var/www/www.$domain/other.html\n" + SEED,
    UNDO + "; rm /var/www/www.$domain/other.html",
)
CERTIFICATES = """\\
awk '/<VirtualHost \\*:443>/,/<\\/VirtualHost>/' /etc/apache2/sites-enabled/*.conf >/run/defect.sites
sed -i "s|\\*:443|[$www1_6]:443|; /www.$domain.pem/s|www|shop|; /www.$domain.key/s|www|shop|" /run/defect.sites
cp /run/defect.sites /etc/apache2/sites-enabled/zz-defect.conf; rm /run/defect.sites; systemctl restart apache2
"""
defect(
    "W04",
    "another certificate over IPv6",
    "A virtual host of the IPv6 address has the certificate of the other name.",
    "www1",
    CERTIFICATES,
    "rm /etc/apache2/sites-enabled/zz-defect.conf; systemctl restart apache2",
)
LITERAL = """\\
cd /etc/apache2/sites-enabled
for name in www shop; do awk '/<VirtualHost \\*:80>/,/<\\/VirtualHost>/' $name.$domain.conf; done >/run/defect.sites
sed "s|\\*:80|[$www1_6]:80|" /run/defect.sites >zz-defect.conf; rm /run/defect.sites; systemctl restart apache2
"""
defect(
    "W05",
    "the bare IPv6 address shows a site",
    "The names have virtual hosts of their own on the IPv6 address, and the first one gets what has no name.",
    "www1",
    LITERAL,
    "rm /etc/apache2/sites-enabled/zz-defect.conf; systemctl restart apache2",
)
web(
    "W06",
    "the log hides who the clients are",
    "As if something on the host itself had passed the requests on.",
    'LogFormat "::1 %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined\n',
)
web(
    "L02",
    "the log shows IPv4 clients as mapped addresses",
    "An access list with IPv4 addresses would miss them. W06 sees that these are not the clients' addresses.",
    'LogFormat "::ffff:%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined\n',
    "W06 www1",
)
defect(
    "W07",
    "the v4 proxy sends unknown names to a host",
    "Whoever makes up a name gets the first site.",
    "gw1",
    """\
cd /etc/haproxy; cp -p ipv6-rollout-v4-proxy.cfg /run/defect.proxy
first=$(awk '/^80\\// { print $2; exit }' ipv6-rollout-v4-proxy.map)
sed -i "s|map_str(\\([^)]*\\))|map_str(\\1,$first)|" ipv6-rollout-v4-proxy.cfg; systemctl restart ipv6-rollout-v4-proxy
""",
    "cp -p /run/defect.proxy /etc/haproxy/ipv6-rollout-v4-proxy.cfg; rm /run/defect.proxy\n"
    "systemctl restart ipv6-rollout-v4-proxy",
    expect=("W07",),
)
defect(
    "W08",
    "an access list has IPv4 addresses only",
    "Nobody of those who are in it gets in over IPv6.",
    "www1",
    "cp -p /etc/apache2/sites-enabled/shop.$domain.conf /run/defect.site\n"
    "sed -i '/Require ip/s/ [0-9a-f]*:[0-9a-f:]*//g' /etc/apache2/sites-enabled/shop.$domain.conf; apache2ctl graceful",
    "cp -p /run/defect.site /etc/apache2/sites-enabled/shop.$domain.conf; rm /run/defect.site; apache2ctl graceful",
)
WAIT = """\
printf '#!/bin/sh\\nwhile read -r line; do sleep 0.3; echo ready; done\\n' >/run/defect.sh; chmod +x /run/defect.sh
cat >/run/defect.conf <<'END'
    RewriteEngine on
    RewriteMap slow prg:/run/defect.sh
    RewriteCond %{REMOTE_ADDR} :
    RewriteCond ${slow:client} !ready
    RewriteRule .* - [END]
END
cd /etc/apache2/sites-enabled; cp -p www.$domain.conf /run/defect.site
sed -i '3r /run/defect.conf' www.$domain.conf; a2enmod --quiet rewrite; systemctl restart apache2
"""
defect(
    "W09",
    "each answer of one site is late over IPv6",
    "Something waits 0.3 seconds, as for a lookup of the client's name.",
    "www1",
    WAIT,
    "cp -p /run/defect.site /etc/apache2/sites-enabled/www.$domain.conf; a2dismod --quiet --force rewrite\n"
    "systemctl restart apache2; rm /run/defect.*",
)

# ------------------------------------------------------------------------------------------------------------- mail

postfix(
    "M01",
    "the greeting has another name",
    "The name of somebody else, over both families.",
    "'smtpd_banner = mail.example.org ESMTP'",
)
postfix(
    "M02",
    "the name at EHLO is not that of the address",
    "It exists, and leads to another host.",
    "smtp_helo_name=www.$domain",
)
postfix(
    "M03",
    "mail leaves from another address",
    "It is on no interface, has no PTR record (M02), and the SPF record does not have it (M07).",
    "smtp_bind_address6=${mail1_6%:*}:99",
    "M02 mail1",
    "M07 mail1",
)
postfix(
    "M04",
    "mail prefers a family that nobody declared",
    "It goes out over IPv4 as long as that works.",
    "smtp_address_preference=ipv4",
)
postfix(
    "M05",
    "a dead receiver is waited for too long",
    "Four addresses of 30 seconds each, before IPv4 is tried.",
    "smtp_connect_timeout=30s",
)
postfix(
    "M06",
    "it relays for strangers over both families",
    "A restriction lets everybody do everything, before the one that refuses a stranger's mail is asked.",
    "'smtpd_relay_restrictions=check_client_access static:OK, reject_unauth_destination'",
)
postfix(
    "M06",
    "mynetworks trusts the whole of IPv6",
    "The lab machine is no stranger then, so that only the setting tells.",
    "'mynetworks=127.0.0.0/8 [2000::]/3'",
)
# Postfix of Debian 12 counts single addresses, and can't be told otherwise: M08 is not about it.
defect(
    "M08",
    "a limit counts single IPv6 addresses",
    "Whoever has a /64 has 2^64 of them.",
    "mail1",
    *changed("smtpd_client_ipv6_prefix_length=128 smtpd_client_connection_rate_limit=1000"),
    suite="trixie",
)
