# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clients, by name, on a machine of the lab: ``clients.py '[["imaps", "mail.example.org"], ...]'``.

Prints one line of JSON: for each service and name what answered, and the addresses that the name led to. Certificates
are made on the machines themselves, so that one with the right name in it tells which machine answered.
"""

from __future__ import annotations

import http.client
import imaplib
import json
import poplib
import smtplib
import socket
import ssl
import sys

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE
USER, PASSWORD = "alice", "lab"
WAIT = 20


def certified(link, name):
    """Tell whether the certificate of the other side names it."""
    return "right certificate" if name.encode() in (link.getpeercert(True) or b"") else "wrong certificate"


def web(name, client):
    client.request("GET", "/")
    answer = client.getresponse()
    return f"{answer.status} {answer.read(1000).decode().strip()}"


def use_http(name):
    return web(name, http.client.HTTPConnection(name, 80, timeout=WAIT))


def use_https(name):
    client = http.client.HTTPSConnection(name, 443, timeout=WAIT, context=CONTEXT)
    client.connect()
    return f"{certified(client.sock, name)}, {web(name, client)}"


def use_imaps(name):
    with imaplib.IMAP4_SSL(name, 993, ssl_context=CONTEXT, timeout=WAIT) as client:
        client.login(USER, PASSWORD)
        return f"{certified(client.sock, name)}, {client.select('INBOX')[0]}"


def use_pop3s(name):
    client = poplib.POP3_SSL(name, 995, context=CONTEXT, timeout=WAIT)
    client.user(USER)
    said = client.pass_(PASSWORD).decode()
    found = f"{certified(client.sock, name)}, {said.split()[0]}"
    client.quit()
    return found


def submit(name, port):
    with smtplib.SMTP_SSL(name, port, timeout=WAIT, context=CONTEXT) as client:
        found = certified(client.sock, name)
        domain = name.partition(".")[2]
        text = f"Subject: port {port}\r\nMessage-ID: <port-{port}@client.example>\r\n\r\nHello\r\n"
        client.sendmail("bob@client.example", f"{USER}@{domain}", text)
        return f"{found}, taken by {client.ehlo()[1].decode().split()[0]}"


SERVICES = {
    "http": use_http,
    "https": use_https,
    "imaps": use_imaps,
    "pop3s": use_pop3s,
    "submissions": lambda name: submit(name, 465),
    "submission": lambda name: submit(name, 587),
}


def addresses(name):
    return sorted({entry[4][0] for entry in socket.getaddrinfo(name, None, 0, socket.SOCK_STREAM)})


def main():
    found = []
    for service, name in json.loads(sys.argv[1]):
        try:
            found.append([service, name, SERVICES[service](name), addresses(name)])
        except (
            OSError,
            imaplib.IMAP4.error,
            poplib.error_proto,
            smtplib.SMTPException,
            http.client.HTTPException,
        ) as error:
            found.append([service, name, f"refused: {type(error).__name__} {error}", []])
    print(json.dumps(found))


main()
