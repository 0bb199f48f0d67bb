# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine of a topology: it runs in namespaces of its own, sets its network up and serves what it is told to.

Reads one line of JSON ({etc, commands, servers, zones}) from standard input, prints ``ready``, and serves until its
input ends.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import typing as t

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.zone

IPV6_FREEBIND = 78  # linux/in6.h; Python's socket module does not have it

Config = dict[str, t.Any]
Server = t.Callable[[asyncio.StreamReader, asyncio.StreamWriter], t.Awaitable[None]]


def listening(address: str, port: int, kind: socket.SocketKind, only_ipv6: bool) -> socket.socket:
    """Return a bound socket; ``::`` without ``only_ipv6`` serves both families."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_ipv6))
        # One address may not be there yet when a service starts; who binds it says that this is meant (ipv6(7)).
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    made.bind((address, port))
    made.setblocking(False)
    return made


def web(page: str) -> Server:
    """An HTTP server with one page."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        found = request.split(b" ", 2)[1] == b"/"
        body = (page if found else "not here\n").encode()
        head = f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}\r\nContent-Type: text/html\r\nConnection: close\r\n"
        writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return serve


def mail(name: str) -> Server:
    """An SMTP server that relays for nobody."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"220 {name} ESMTP\r\n".encode())
        while line := (await reader.readline()).decode("latin-1"):
            word = line.split(" ", 1)[0].strip().upper()
            answers = {
                "EHLO": f"250-{name}\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
                "RCPT": "554 5.7.1 Relay access denied\r\n",
                "QUIT": "221 2.0.0 Bye\r\n",
            }
            writer.write(answers.get(word, "250 2.1.0 Ok\r\n").encode())
            await writer.drain()
            if word == "QUIT":
                return

    return serve


async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that says what it is, as sshd does."""
    writer.write(b"SSH-2.0-topology\r\n")
    await writer.drain()


class NameServer(asyncio.DatagramProtocol):
    """An authoritative name server over UDP and TCP."""

    def __init__(self, zones: t.Mapping[dns.name.Name, dns.zone.Zone]) -> None:
        self._zones = zones
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go out by."""
        self._transport = t.cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: t.Any) -> None:
        """Answer over UDP, cut where the client can't take it all."""
        query = dns.message.from_wire(data)
        answer = self.answer(query)
        limit = max(512, query.payload) if query.edns >= 0 else 512
        wire = answer.to_wire(max_size=65535)
        if len(wire) > limit:
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.AA | dns.flags.TC
            wire = answer.to_wire()
        if self._transport:
            self._transport.sendto(wire, addr)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer over TCP."""
        while head := await reader.read(2):
            query = dns.message.from_wire(await reader.readexactly(int.from_bytes(head, "big")))
            wire = self.answer(query).to_wire(max_size=65535)
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Answer one question from the zones; what is not in them is refused."""
        answer = dns.message.make_response(query)
        asked = query.question[0]
        name = asked.name
        while name not in self._zones and name != dns.name.root:
            name = name.parent()
        if name not in self._zones or asked.rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
            answer.set_rcode(dns.rcode.REFUSED)
            return answer
        zone = self._zones[name]
        answer.flags |= dns.flags.AA
        node = zone.get_node(asked.name)
        found = node.get_rdataset(zone.rdclass, asked.rdtype) if node else None
        if found:
            answer.answer.append(dns.rrset.from_rdata_list(asked.name, found.ttl, list(found)))
        else:
            below = any(owner.is_subdomain(asked.name) for owner in zone.nodes)
            answer.set_rcode(dns.rcode.NOERROR if below else dns.rcode.NXDOMAIN)
            soa = zone.find_rdataset(zone.origin, "SOA")
            answer.authority.append(dns.rrset.from_rdata_list(zone.origin, soa.ttl, list(soa)))
        return answer


def closing(server: Server) -> Server:
    """A server that survives clients that go away."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.wait_for(server(reader, writer), 30)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()

    return serve


async def run(config: Config) -> None:
    """Start all servers, say so, and stay until the input ends."""
    loop = asyncio.get_running_loop()
    texts = config.get("zones", {})
    zones = {dns.name.from_text(name): dns.zone.from_text(text, name, relativize=False) for name, text in texts.items()}
    for entry in config["servers"]:
        kind = {"http": web, "https": web, "smtp": mail}.get(entry["kind"])
        server = NameServer(zones).serve if entry["kind"] == "dns" else kind(entry["says"]) if kind else greet
        context = None
        if entry["kind"] == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(config["certificate"])
        for address in entry["addresses"]:
            given = (address, entry["port"])
            made = listening(*given, socket.SOCK_STREAM, entry["only_ipv6"])
            await asyncio.start_server(closing(server), sock=made, ssl=context)
            if entry["kind"] == "dns":
                made = listening(*given, socket.SOCK_DGRAM, entry["only_ipv6"])
                await loop.create_datagram_endpoint(lambda: NameServer(zones), sock=made)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Entry point."""
    print("here", flush=True)
    config = json.loads(sys.stdin.readline())
    subprocess.run(["mount", "--bind", config["etc"], "/etc"], check=True)
    # What /sys shows of interfaces is that of the namespace in which it was mounted.
    subprocess.run(["mount", "--type", "sysfs", "sysfs", "/sys"], check=True)
    for command, text in config["commands"]:
        subprocess.run(command, input=text.encode(), check=True, stdout=subprocess.DEVNULL)
    asyncio.run(run(config))


if __name__ == "__main__":
    main()
