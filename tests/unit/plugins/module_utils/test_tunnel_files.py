# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a tunnel, and that the programs that read them take them, where they are installed."""

from __future__ import annotations

import configparser
import shutil
import subprocess

import pytest
import yaml

from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel, tunnel_openvpn, tunnel_texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.tunnel_given import (
    CLIENT,
    KEY,
    KINDS,
    OTHER,
    PEM,
    SECRET,
    SERVER,
    SIT,
    WIREGUARD,
)


def files_of(given, backend=""):
    wish = tunnel.wanted(given)
    return tunnel_openvpn.files_of(wish) if wish.kind == "openvpn" else tunnel_texts.files_of(wish, backend)


def text_of(given, ending, backend=""):
    found = [file for path, file in files_of(given, backend).items() if path.endswith(ending)]
    assert len(found) == 1
    return found[0].content.decode()


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed on this machine")


ALL = [
    (name, backend) for name in KINDS for backend in (tunnel_texts.BACKENDS if name in ("6in4", "wireguard") else [""])
]


@pytest.mark.parametrize(("name", "backend"), ALL)
def test_secrets_are_in_files_of_their_own_that_others_can_not_read(name, backend):
    given = (
        {**KINDS[name], "peers": [{**WIREGUARD["peers"][0], "preshared_key": OTHER}]}
        if name == "wireguard"
        else KINDS[name]
    )
    given = {**given, "tls_crypt": SECRET} if name in ("server", "client") else given
    for path, file in files_of(given, backend).items():
        holds = any(text.encode() in file.content for text in (SECRET, KEY)) or b"PresharedKey" in file.content
        assert file.secret == holds, path
        if holds:
            # networkd reads its files as a user of its own, of this group.
            assert (file.mode, file.group) in [(0o600, ""), (0o640, "systemd-network")], path


HOSTILE = (
    "%x\n up touch PWNED",
    '%x"\nup "touch PWNED"\n#',
    "%PWNED",
    "\nPWNED",
    "\rPWNED",
    "\x0bPWNED",
    "\x00PWNED",
    "\x85PWNED",
    "\u2028PWNED",
    " PWNED",
    ";PWNED",
    "#PWNED",
    "'PWNED",
    "$(PWNED)",
)


def spoilt(value, tail):
    """Yield a value once for every text in it, with that text spoilt; a prefix also before its length."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in ("kind", "role") and "-----BEGIN" not in str(item):
                yield from ({**value, key: other} for other in spoilt(item, tail))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in spoilt(item, tail))
    elif isinstance(value, str):
        head, slash, length = value.partition("/")
        yield value + tail
        yield f"{head}{tail}{slash}{length}"


FULL = {
    "server": {**SERVER, "local": "2001:db8::1"},
    "client": {**CLIENT, "server_name": "server", "remote": "2001:db8::1"},
    "wireguard": {
        **WIREGUARD,
        "peers": [{**WIREGUARD["peers"][0], "endpoint": "[2001:db8:ffff::1]:51820", "preshared_key": OTHER}],
    },
}


@pytest.mark.parametrize("tail", HOSTILE)
@pytest.mark.parametrize(("name", "backend"), ALL)
def test_no_file_has_a_line_that_the_builder_did_not_write(name, backend, tail):
    tried = 0
    for given in spoilt(FULL.get(name, KINDS[name]), tail):
        tried += 1
        try:
            found = files_of(given, backend)
        except RolloutError:
            continue
        assert not [path for path, file in found.items() if "PWNED" in path or b"PWNED" in file.content], given
    assert tried > 5


def test_server():
    text = text_of(SERVER, ".conf")
    lines = text.splitlines()
    for line in (
        "proto udp",
        "port 1194",
        "server-ipv6 2001:db8:12:ff::/64",
        'push "route-ipv6 2001:db8:12::/48"',
        "route-ipv6 2001:db8:12:fe::/64",
        "client-config-dir tun6/clients",
        "ccd-exclusive",
        "remote-cert-tls client",
        "tun-mtu 1420",
        "mssfix 1420 fixed",
    ):
        assert line in lines
    assert "server 10" not in text
    assert text_of(SERVER, "/clients/lab1").splitlines()[1:] == [
        "ifconfig-ipv6-push 2001:db8:12:ff::10/64 2001:db8:12:ff::1",
        "iroute-ipv6 2001:db8:12:fe::/64",
    ]


def test_the_gateway_of_a_small_network():
    given = {**SERVER, "network": "2001:db8:12:ff::50/124", "clients": [{"name": "a", "address": "2001:db8:12:ff::52"}]}
    assert "2001:db8:12:ff::52/124 2001:db8:12:ff::51" in text_of(given, "/clients/a")


def test_client_leaves_ipv4_alone_and_names_the_files_of_the_user():
    lines = text_of(CLIENT, ".conf").splitlines()
    for line in (
        "remote tunnel.example.com 1194",
        'pull-filter ignore "ifconfig "',
        'pull-filter ignore "route "',
        'pull-filter ignore "redirect-gateway"',
        "key /etc/ssl/private/lab1.key",
        "remote-cert-tls server",
    ):
        assert line in lines
    assert list(files_of(CLIENT)) == ["/etc/openvpn/client/tun6.conf"]


@pytest.mark.parametrize("backend", ["", "ifcfg"])
def test_unknown_backend(backend):
    with pytest.raises(RolloutError, match=r"backend: .* is none of ifupdown"):
        files_of(SIT, backend)


def test_ifupdown():
    given = {**SIT, "addresses": ["2001:db8:feed::2/64", "2001:db8:feed::3/64"]}
    assert files_of(given, "ifupdown")["/etc/network/interfaces.d/60-ipv6-rollout-tun6"].content.decode() == (
        tunnel_texts.HEADER
        + """\
auto tun6
iface tun6 inet6 v4tunnel
    address 2001:db8:feed::2/64
    local 192.0.2.10
    endpoint 198.51.100.1
    ttl 64
    mtu 1280
    up ip -6 addr replace 2001:db8:feed::3/64 dev tun6
    up ip -6 route add 2000::/3 dev tun6
"""
    )


def test_netplan():
    found = yaml.safe_load(text_of(SIT, ".yaml", "netplan"))["network"]["tunnels"]["tun6"]
    assert found == {
        "mode": "sit",
        "local": "192.0.2.10",
        "remote": "198.51.100.1",
        "ttl": 64,
        "mtu": 1280,
        "accept-ra": False,
        "addresses": ["2001:db8:feed::2/64"],
        "routes": [{"to": "2000::/3", "scope": "link"}],
    }


def test_networkmanager():
    found = configparser.ConfigParser()
    found.read_string(text_of(SIT, ".nmconnection", "networkmanager"))
    assert dict(found["ip-tunnel"])["mode"] == "3"
    assert dict(found["ipv6"]) == {"method": "manual", "address1": "2001:db8:feed::2/64", "route1": "2000::/3"}
    other = configparser.ConfigParser()
    other.read_string(text_of({**SIT, "name": "tun7"}, ".nmconnection", "networkmanager"))
    assert found["connection"]["uuid"] != other["connection"]["uuid"]


def test_networkd():
    assert "Kind=sit\nMTUBytes=1280\n\n[Tunnel]\nIndependent=yes\n" in text_of(SIT, ".netdev", "networkd")
    assert "[Route]\nDestination=2000::/3\n" in text_of(SIT, ".network", "networkd")
    assert "PrivateKeyFile=/etc/systemd/network/60-ipv6-rollout-wg6.key\n" in text_of(WIREGUARD, ".netdev", "networkd")
    own = {**WIREGUARD, "key": None, "key_file": "/etc/keys/wg6"}
    assert "PrivateKeyFile=/etc/keys/wg6\n" in text_of(own, ".netdev", "networkd")


def test_wg_quick():
    assert "PostUp = wg set %i private-key /etc/wireguard/wg6.key\n" in text_of(WIREGUARD, ".conf", "netplan")


@needs("wg-quick")
def test_wg_quick_takes_it(tmp_path):
    path = tmp_path / "wg6.conf"
    path.touch(mode=0o600)
    path.write_text(text_of(WIREGUARD, ".conf", "ifupdown"), encoding="ascii")
    done = subprocess.run(["wg-quick", "strip", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, "AllowedIPs = 2001:db8:12::/48" in done.stdout) == (0, True)


@needs("netplan")
def test_netplan_takes_it(tmp_path):
    path = tmp_path / "etc/netplan/90.yaml"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o600)
    path.write_text(text_of(SIT, ".yaml", "netplan"), encoding="ascii")
    done = subprocess.run(
        ["netplan", "generate", "--root-dir", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = "".join(item.read_text() for item in (tmp_path / "run/systemd/network").iterdir())
    assert "Kind=sit" in made
    assert "Destination=2000::/3" in made


@needs("ifup")
def test_ifupdown_takes_it(tmp_path):
    path = tmp_path / "interfaces"
    path.write_text(text_of(SIT, "rollout-tun6", "ifupdown"), encoding="ascii")
    done = subprocess.run(
        ["ifup", "--no-act", "--force", "--verbose", "--interfaces", str(path), "tun6"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ip link set tun6 up mtu 1280" in done.stderr + done.stdout


@needs("nmcli")
def test_networkmanager_takes_it():
    done = subprocess.run(
        ["nmcli", "--offline", "connection", "modify", "ipv6.dns-priority", "7"],
        input=text_of(SIT, ".nmconnection", "networkmanager"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "mode=3" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Options error: Unrecognized option in x:23: foo\nUse --help for more\n",
            "Options error: Unrecognized option in x:23: foo",
        ),
        (
            "OpenSSL: error:05800074::key values mismatch:\nCannot load k\nExiting due to fatal error\n",
            "OpenSSL: error:05800074::key values mismatch:; Cannot load k",
        ),
        (
            "Options error: --cert fails with 'x'\nOptions error: Please correct these errors.\n",
            "Options error: --cert fails with 'x'",
        ),
        ("one\n\ntwo\nthree\n", "two; three"),
    ],
)
def test_reason(said, reason):
    assert tunnel_openvpn.reason(said) == reason


def issued(folder, extensions):
    """A certificate authority, and one certificate of it."""
    run = {"cwd": folder, "capture_output": True}
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(
        [*new, "-x509", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=ca"], check=True, **run
    )
    subprocess.run([*new, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=own"], check=True, **run)
    (folder / "ext").write_text(extensions, encoding="ascii")
    sign = ["openssl", "x509", "-req", "-in", "own.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    subprocess.run([*sign, "-days", "2", "-extfile", "ext", "-out", "own.crt"], check=True, **run)
    return (folder / "ca.crt").read_text(), (folder / "own.crt").read_text()


@needs("openssl")
@pytest.mark.parametrize(
    ("extensions", "given", "count"),
    [
        ("keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n", SERVER, 0),
        ("keyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n", {**CLIENT, "ca": "", "certificate": ""}, 0),
        ("extendedKeyUsage=serverAuth\n", SERVER, 1),
        ("keyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n", SERVER, 2),
    ],
)
def test_certificates(tmp_path, extensions, given, count):
    """remote-cert-tls of the other end wants keyUsage too, which OpenVPN itself tells only there."""
    ca, own = issued(tmp_path, extensions)
    wish = tunnel.wanted({**given, "ca": ca, "certificate": own})
    assert len(tunnel_openvpn.certificates(wish, tunnel_openvpn.files_of(wish))) == count


@needs("openssl")
def test_a_certificate_of_another_authority(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    extensions = "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"
    other, _own = issued(tmp_path / "a", extensions)
    _ca, own = issued(tmp_path / "b", extensions)
    wish = tunnel.wanted({**SERVER, "ca": other, "certificate": own})
    found = tunnel_openvpn.certificates(wish, tunnel_openvpn.files_of(wish))
    assert len(found) == 1
    assert "the other end will refuse it" in found[0]


@needs("openssl")
def test_a_chain_of_certificates(tmp_path):
    """The end's own certificate first, then the one that it was issued with; the authority is not in it."""
    ca, leaf = issued(tmp_path, "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n")
    run = {"cwd": tmp_path, "capture_output": True}
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "end.key"]
    subprocess.run(["openssl", "req", *key, "-out", "end.csr", "-subj", "/CN=end"], check=True, **run)
    (tmp_path / "ext").write_text("keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n", encoding="ascii")
    sign = ["openssl", "x509", "-req", "-in", "end.csr", "-CA", "own.crt", "-CAkey", "own.key", "-CAcreateserial"]
    subprocess.run([*sign, "-days", "2", "-extfile", "ext", "-out", "end.crt"], check=True, **run)
    end = (tmp_path / "end.crt").read_text()
    for certificate, count in ((end + leaf, 0), (end, 1)):
        wish = tunnel.wanted({**SERVER, "ca": ca, "certificate": certificate})
        assert len(tunnel_openvpn.certificates(wish, tunnel_openvpn.files_of(wish))) == count


def test_pem_ends_in_one_newline():
    assert text_of({**SERVER, "ca": PEM + "\r\n\n"}, "ca.crt") == PEM + "\n"
