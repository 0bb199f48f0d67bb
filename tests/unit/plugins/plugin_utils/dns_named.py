# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real BIND on the loopback addresses, as a plain child of a test."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype

from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_server
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset

NAMED = shutil.which("named", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
# The canary: text that must be in no output. It is a key that only these tests use.
SECRET = base64.b64encode(b"canary-of-these-tests-0123456789").decode()
HEAD = "$TTL 600\n@ IN SOA ns1.example.com. hostmaster.example.com. 1 3600 900 604800 60\n@ IN NS ns1.example.com.\n"
UPDATES = "update-policy { grant rollout zonesub any; };"


def _free_port(address: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Named:
    """A name server of the test's own."""

    def __init__(
        self,
        folder: Path,
        zones: t.Mapping[str, str],
        rules: t.Mapping[str, str] | None = None,
        listen: tuple[str, ...] = ("127.0.0.1", "::1"),
        port: int = 0,
    ) -> None:
        """Write the configuration.

        :param zones: the text of each zone
        :param rules: what the configuration says of a zone, where that is not that updates are allowed
        """
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.address = listen[0]
        self.port = port or _free_port(self.address)
        self.log = folder / "log"
        clauses = []
        for zone, text in zones.items():
            path = f"{zone.replace('/', '-')}.zone"
            (folder / path).write_text(text)
            rule = (rules or {}).get(zone, UPDATES)
            clauses.append(f'zone "{zone}" {{ type primary; file "{path}"; check-names ignore; {rule} }};')
        listening = {"": "none", "-v6": "none"}
        for address in listen:
            listening["-v6" if ":" in address else ""] = address
        sockets = " ".join(f"listen-on{which} port {self.port} {{ {a}; }};" for which, a in listening.items())
        (folder / "named.conf").write_text(
            f"""
key rollout {{ algorithm hmac-sha256; secret "{SECRET}"; }};
key idle {{ algorithm hmac-sha256; secret "{SECRET}"; }};
options {{
    directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key";
    {sockets}
    recursion no; dnssec-validation no; notify no; tcp-clients 200; allow-transfer {{ any; }};
}};
controls {{ }};
{chr(10).join(clauses)}
"""
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(NAMED), "-g", "-c", str(self.folder / "named.conf"), "-p", str(self.port), "-n", "1"],
                stdout=log,
                stderr=log,
            )
        for _attempt in range(200):
            if self.process.poll() is not None:
                break
            if self.serial("example.com") is not None:
                return
            time.sleep(0.05)
        raise RuntimeError(f"named did not start:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def serial(self, zone: str) -> int | None:
        query = dns.message.make_query(zone, "SOA", flags=0)
        try:
            answer = dns.query.tcp(query, self.address, port=self.port, timeout=2)
        except OSError:
            return None
        return next((rrset[0].serial for rrset in answer.answer if rrset.rdtype == dns.rdatatype.SOA), None)

    def server(self, address: str = "", **changed: t.Any) -> dns_server.Server:
        options = {"key_name": "rollout", "key_secret": SECRET, "key_algorithm": "hmac-sha256", **changed}
        key = dns_server.tsig_key(options["key_name"], options["key_secret"], options["key_algorithm"])
        return dns_server.Server(
            address or self.address, options.get("port", self.port), key, options.get("timeout", 5.0)
        )

    def get(self, name: str, kind: str) -> Rrset | None:
        with self.server() as server:
            found = server.look([Key(name, kind)])[Key(name, kind)]
        assert not isinstance(found, dns_server.Problem), found
        return found
