# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drawn site as real machines: a network namespace each, with real sockets, addresses, routes and rules.

This process is the router between them. It must run in network, mount and process namespaces of its own
(``unshare --net --mount --pid --fork --kill-child --mount-proc``): with its end everything is gone.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from drawn import DOMAIN, LAB, SECOND, WEB_PORTS, Data, Drawn

from ansible_collections.ipv6.rollout.plugins.module_utils import rules
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_zones

HERE = Path(__file__).resolve().parent
COLLECTIONS = HERE.parents[1] / ".build" / "collections"
KEPT = ("passwd", "group", "nsswitch.conf", "protocols", "services", "alternatives", "ld.so.cache", "host.conf")
LOOK = """
import json, sys
from ansible_collections.ipv6.rollout.plugins.module_utils import host
print(json.dumps(host.look(True, json.loads(sys.stdin.read()))))
"""
PROBE = """
import json, sys
from ansible_collections.ipv6.rollout.plugins.module_utils import probe
checks = [probe.check(one) for one in json.loads(sys.stdin.read())]
print(json.dumps(probe.prove_all(checks)))
"""


def run(*words: str, text: str = "") -> str:
    """Run a program and return what it prints."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Machine:
    """A process in namespaces of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder / name
        self._process = subprocess.Popen(
            ["unshare", "--net", "--mount", sys.executable, str(HERE / "daemons.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._hear("here")

    def _hear(self, word: str) -> None:
        said = self._process.stdout.readline().strip() if self._process.stdout else ""
        if said != word:
            raise RuntimeError(f"{self.name} did not start: {said}")

    @property
    def pid(self) -> str:
        """The process whose namespaces these are."""
        return str(self._process.pid)

    def plug(self, bridge: str, number: int) -> None:
        """Connect the machine with a bridge of the router."""
        run("ip", "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", self.pid)
        run("ip", "link", "set", f"port{number}", "master", bridge, "up")

    def start(self, files: t.Mapping[str, str], commands: list[tuple[list[str], str]], **config: t.Any) -> None:
        """Give the machine its files and its network, and let it serve."""
        etc = self._folder / "etc"
        etc.mkdir(parents=True)
        for name in KEPT:
            given = Path("/etc") / name
            if given.is_dir():
                shutil.copytree(given, etc / name, symlinks=True)
            elif given.exists():
                shutil.copy(given, etc / name)
        for name, content in files.items():
            (etc / name).parent.mkdir(parents=True, exist_ok=True)
            (etc / name).write_text(content)
        told = {"etc": str(etc), "commands": commands, "servers": [], **config}
        if self._process.stdin:
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
        self._hear("ready")

    def ask(self, program: str, question: object) -> t.Any:
        """Run Python code on the machine and return what it says."""
        words = ["nsenter", "--target", self.pid, "--net", "--mount", "env", f"PYTHONPATH={COLLECTIONS}"]
        return json.loads(run(*words, sys.executable, "-c", program, text=json.dumps(question)))

    def shell(self, *words: str, text: str = "") -> str:
        """Run a program on the machine."""
        return run("nsenter", "--target", self.pid, "--net", "--mount", *words, text=text)


class World:
    """All machines of a site, the lab machine, and a second name server in another network."""

    def __init__(self, site: Drawn, folder: Path) -> None:
        self.site, self._folder, self._ports, self._bridges = site, folder, 0, {}
        for key in ("net.ipv6.conf.all.forwarding", "net.ipv4.ip_forward"):
            run("sysctl", "-qw", f"{key}=1")
        run("ip", "link", "set", "lo", "up")
        self._certificate(folder)
        zones = self.zones()
        self.lab = self._machine("lab1", "lab", [f"{LAB['ipv6']}/64", f"{LAB['outside']}/64"], LAB["ipv4"], {}, [])
        dns = [{"kind": "dns", "port": 53, "addresses": ["::", "0.0.0.0"], "only_ipv6": True, "says": ""}]
        second = [f"{SECOND['ipv6']}/64"]
        self.second = self._machine("ns2", "far", second, SECOND["ipv4"], {}, dns, zones=zones)
        self.hosts = {name: self._host(name, zones if name == "ns1" else {}) for name in site.specs}

    def _certificate(self, folder: Path) -> None:
        names = ",".join(f"DNS:{name}" for spec in self.site.specs.values() for name in spec["names"])
        run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "9"),
            *("-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName={names}"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "chain.pem")),
        )
        (folder / "both.pem").write_text((folder / "chain.pem").read_text() + (folder / "key.pem").read_text())

    # ------------------------------------------------------------------------------------------------ the zones

    def zones(self) -> dict[str, str]:
        """Return all zones as master files."""
        site = self.site
        head = [
            f"$TTL {site.ttl}",
            f"@ IN SOA ns1.{DOMAIN}. hostmaster.{DOMAIN}. 7 7200 900 1209600 3600",
            f"@ IN NS ns1.{DOMAIN}.",
            f"@ IN NS ns2.{DOMAIN}.",
        ]
        forward = [*head, f"ns2 IN A {SECOND['ipv4']}", f"ns2 IN AAAA {SECOND['ipv6']}"]
        mail = [name for name, spec in site.specs.items() if spec["mail_domains"]]
        forward += [f"@ IN MX 10 {site.specs[name]['names'][0]}." for name in mail]
        if mail:
            senders = [f"ip4:{site.members[name]['ipv4']} ip6:{site.members[name]['address']}" for name in mail]
            policy = f"v=spf1 {' '.join(senders)} -all"
            # One string of a TXT record holds 255 octets; readers join them (RFC 7208, section 3.3).
            strings = [policy[place : place + 200] for place in range(0, len(policy), 200)]
            forward.append("@ IN TXT " + " ".join(f'"{string}"' for string in strings))
        reverse: dict[str, list[str]] = {}
        for zone in ["18.198.in-addr.arpa.", *reverse_zones(site.prefix), "0.0.0.0.3.5.0.0.f.f.f.3.ip6.arpa."]:
            reverse[zone] = list(head)

        def point(address: str, name: str) -> None:
            owner = ipaddress.ip_address(address).reverse_pointer + "."
            zone = next(zone for zone in sorted(reverse, key=len, reverse=True) if owner.endswith(f".{zone}"))
            reverse[zone].append(f"{owner} IN PTR {name}.")

        for address in SECOND.values():
            point(address, f"ns2.{DOMAIN}")
        for member in site.members.values():
            # One name server is enough for a test address of the zone; every host has at least one name.
            for published in [*member["names"], *member["lab_names"]]:
                if member["ipv4"] and published in member["names"]:
                    forward.append(f"{published}. IN A {member['ipv4']}")
                forward.append(f"{published}. IN AAAA {member['address']}")
            point(member["address"], member["names"][0])
            if member["ipv4"]:
                point(member["ipv4"], member["names"][0])
        made = {f"{DOMAIN}.": forward, **reverse}
        return {zone: "\n".join(lines) + "\n" for zone, lines in made.items()}

    # --------------------------------------------------------------------------------------------- the machines

    def _bridge(self, name: str, gateway: str) -> str:
        if name not in self._bridges:
            self._bridges[name] = f"br{len(self._bridges)}"
            bridge = self._bridges[name]
            run("ip", "link", "add", bridge, "type", "bridge")
            run("ip", "link", "set", bridge, "up")
            run("ip", "addr", "add", "fe80::1/64", "dev", bridge, "nodad")
            run("ip", "addr", "add", gateway, "dev", bridge)
        return self._bridges[name]

    def _machine(
        self,
        name: str,
        network: str,
        ipv6: list[str],
        ipv4: str,
        settings: t.Mapping[str, str],
        servers: list[Data],
        more: list[tuple[list[str], str]] | None = None,
        files: t.Mapping[str, str] | None = None,
        **config: t.Any,
    ) -> Machine:
        gateway = ipaddress.ip_interface(f"{ipv4 or self._gateway_of(network)}/24").network[1]
        bridge = self._bridge(network, f"{gateway}/24")
        for address in ipv6:
            run("ip", "-6", "route", "replace", str(ipaddress.ip_interface(address).network), "dev", bridge)
        machine = Machine(name, self._folder)
        self._ports += 1
        machine.plug(bridge, self._ports)
        commands: list[tuple[list[str], str]] = [(["ip", "link", "set", "lo", "up"], "")]
        commands += [(["sysctl", "-qw", f"{key}={value}"], "") for key, value in settings.items()]
        commands.append((["ip", "link", "set", "eth0", "up"], ""))
        for number, address in enumerate(ipv6):
            # The second one is spoken from on demand only.
            asked = ["preferred_lft", "0"] if number else []
            commands.append((["ip", "addr", "add", address, "dev", "eth0", "nodad", *asked], ""))
        commands.append((["ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0"], ""))
        lines = [*(f"Address={address}" for address in ipv6), "Gateway=fe80::1"]
        if ipv4:
            commands.append((["ip", "addr", "add", f"{ipv4}/24", "dev", "eth0"], ""))
            commands.append((["ip", "route", "add", "default", "via", str(gateway)], ""))
            lines += [f"Address={ipv4}/24", f"Gateway={gateway}"]
        server = self.site.members["ns1"]["ipv4"]
        etc = {
            "resolv.conf": f"nameserver {server if ipv4 else self.site.members['ns1']['address']}\n",
            "hosts": "127.0.0.1 localhost\n::1 localhost\n",
            "systemd/network/10-eth0.network": "[Match]\nName=eth0\n\n[Network]\nIPv6AcceptRA=no\n" + "\n".join(lines),
            "systemd/system/multi-user.target.wants/systemd-networkd.service": "",
            "systemd/system/multi-user.target.wants/netfilter-persistent.service": "",
            "os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            **(files or {}),
        }
        machine.start(etc, [*commands, *(more or [])], servers=servers, **config)
        return machine

    def _gateway_of(self, network: str) -> str:
        """Return an IPv4 address of the network of a machine that has none itself."""
        places = [subnet["name"] for subnet in self.site.subnets]
        return f"198.18.{10 + places.index(network)}.250"

    def _host(self, name: str, zones: t.Mapping[str, str]) -> Machine:
        member, ways = self.site.members[name], self.site.ways[name]
        settings = {
            "net.ipv6.conf.eth0.accept_ra": "0",
            "net.ipv6.conf.eth0.use_tempaddr": ways["tempaddr"],
            "net.ipv4.conf.all.rp_filter": ways["rp_filter"],
            "net.ipv4.conf.eth0.rp_filter": ways["rp_filter"],
        }
        table, files, commands = self._rules(name, member, ways), {}, []
        for program, family in (("iptables", "v4"), ("ip6tables", "v6")):
            text = table[family]
            if text:
                commands.append(([f"{program}-{ways['backend']}-restore"], text))
            files[f"iptables/rules.{family}"] = text or "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
        address = f"{member['address']}/{member['prefix_length']}"
        return self._machine(
            name,
            member["subnet"],
            [address],
            member["ipv4"] or "",
            settings,
            self._servers(member, ways),
            commands,
            files,
            zones=dict(zones),
            certificate=str(self._folder / "both.pem"),
        )

    def _servers(self, member: Data, ways: Data) -> list[Data]:
        own = [member["address"], *([member["ipv4"]] if member["ipv4"] else [])]
        addresses, only = {
            "one": (["::"], False),
            "two": (["::", "0.0.0.0"], True),
            "addresses": (own, True),
        }[ways["sockets"]]
        served = {(entry["name"], entry["port"]) for entry in member["services"]} | {("ssh", 22)}
        kinds = {**{name: name for name in WEB_PORTS}, "smtp": "smtp", "submission": "smtp", "dns": "dns"}
        servers = [
            {
                "kind": kinds.get(service, "greet"),
                "port": port,
                "addresses": addresses,
                "only_ipv6": only,
                "says": member["names"][0] if kinds.get(service) == "smtp" else f"<p>{member['names'][0]}</p>\n" * 20,
            }
            for service, port in sorted(served)
        ]
        if ways["loopback"]:
            loopback = {"kind": "greet", "port": 3306, "addresses": ["::1", "127.0.0.1"], "only_ipv6": True, "says": ""}
            servers.append(loopback)
        return servers

    def _rules(self, name: str, member: Data, ways: Data) -> dict[str, str]:
        offered = tuple(
            rules.service({key: entry[key] for key in ("name", "port", "protocol", "sources")})
            for entry in member["services"]
        )
        wanted = rules.Policy(lab_sources=("2001:db8:feed::/64",), services=offered)
        chains = [f":{chain} - [0:0]" for chain in (rules.ICMP_CHAIN,)]
        lines = [*rules.icmpv6_rules(), *rules.input_rules(wanted, offered)]
        head = ["*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
        found = {"v6": "\n".join([*head, *chains, *lines, "COMMIT", ""]), "v4": ""}
        if ways["ipv4_rules"] == "mirrored":
            told = ["-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]
            told += ["-A INPUT -p icmp -j ACCEPT", f"-A INPUT -s {LAB['ipv4']}/32 -j ACCEPT"]
            told += [
                f"-A INPUT -p {entry['protocol']} -m {entry['protocol']} --dport {entry['port']} -j ACCEPT"
                for entry in member["services"]
                if not entry["sources"]
            ]
            found["v4"] = "\n".join([*head, *told, "COMMIT", ""])
        return found
