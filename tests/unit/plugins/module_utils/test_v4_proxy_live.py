# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proxy's configuration does with good and bad requests, asked of a real HAProxy on the loopback addresses."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, haproxy, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_values as values


def _six():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = [
    pytest.mark.skipif(commands.found("haproxy") is None, reason="haproxy is not installed here"),
    pytest.mark.skipif(not _six(), reason="this machine has no ::1"),
]
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"  # PROXY, TCP over IPv4, twelve octets of addresses
NO_NAME, NOT_ALLOWED, BAD = "421", "405", "400"
REFUSED = f"{NO_NAME} {NOT_ALLOWED} {BAD}"  # one or another, by the version


class Server:
    """A server that tells who it is and what it got."""

    def __init__(self, name):
        self.name = name
        self.heard = []
        self.listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        self.listener.bind(("::1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                stream, _peer = self.listener.accept()
                threading.Thread(target=self.one, args=(stream,), daemon=True).start()

    def one(self, stream):
        with contextlib.suppress(OSError), stream:
            stream.settimeout(20)
            while got := stream.recv(65536):
                if got.startswith(V2) and len(got) == len(V2) + 12:
                    got += stream.recv(65536)  # what the header stands before
                self.heard.append(got)
                body = self.name.encode()
                http = b" HTTP/1." in got
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) if http else b""
                stream.sendall(head + body)


def free():
    """A port that nobody has now, on either loopback address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Proxy:
    """HAProxy with the configuration as the module writes it, but for what needs root."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.web, self.mail = Server("web"), Server("mail")
        self.http, self.tls, self.forward = free(), free(), free()
        self.path = f"{self.folder}/admin.sock"
        self.map = f"{self.folder}/map"
        self.hosts = {
            "web": {
                "address": "2001:db8::1",
                "names": ["www.example.com", "*.shop.example.com"],
                "ports": [
                    {"port": self.http, "to": self.web.port, "mode": "http"},
                    {"port": self.tls, "to": self.web.port, "proxy_protocol": "v2"},
                ],
            },
            "mail": {
                "address": "2001:db8::2",
                "names": ["mail.example.com", "m.shop.example.com"],
                "ports": [
                    {"port": self.http, "to": self.mail.port, "mode": "http", "proxy_protocol": "v2"},
                    {"port": self.tls, "to": self.mail.port},
                ],
                "forward": self.forward,
            },
        }
        self.wish = values.wish(
            {"addresses": ["127.0.0.1"], "hosts": self.hosts, "check": False, "maxconn": 200, "idle": 60}
            | {"forward_idle": 60}
        )
        text = texts.config(self.wish, self.map).replace(texts.SOCKET, self.path)
        text = re.sub(r"(?m)^    (chroot|user|group|log) .*\n", "", text)
        text = re.sub(r"\[2001:db8::[12]\]:22\n", f"[::1]:{self.mail.port}\n", text)
        text = re.sub(r"\[2001:db8::[12]\]", "[::1]", text)
        self.config = f"{self.folder}/cfg"
        with open(self.config, "w", encoding="utf-8") as stream:
            stream.write(text)
        self.write_map(texts.entries(self.wish))
        self.process = subprocess.Popen(["haproxy", "-db", "-f", self.config], env={"PATH": commands.SEARCH_PATH})
        assert sockets.wait(lambda: haproxy.running(self.path) is not None)

    def write_map(self, entries):
        with open(self.map, "w", encoding="utf-8") as stream:
            stream.write(texts.map_text(entries))

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.web.listener.close()
        self.mail.listener.close()

    def ask(self, data):
        """Send something and return all that comes back until the proxy closes."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.http)) as stream:
            stream.settimeout(15)
            stream.sendall(data)
            while part := stream.recv(65536):
                answer += part
        return answer.decode(errors="replace")

    def get(self, host, line="GET / HTTP/1.1", more=""):
        return self.ask(f"{line}\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n".encode())


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    found = Proxy(tmp_path_factory.mktemp("proxy"))
    yield found
    found.close()


@pytest.mark.parametrize(
    ("host", "who"),
    [
        ("www.example.com", "web"),
        ("WWW.Example.COM", "web"),
        ("www.example.com.", "web"),
        ("www.example.com:80", "web"),
        ("WWW.example.com.:8080", "web"),
        ("mail.example.com", "mail"),
        ("any.shop.example.com", "web"),
        ("m.shop.example.com", "mail"),  # a name itself comes before a wildcard
        ("a.b.shop.example.com", NO_NAME),
        ("shop.example.com", NO_NAME),
        ("*.shop.example.com", NO_NAME),
        ("?.shop.example.com", REFUSED),
        (".shop.example.com", NO_NAME),
        ("www.example.com..", NO_NAME),
        ("other.example.com", NO_NAME),
        ("example.com", NO_NAME),
        ("localhost", NO_NAME),
        ("127.0.0.1", NO_NAME),
        ("[::1]", NO_NAME),
        ("[2001:db8::1]:80", NO_NAME),
        ("user@www.example.com", REFUSED),
        ("www.example.com/../x", REFUSED),
        ("www.example.com\x00", REFUSED),
        ("", NO_NAME),
        ("a" * 9000 + ".example.com", NO_NAME),
        ("a" * 40000 + ".example.com", BAD),
    ],
)
def test_http_by_name(proxy, host, who):
    answer = proxy.get(host)
    assert answer.startswith("HTTP/1.1 ")
    if who in (NO_NAME, BAD, REFUSED):
        assert answer.split()[1] in who
    else:
        assert answer.split()[1] == "200"
        assert answer.endswith(who)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET / HTTP/1.0\r\n\r\n", NO_NAME),
        ("GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n", NO_NAME),  # closed, though nobody asked for it
        ("CONNECT www.example.com:25 HTTP/1.1\r\nHost: www.example.com:25\r\n\r\n", NOT_ALLOWED),
        ("CONNECT 192.0.2.1:25 HTTP/1.1\r\nHost: www.example.com\r\n\r\n", REFUSED),
        ("GET http://nobody.example/ HTTP/1.1\r\nHost: www.example.com\r\n\r\n", BAD),
        ("GET http://nobody.example/ HTTP/1.1\r\nHost: nobody.example\r\n\r\n", NO_NAME),
        ("GET / HTTP/1.1\r\nHost: www.example.com\r\nHost: mail.example.com\r\n\r\n", BAD),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
        ("EHLO example.com\r\n\r\n", BAD),
    ],
)
def test_what_is_no_request_to_a_name_is_refused_and_closed(proxy, request_text, status):
    before = len(proxy.web.heard), len(proxy.mail.heard)
    answer = proxy.ask(request_text.encode())
    assert answer.split()[1] in status
    assert (len(proxy.web.heard), len(proxy.mail.heard)) == before


def test_each_request_of_a_connection_goes_by_its_own_name(proxy):
    asked = [("www.example.com", "web"), ("mail.example.com", "mail"), ("www.example.com", "web")]
    text = "".join(f"GET /{place} HTTP/1.1\r\nHost: {host}\r\n\r\n" for place, (host, _who) in enumerate(asked))
    before = len(proxy.web.heard)
    answer = proxy.ask(f"{text}GET /x HTTP/1.1\r\nHost: nobody.example\r\n\r\n{text}".encode())
    # After the refused one the connection is closed, and what was behind it is not looked at.
    assert re.findall(r"\n\r\n(web|mail)", answer) == [who for _host, who in asked]
    assert re.findall(r"HTTP/1.1 (\d+)", answer) == ["200", "200", "200", NO_NAME]
    assert len(proxy.web.heard) == before + 2


def test_the_clients_own_words_about_its_address_do_not_count(proxy):
    proxy.get("www.example.com", more="X-Forwarded-For: 192.0.2.99\r\nx-forwarded-for: 192.0.2.98\r\n")
    heard = proxy.web.heard[-1].lower()
    assert b"x-forwarded-for: 127.0.0.1\r\n" in heard
    assert heard.count(b"x-forwarded-for") == 1


def test_no_host_is_asked_to_go_on_with_http2(proxy):
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    proxy.ask(f"GET / HTTP/1.1\r\nHost: www.example.com\r\n{upgrade}\r\nGET /2 HTTP/1.0\r\n\r\n".encode())
    assert b"h2c" not in proxy.web.heard[-1]


def test_a_web_socket_is_another_matter(proxy):
    upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    text = (
        f"GET /socket HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\n{upgrade}\r\nGET /2 HTTP/1.0\r\n\r\n"
    )
    proxy.ask(text.encode())
    heard = [part for part in proxy.web.heard if b"/socket" in part][-1]
    assert b"upgrade: websocket\r\n" in heard


def hello(name):
    """The first message of a TLS client."""
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    wrapped = context.wrap_bio(inside, outside, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        wrapped.do_handshake()
    return outside.read()


def padded(message, extension):
    """The same message with another extension."""
    body = bytearray(message[9:])
    at = 2 + 32
    at += 1 + body[at]
    at += 2 + struct.unpack_from(">H", body, at)[0]
    at += 1 + body[at]
    length = struct.unpack_from(">H", body, at)[0]
    struct.pack_into(">H", body, at, length + len(extension))
    body += extension
    inner = b"\x01" + len(body).to_bytes(3, "big") + bytes(body)
    return message[:3] + len(inner).to_bytes(2, "big") + inner


def first_answer(proxy, data, more=()):
    """What comes back first, which is nothing where the proxy just closes."""
    with socket.create_connection(("127.0.0.1", proxy.tls)) as stream:
        stream.settimeout(15)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.sendall(data)
        for part in more:
            threading.Event().wait(0.05)  # long enough for a segment of its own
            stream.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            return stream.recv(100).decode()
    return ""


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("www.example.com", "web"),
        ("WWW.Example.com", "web"),
        ("mail.example.com", "mail"),
        ("x.shop.example.com", "web"),
        ("M.shop.example.com", "mail"),
        ("x.y.shop.example.com", ""),
        ("nobody.example.com", ""),
        ("127.0.0.1", ""),
        (None, ""),
        (".".join(["a" * 60] * 4), ""),
    ],
)
def test_tls_by_name(proxy, name, who):
    assert first_answer(proxy, hello(name)) == who


GREASE = b"\x0a\x0a\0\0"
ECH = b"\xfe\x0d\0\x0a\0\0\x01\0\x01\0\0\0\0\0"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: (data[:3], [data[3:60], data[60:]]), id="split"),
        pytest.param(lambda data: (data[:1], [data[1:2], data[2:]]), id="single octets"),
        pytest.param(lambda data: (padded(data, GREASE), []), id="GREASE"),
        pytest.param(lambda data: (padded(data, ECH), []), id="ECH: the outer name counts"),
        pytest.param(lambda data: (padded(data, b"\x2a\x2a\x0b\xb8" + bytes(3000)), []), id="larger than a segment"),
    ],
)
def test_a_first_message_in_any_shape(proxy, change):
    first, more = change(hello("www.example.com"))
    assert first_answer(proxy, first, more) == "web"


@pytest.mark.parametrize(
    "data", [b"EHLO example.com\r\n", b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n", bytes(99)]
)
def test_what_is_no_tls_is_closed_without_a_word(proxy, data):
    assert first_answer(proxy, data) == ""


def test_the_hosts_that_want_it_are_told_the_client(proxy):
    first_answer(proxy, hello("www.example.com"))
    assert proxy.web.heard[-1].startswith(V2 + b"\x7f\0\0\1\x7f\0\0\1")
    first_answer(proxy, hello("mail.example.com"))
    assert proxy.mail.heard[-1].startswith(b"\x16\x03")
    proxy.get("mail.example.com")
    assert proxy.mail.heard[-1].startswith(V2)
    proxy.get("www.example.com")
    assert proxy.web.heard[-1].startswith(b"GET")


def test_a_forward_takes_anything(proxy):
    with socket.create_connection(("127.0.0.1", proxy.forward)) as stream:
        stream.settimeout(15)
        stream.sendall(b"SSH-2.0-test\r\n")
        assert stream.recv(100) == b"mail"
    assert proxy.mail.heard[-1] == b"SSH-2.0-test\r\n"


def test_another_map_is_taken_at_once_and_as_a_whole(proxy):
    worker = haproxy.running(proxy.path)
    entries = texts.entries(proxy.wish)
    assert haproxy.read_map(proxy.path, proxy.map) == entries
    many = {f"{proxy.http}/n{number}.example.net": "none/web" for number in range(5000)}
    try:
        haproxy.replace_map(proxy.path, proxy.map, {**entries, **many})
        assert haproxy.read_map(proxy.path, proxy.map) == {**entries, **many}
        assert proxy.get("n4999.example.net").endswith("web")
        assert proxy.get("n5000.example.net").split()[1] == NO_NAME
    finally:
        haproxy.replace_map(proxy.path, proxy.map, entries)
    assert haproxy.read_map(proxy.path, proxy.map) == entries
    assert proxy.get("n4999.example.net").split()[1] == NO_NAME
    assert haproxy.running(proxy.path) == worker


@pytest.mark.parametrize("value", ["none/nobody", "none/", "nothing", "none/../mail", "v1/web"])
def test_a_map_that_names_no_server_leads_nowhere(proxy, value):
    """Not even a map that somebody has spoilt sends a client to a host that was not meant, or anywhere else."""
    entries = texts.entries(proxy.wish)
    before = len(proxy.web.heard), len(proxy.mail.heard)
    try:
        spoilt = {f"{proxy.http}/www.example.com": value, f"{proxy.tls}/www.example.com": value}
        haproxy.replace_map(proxy.path, proxy.map, {**entries, **spoilt})
        assert proxy.get("www.example.com").split()[1] == "503"
        assert first_answer(proxy, hello("www.example.com")) == ""
    finally:
        haproxy.replace_map(proxy.path, proxy.map, entries)
    assert (len(proxy.web.heard), len(proxy.mail.heard)) == before


def test_no_page_of_statistics_anywhere(proxy):
    for path in ("/haproxy?stats", "/stats", "/;csv"):
        answer = proxy.ask(f"GET {path} HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n".encode())
        assert answer.endswith("web")


def test_a_host_that_does_not_answer_is_known_where_that_is_asked_for(proxy, tmp_path):
    checked = values.wish({**proxy.wish._asdict(), "hosts": proxy.hosts, "addresses": ["127.0.0.1"], "check": True})
    text = re.sub(r"(?m)^    (chroot|user|group|log) .*\n", "", texts.config(checked, proxy.map))
    path = tmp_path / "cfg"
    path.write_text(text, encoding="utf-8")
    assert text.count(" check inter ") == 5
    assert haproxy.verify(str(path)) == ""


def test_haproxy_itself_refuses_a_broken_file(proxy, tmp_path):
    assert haproxy.verify(proxy.config) == ""
    broken = tmp_path / "cfg"
    broken.write_text("frontend x\n    bind nowhere\n    nonsense\n", encoding="utf-8")
    assert "nonsense" in haproxy.verify(str(broken))
