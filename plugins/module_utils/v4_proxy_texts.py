# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a v4 proxy: HAProxy's configuration, the map of names, and the unit that runs it.

The proxy is an instance of HAProxy of its own. Whatever ``/etc/haproxy/haproxy.cfg`` says is left alone.

A name leads to a server through the map: ``443/www.example.com`` gives ``v2/www1``, which is the server ``www1`` in the
back end ``tls-443-v2``. Every server has weight 0, so that nobody is ever sent to one by load balancing: a connection
goes to a server that the map names, or nowhere.
"""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.v4_proxy_values import SSH, Host, Port, Wish

UNIT = "ipv6-rollout-v4-proxy.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
CONFIG = "/etc/haproxy/ipv6-rollout-v4-proxy.cfg"
MAP = "/etc/haproxy/ipv6-rollout-v4-proxy.map"
RUN = "/run/ipv6-rollout-v4-proxy"
SOCKET = f"{RUN}/admin.sock"

_HEADER = "# Written by ipv6.rollout.v4_proxy; edits are overwritten by its next run.\n"
# How long an old process may keep the connections that it had when the configuration was read again.
_OLD_PROCESS = "24h"

# What the master needs: low ports, its workers' user and chroot, more open files, its sockets, ending its workers.
_CAPABILITIES = (
    "CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_SYS_CHROOT CAP_SYS_RESOURCE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER"
    " CAP_KILL"
)

UNIT_TEXT = f"""\
{_HEADER}[Unit]
Description=IPv4 to IPv6 proxy (HAProxy)
Documentation=man:haproxy(1)
After=network-online.target
Wants=network-online.target
# An address that is not there yet at boot is waited for.
StartLimitIntervalSec=0

[Service]
Type=notify
RuntimeDirectory=ipv6-rollout-v4-proxy
RuntimeDirectoryMode=0750
BindReadOnlyPaths=/dev/log:/var/lib/haproxy/dev/log
ExecStart=/usr/sbin/haproxy -Ws -f {CONFIG} -p {RUN}/pid
ExecReload=/usr/sbin/haproxy -c -q -f {CONFIG}
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
Restart=always
RestartSec=2
SuccessExitStatus=143
NoNewPrivileges=true
CapabilityBoundingSet={_CAPABILITIES}
PrivateTmp=true
ProtectHome=true
ProtectSystem=full

[Install]
WantedBy=multi-user.target
"""

# Lower case, no final dot, and nothing that a log or a map could take for something else. The converters of HAProxy
# need the quotes around their arguments.
_CLEAN = 'lower,regsub("[.]$",""),regsub("[^-a-z0-9._]+","?",g)'
# The name with "*" for its first label. A name of one label has none.
_WILD = 'regsub("^[-a-z0-9_]+[.]","*.")'
_LOG_NAME = "name=%[var(txn.name)]"


def _global(wish: Wish, digest: str) -> str:
    return f"""\
{_HEADER}global
    description v4-proxy-{digest}
    log /dev/log local0
    log-tag haproxy-v4-proxy
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
    stats socket {SOCKET} mode 660 level admin
    stats timeout 30s
    maxconn {wish.maxconn}
    hard-stop-after {_OLD_PROCESS}

defaults http
    mode http
    log global
    option dontlognull
    # An idle connection to a host is never used for another client.
    http-reuse never
    retries 2
    timeout connect 5s
    timeout client 60s
    timeout http-request 10s
    timeout http-keep-alive 15s
    timeout server 300s
    timeout tunnel {wish.idle}s
    log-format "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %ts {_LOG_NAME}"

defaults tls
    mode tcp
    log global
    option dontlognull
    option clitcpka
    option srvtcpka
    retries 2
    timeout connect 5s
    timeout client {wish.idle}s
    timeout server {wish.idle}s
    log-format "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts {_LOG_NAME}"

defaults forward
    mode tcp
    log global
    option tcplog
    option clitcpka
    option srvtcpka
    retries 2
    timeout connect 5s
    timeout client {wish.forward_idle}s
    timeout server {wish.forward_idle}s
"""


def _binds(wish: Wish, port: int, more: str = "") -> str:
    lines = ""
    for address in wish.addresses:
        # Said in words, since a bare [::] follows net.ipv6.bindv6only.
        bind = f"ipv6@[{address}]:{port} v6only" if ":" in address else f"ipv4@{address}:{port}"
        lines += f"    bind {bind}{more}\n"
    return lines


def _lookup(rule: str, port: int, path: str) -> str:
    """Return the lines that turn the name into a server: as it is, or else with ``*`` for the first label."""
    found = f"str({port}/),concat(,%s),map_str({path})"
    missing = "if !{ var(txn.to) -m found }"
    return (
        f"    {rule} set-var(txn.to) {found % 'txn.name'}\n"
        f"    {rule} set-var(txn.any) 'var(txn.name),{_WILD}' {missing}\n"
        f"    {rule} set-var(txn.to) {found % 'txn.any'} {missing}\n"
    )


def _refusal(status: int, text: str) -> str:
    return f'http-request return status {status} content-type text/plain string "{text}\\n" hdr Connection close'


def _http(wish: Wish, port: int, path: str) -> str:
    # HTTP/2 without TLS is refused, also by way of Upgrade: behind it a host would be asked for other names.
    return f"""
frontend http-{port} from http
{_binds(wish, port, " proto h1")}\
    http-request set-var(txn.name) 'req.hdr(host),host_only,{_CLEAN}'
    {_refusal(405, "Not allowed here")} if METH_CONNECT
{_lookup("http-request", port, path)}\
    {_refusal(421, "No such name here")} if !{{ var(txn.to) -m found }}
    http-request del-header Upgrade if {{ req.hdr(Upgrade) -i -m sub h2c }}
    http-request del-header HTTP2-Settings
    http-request set-header X-Forwarded-For %[src]
    use_backend http-{port}-%[var(txn.to),field(1,/)]
"""


def _tls(wish: Wish, port: int, path: str) -> str:
    return f"""
frontend tls-{port} from tls
{_binds(wish, port)}\
    tcp-request inspect-delay 5s
    tcp-request content set-var(txn.name) 'req.ssl_sni,{_CLEAN}' if {{ req.ssl_sni -m found }}
    tcp-request content reject if !{{ var(txn.name) -m found }}
{_lookup("tcp-request content", port, path)}\
    tcp-request content accept if {{ var(txn.to) -m found }}
    tcp-request content reject
    use_backend tls-{port}-%[var(txn.to),field(1,/)]
"""


def _backend(wish: Wish, mode: str, port: int, protocol: str, servers: t.Sequence[t.Tuple[Host, Port]]) -> str:
    sends = {"none": "", "v1": " send-proxy", "v2": " send-proxy-v2"}[protocol]
    checks = (" check inter 10s fastinter 1s" + (" check-send-proxy" if sends else "")) if wish.check else ""
    lines = "".join(
        f"    server {host.name} [{host.backend}]:{entry.to} weight 0{sends}{checks}\n" for host, entry in servers
    )
    return f"""
backend {mode}-{port}-{protocol} from {mode}
    use-server %[var(txn.to),field(2,/)] if TRUE
{lines}"""


def _forward(wish: Wish, host: Host) -> str:
    checks = " check inter 10s fastinter 1s" if wish.check else ""
    return f"""
listen forward-{host.name} from forward
{_binds(wish, host.forward)}\
    server {host.name} [{host.address}]:{SSH}{checks}
"""


def config(wish: Wish, path: str = MAP) -> str:
    """Return HAProxy's configuration. ``path``: where the map is, for a copy that is only tried out."""
    served: t.Dict[t.Tuple[int, str, str], t.List[t.Tuple[Host, Port]]] = {}
    for host in wish.hosts:
        for entry in host.ports:
            if host.names:
                served.setdefault((entry.port, entry.mode, entry.protocol), []).append((host, entry))
    body = ""
    for port, mode in sorted({(port, mode) for port, mode, _protocol in served}):
        body += _http(wish, port, path) if mode == "http" else _tls(wish, port, path)
    for (port, mode, protocol), servers in sorted(served.items(), key=lambda item: item[0]):
        body += _backend(wish, mode, port, protocol, servers)
    for host in wish.hosts:
        if host.forward:
            body += _forward(wish, host)
    digest = hashlib.sha256((_global(wish, "") + body).encode()).hexdigest()[:16]
    return _global(wish, digest) + body


def description(text: str) -> str:
    """Return the word in a configuration that a running HAProxy tells, to know which configuration it runs."""
    return text.partition("    description ")[2].partition("\n")[0]


def entries(wish: Wish) -> t.Dict[str, str]:
    """Return what the map says: which server, in which back end, for each name on each port."""
    found = {
        f"{entry.port}/{name}": f"{entry.protocol}/{host.name}"
        for host in wish.hosts
        for entry in host.ports
        for name in host.names
    }
    return dict(sorted(found.items()))


def map_text(found: t.Mapping[str, str]) -> str:
    """Return the map file."""
    return _HEADER + "".join(f"{key} {value}\n" for key, value in found.items())


def read_map(text: str) -> t.Dict[str, str]:
    """Return the entries of a map file."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {line[0]: line[1] for line in lines if len(line) == 2}
