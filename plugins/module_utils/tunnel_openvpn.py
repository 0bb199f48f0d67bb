# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenVPN: the files of both ends, and a trial start that shows whether OpenVPN takes them."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel import File, Files, Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel_texts import HEADER

FOLDER = "/etc/openvpn"
TRIAL = 15
# What a start says once all options, certificates and keys were taken.
TAKEN = {"server": "Initialization Sequence Completed", "client": "link remote:"}
_REASON = re.compile(
    r"^(Options error: (?!Please correct)|OpenSSL: |Cannot |.*(?:Socket bind failed|fatal error|verification failed))"
)


def folder(wish: Wish) -> str:
    """Return where the units of this end look for their configurations."""
    return f"{FOLDER}/{wish.role}"


def unit(wish: Wish) -> str:
    """Return the unit of the tunnel."""
    return f"openvpn-{wish.role}@{wish.name}.service"


def _own(wish: Wish, given: str, name: str) -> str:
    """Return what the configuration names: the user's file, or ours, seen from the unit's working directory."""
    return given if given.startswith("/") else f"{wish.name}/{name}"


def _common(wish: Wish) -> t.List[str]:
    lines = [
        f"dev {wish.name}",
        "dev-type tun",
        f"ca {_own(wish, wish.ca, 'ca.crt')}",
        f"cert {_own(wish, wish.certificate, 'tunnel.crt')}",
        f"key {wish.key_file or f'{wish.name}/tunnel.key'}",
    ]
    if wish.tls_crypt:
        lines.append(f"tls-crypt {wish.name}/tls-crypt.key")
    return [
        *lines,
        f"remote-cert-tls {'client' if wish.role == 'server' else 'server'}",
        "data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305",
        "persist-key",
        "persist-tun",
        "# Packets of this size fit, encrypted, into 1500 octets; TCP is told so even where ICMPv6 is lost.",
        f"tun-mtu {wish.mtu}",
        f"mssfix {wish.mtu} fixed",
        "verb 3",
    ]


def server_text(wish: Wish) -> str:
    """Return the configuration of the server: IPv6 only inside, and only for the clients that were named."""
    lines = [f"proto {wish.proto}", f"port {wish.port}"]
    lines += [f"local {wish.local}"] if wish.local else []
    lines += [
        "topology subnet",
        f"server-ipv6 {wish.network}",
        *(f'push "route-ipv6 {route}"' for route in wish.routes),
        *(f"route-ipv6 {route}" for client in wish.clients for route in client.routed),
        f"client-config-dir {wish.name}/clients",
        "ccd-exclusive",
        "dh none",
        "keepalive 10 60",
        *_common(wish),
    ]
    return HEADER + "".join(line + "\n" for line in lines)


def client_text(wish: Wish) -> str:
    """Return the configuration of a client. What a server may push of IPv4 is left out: IPv4 stays as it is."""
    lines = [
        "client",
        f"proto {wish.proto}",
        f"remote {wish.remote} {wish.port}",
        "nobind",
        "resolv-retry infinite",
        'pull-filter ignore "ifconfig "',
        'pull-filter ignore "route "',
        'pull-filter ignore "redirect-gateway"',
        'pull-filter ignore "tun-mtu"',
        *(f"route-ipv6 {route}" for route in wish.routes),
        *([f"verify-x509-name {wish.server_name} name"] if wish.server_name else []),
        *_common(wish),
    ]
    return HEADER + "".join(line + "\n" for line in lines)


def files_of(wish: Wish) -> Files:
    """Return the files of this end: the configuration last, as it names the others."""
    base = f"{folder(wish)}/{wish.name}"
    found: Files = {}
    for name, given in (("ca.crt", wish.ca), ("tunnel.crt", wish.certificate)):
        if not given.startswith("/"):
            found[f"{base}/{name}"] = File(given.encode())
    for name, given in (("tunnel.key", wish.key), ("tls-crypt.key", wish.tls_crypt)):
        if given:
            found[f"{base}/{name}"] = File(given.encode(), 0o600, True)
    if wish.role == "server":
        inside = ipaddress.IPv6Network(wish.network)
        for client in wish.clients:
            # The server has the first address of the network.
            lines = [f"ifconfig-ipv6-push {client.address}/{inside.prefixlen} {inside[1]}"]
            lines += [f"iroute-ipv6 {route}" for route in client.routed]
            text = HEADER + "".join(line + "\n" for line in lines)
            found[f"{base}/clients/{client.name}"] = File(text.encode())
    text = server_text(wish) if wish.role == "server" else client_text(wish)
    found[f"{base}.conf"] = File(text.encode())
    return found


def reason(said: str) -> str:
    """Return the lines of OpenVPN's output that say why it ended."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if _REASON.match(line) and "Exiting due to" not in line]
    return "; ".join(dict.fromkeys(told or lines[-2:]))


def _stage(wish: Wish, wanted: Files, inside: str) -> None:
    for path, file in wanted.items():
        files.write(os.path.join(inside, os.path.relpath(path, folder(wish))), file.content, file.mode)
    if wish.local:  # an empty namespace has no such address; whether the host has it was looked at before
        files.write(os.path.join(inside, f"{wish.name}.conf"), server_text(wish._replace(local="")).encode())


def trial(wish: Wish, wanted: Files) -> str:
    """Start OpenVPN with the files in a network namespace of its own, and end it once it has taken everything.

    OpenVPN has no mode that only checks. In an empty namespace it opens its interface and its socket, reads
    certificates and keys, and can reach nobody. Returns a remark where only the syntax could be looked at.
    """
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-tunnel-") as inside:
        _stage(wish, wanted, inside)
        config = ["openvpn", "--cd", inside, "--config", f"{wish.name}.conf"]
        alone = commands.run(["unshare", "--net", "true"])
        if alone.rc != 0:
            done = commands.run([*config, "--show-digests"])
            if done.rc != 0:
                raise RolloutError(f"OpenVPN refuses the configuration, nothing was changed: {reason(done.said)}")
            return f"only the syntax was checked, since no network namespace could be made here: {alone.said}"
        once = ["--connect-retry-max", "1", "--connect-timeout", "1"] if wish.role == "client" else []
        said, taken = _watched(["unshare", "--net", *config, "--suppress-timestamps", *once], TAKEN[wish.role])
        if not taken and "Cannot resolve host address" not in said:
            raise RolloutError(
                f"OpenVPN refuses the configuration, nothing was changed: {reason(said).replace(inside + '/', '')}"
            )
    return ""


def _watched(argv: t.Sequence[str], marker: str) -> t.Tuple[str, bool]:
    """Run a program until it says something, or ends, or its time is over; return all that it said."""
    limited = [shutil.which("timeout", path=commands.SEARCH_PATH) or "timeout", str(TRIAL), *argv]
    environment = {**os.environ, "PATH": commands.SEARCH_PATH, "LC_ALL": "C", "LANG": "C"}
    said = []
    # A core knows no module whose run_command it could call, and that one could not stop at a line.
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        limited, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    ) as process:
        for line in process.stdout or ():
            said.append(line.decode(errors="replace"))
            if marker in said[-1]:
                process.terminate()
                break
    return "".join(said), bool(said) and marker in said[-1]


def certificates(wish: Wish, wanted: Files) -> t.List[str]:
    """Return what is wrong with the certificate that its own side does not notice, but the other one does."""
    if not commands.found("openssl"):
        return []
    base = f"{folder(wish)}/{wish.name}"
    held = {}
    for name, given in (("ca.crt", wish.ca), ("tunnel.crt", wish.certificate)):
        file = wanted.get(f"{base}/{name}")
        held[name] = file.content if file else files.read(given) or b""
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-tunnel-") as inside:
        for name, content in held.items():
            files.write(f"{inside}/{name}", content)
        ca, own = f"{inside}/ca.crt", f"{inside}/tunnel.crt"
        usage = commands.run(["openssl", "x509", "-noout", "-ext", "keyUsage,extendedKeyUsage", "-in", own]).out
        purpose = "sslserver" if wish.role == "server" else "sslclient"
        # The first certificate is this end's, others of the file lead to the authority; none of the system's counts.
        only = ["-no-CApath", "-no-CAstore", "-CAfile", ca, "-untrusted", own]
        verified = commands.run(["openssl", "verify", "-purpose", purpose, *only, own])
    found = []
    if verified.rc != 0:
        why = re.findall(r"error \d+ at .*?: *(.+)", verified.err + verified.out)
        found.append(f"certificate: the other end will refuse it: {'; '.join(why) or 'openssl verify fails'}")
    wanted_use = "TLS Web Server Authentication" if wish.role == "server" else "TLS Web Client Authentication"
    if "X509v3 Key Usage" not in usage or wanted_use not in usage:
        found.append(
            f"certificate: it needs the extensions keyUsage (digitalSignature) and extendedKeyUsage ({wanted_use}), "
            "or remote-cert-tls of the other end refuses it; have it issued anew"
        )
    return found
