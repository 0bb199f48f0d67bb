# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: the machines that quick start and tests run on, as systemd containers reached over ssh.

Everything about them comes from an inventory (-i, default lab/inventory); the keys that are made for a lab are in
.build/lab/NAME/. LAB_ENGINE (podman, docker), LAB_SUITE (bookworm, trixie), LAB_IMAGE and LAB_BASE choose the rest.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import ipaddress
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cgroups
import machines
import snapshots
from cgroups import as_root
from engine import Engine
from model import ROOT, Files, Lab, LabError, Machine, load

# Bounded polls inside the container: one call of the engine instead of one per look.
WAIT_FOR_SYSTEMD = """
i=0
while [ $i -lt 300 ]; do
    case $(systemctl is-system-running 2>/dev/null) in running|degraded) exit 0;; esac
    i=$((i+1)); sleep 0.2
done
echo "systemd is not up after 60 s, $(systemctl list-jobs --no-legend 2>&1 | head -n 3)" >&2
# The one limit that all containers of a machine share: each systemd takes half a dozen.
limit=/proc/sys/fs/inotify/max_user_instances
echo "many containers? then raise fs.inotify.max_user_instances, now $(cat $limit)" >&2
exit 1
"""
# All in one call: it costs a fifth of a second each time.
CONFIGURE = """
tar --extract --overwrite --directory=/ --file=-
[ ! -e /etc/aliases ] || newaliases
systemctl daemon-reload
systemctl enable --quiet --now %s
touch /var/lib/lab-is-configured
cat /etc/ssh/ssh_host_ed25519_key.pub
"""


BEFORE = "before.json"


class Clock:
    """Says what is done and how long it took since the start."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def say(self, text: str) -> None:
        print(f"lab: [{time.monotonic() - self.start:5.1f} s] {text}", flush=True)


def host_run(*argv: str, check: bool = True) -> str:
    """Run a command on this machine, as root, and return its output."""
    done = subprocess.run([*as_root(), *argv], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def forwarding_kept() -> t.Iterator[None]:
    """Leave IPv4 forwarding of this machine as it is: the engine switches it on for every network, even for one
    that leads nowhere."""
    knob = Path("/proc/sys/net/ipv4/ip_forward")
    before = knob.read_text(encoding="ascii").strip()
    try:
        yield
    finally:
        if knob.read_text(encoding="ascii").strip() != before:
            host_run("sysctl", "-qw", f"net.ipv4.ip_forward={before}")


def make_keys(lab: Lab) -> tuple[str, str]:
    """Make the ssh key pair and the TSIG secret once; return the public key and the secret."""
    lab.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    private, secret = lab.state / "id_ed25519", lab.state / "tsig.secret"
    if not private.exists():
        if not shutil.which("ssh-keygen"):
            raise LabError("ssh-keygen: not found; on Debian: apt-get install openssh-client")
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {lab.name}", "-f", str(private)], check=True
        )
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(base64.b64encode(secrets.token_bytes(32)).decode(), encoding="ascii")
    return private.with_suffix(".pub").read_text(encoding="ascii"), secret.read_text(encoding="ascii").strip()


def make_network(engine: Engine, lab: Lab) -> str:
    """Make the lab's IPv4-only network and return the name of its bridge."""
    create = ["network", "create", "--internal", "--subnet", str(lab.network), "--gateway", lab.gateway]
    if engine.name == "podman":
        create.append("--disable-dns")
    else:
        create.append(f"--opt=com.docker.network.bridge.name={lab.name[:15]}")
    found = engine.run("network", "inspect", lab.name, check=False)
    if found.returncode != 0:
        engine.run(*create, lab.name)
        found = engine.run("network", "inspect", lab.name)
    if str(lab.network) not in found.stdout.decode():
        raise LabError(f"network {lab.name}: it is not {lab.network}; `lab.py down` removes it")
    described = json.loads(found.stdout)[0]
    return str(described.get("network_interface") or lab.name[:15])


def _address_flags(engine: Engine, lab: Lab, machine: Machine) -> list[str]:
    """Return what decides about a machine's addresses and name server."""
    nameserver = lab.of_kind("nameserver")[0]
    if machine.ipv4:
        octets = ipaddress.IPv4Address(machine.ipv4).packed
        named = [f"--ip={machine.ipv4}", f"--dns={nameserver.ipv4}", f"--dns-search={lab.domain}"]
    else:
        # The engine has no network without IPv4 for it: it draws an address, which the machine drops as it boots.
        octets = hashlib.sha256(machine.ssh.encode()).digest()[:4]
        named = ["--dns=none"] if engine.name == "podman" else [f"--dns={nameserver.interfaces(6)[0].ip}"]
    # The same hardware address at every start, so that nobody's neighbour cache is wrong after a reboot.
    return [*named, f"--mac-address=02:{'00' if machine.ipv4 else '06'}:" + octets.hex(":")]


def start(engine: Engine, lab: Lab, machine: Machine, files: Files) -> tuple[str, str]:
    """Bring one machine up; return what was done and its ssh host key."""
    container, payload = lab.container(machine), machines.archive(files)
    flags = [
        *engine.flags,
        f"--name={container}",
        f"--hostname={machine.name}",
        f"--network={lab.name}",
        *_address_flags(engine, lab, machine),
        f"--label=ipv6-rollout-lab={lab.name}",
    ]
    if machine.kind == "router":
        flags.append("--sysctl=net.ipv6.conf.all.forwarding=1")
    units = machines.units_of(machine)
    spec = hashlib.sha256(repr((engine.image, flags, units)).encode() + payload).hexdigest()[:16]
    shown = engine.text(
        "container", "inspect", "--format", '{{.State.Running}} {{index .Config.Labels "spec"}}', container, check=False
    )
    running, old = shown.split(" ", 1) if shown else ("", "")
    if old == spec:
        if running != "true":
            engine.run("start", container)
            engine.shell(container, WAIT_FOR_SYSTEMD)
        # A start that was interrupted between the two steps below left a machine without its files.
        if engine.run("exec", container, "test", "-e", "/var/lib/lab-is-configured", check=False).returncode != 0:
            old = "unfinished"
    if old != spec:
        if old:
            remove(engine, container)
        engine.run("run", "--detach", *flags, f"--label=spec={spec}", engine.image, "/sbin/init")
        engine.shell(container, WAIT_FOR_SYSTEMD)
        key = engine.shell(container, CONFIGURE % " ".join(units), payload)
        return "made", key
    key = engine.shell(container, "cat /etc/ssh/ssh_host_ed25519_key.pub")
    return ("there" if running == "true" else "started"), key


def connect_host(lab: Lab, bridge: str) -> None:
    """Give this machine its place on the lab's bridge: it reaches the fleet's prefix through the lab's router."""
    mine = str(ipaddress.IPv6Interface(lab.controller).ip)
    for line in host_run("ip", "-o", "-6", "addr", "show", "to", mine).splitlines():
        if line.split()[1] != bridge:
            raise LabError(f"{mine} is on {line.split()[1]}: another lab of the same addresses is up; take it down")
    knob = Path(f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6")
    if knob.exists() and knob.read_text(encoding="ascii").strip() != "0":
        host_run("sysctl", "-qw", f"net.ipv6.conf.{bridge}.disable_ipv6=0")
    host_run("ip", "-6", "addr", "replace", lab.controller, "dev", bridge, "nodad")
    host_run("ip", "-6", "route", "replace", str(lab.prefix), "via", "fe80::1", "dev", bridge)


def wait_for_ssh(machine: Machine, seconds: float = 30) -> None:
    """Wait until a machine's sshd answers with its banner."""
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((machine.ssh, 22), timeout=2) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if time.monotonic() > end:
            raise LabError(f"{machine.name}: no ssh at {machine.ssh} after {seconds:g} s")
        time.sleep(0.1)


def known_hosts(lab: Lab, keys: dict[str, str]) -> str:
    """Return known_hosts: a machine by its inventory name, its address and its names."""
    lines = []
    for machine in lab.machines:
        kind, key = keys[machine.name].split()[:2]
        names = dict.fromkeys([machine.name, machine.ssh, f"{machine.name}.{lab.domain}", *machine.names])
        lines.append(f"{','.join(names)} {kind} {key}\n")
    return "".join(lines)


def remove(engine: Engine, *containers: str) -> None:
    """Remove containers at once: nothing in them is worth a clean shutdown."""
    if containers:
        engine.run("rm", "--force", "--volumes", *(["--time=0"] if engine.name == "podman" else []), *containers)


def containers_of(engine: Engine, lab: Lab) -> list[str]:
    """Return all containers of this lab, those that the inventory no longer names included."""
    label = f"label=ipv6-rollout-lab={lab.name}"
    return engine.text("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()


def up(engine: Engine, lab: Lab, clock: Clock) -> None:
    """Bring the lab up; what is already there stays."""
    clock.say(f"lab {lab.name}: {len(lab.machines)} machines and a router, {engine.name}, Debian {engine.suite}")
    engine.ensure_image(clock.say)
    public, secret = make_keys(lab)
    bridge = make_network(engine, lab)
    # The router's IPv4 address is only there because the network has no other kind.
    router = Machine("router", "router", str(lab.network.broadcast_address - 1))
    files = {machine: machines.files_of(lab, machine, public, secret) for machine in lab.machines}
    files[router] = machines.router_files(lab)
    wanted = {lab.container(machine) for machine in files}
    remove(engine, *[name for name in containers_of(engine, lab) if engine.fresh or name not in wanted])
    keys: dict[str, str] = {}
    new = True
    with forwarding_kept(), ThreadPoolExecutor(max_workers=8) as pool:
        jobs = {machine: pool.submit(start, engine, lab, machine, content) for machine, content in files.items()}
        for machine, job in jobs.items():
            done, keys[machine.name] = job.result()
            new = new and done == "made"
            clock.say(f"{machine.name:<12} {machine.kind:<10} {machine.ssh:<15} {done}")
    connect_host(lab, bridge)
    (lab.state / "known_hosts").write_text(known_hosts(lab, keys), encoding="ascii")
    for machine in lab.machines:
        wait_for_ssh(machine)
    if new:
        # Nobody has touched them yet: `compare` shows later what a rollout left behind.
        remember(engine, lab, chosen(lab, []))
    clock.say("up")


def remember(engine: Engine, lab: Lab, which: t.Sequence[Machine]) -> None:
    """Keep what the machines are now as what `compare` compares with."""
    (lab.state / BEFORE).write_text(snapshots.render(snapshots.take(engine, lab, which)), encoding="utf-8")


def down(engine: Engine, lab: Lab, clock: Clock) -> None:
    """Remove the lab: containers, network, keys and plan."""
    names = containers_of(engine, lab)
    remove(engine, *names)
    if engine.run("network", "inspect", lab.name, check=False).returncode == 0:
        engine.run("network", "rm", lab.name)
    shutil.rmtree(lab.state, ignore_errors=True)
    if engine.hybrid and not engine.text("ps", "--all", "--quiet"):
        cgroups.leave()
    clock.say(f"lab {lab.name}: {len(names)} containers removed")


def status(engine: Engine, lab: Lab) -> None:
    """Print the machines and their containers' states."""
    label = f"label=ipv6-rollout-lab={lab.name}"
    listing = engine.text("ps", "--all", "--filter", label, "--format", "{{.Names}}\t{{.Status}}")
    states = dict(line.split("\t", 1) for line in listing.splitlines())
    print(f"lab {lab.name}: {lab.network}, {lab.prefix} behind the router ({engine.name}, {engine.image})")
    for name, kind, address in [(m.name, m.kind, m.ssh) for m in lab.machines] + [("router", "router", "")]:
        print(f"  {name:<12} {kind:<10} {address:<15} {states.get(lab.container(name), 'not there')}")


def chosen(lab: Lab, names: t.Sequence[str]) -> list[Machine]:
    """Return the machines of these names, or all."""
    known = {machine.name: machine for machine in lab.machines}
    for name in names:
        if name not in known:
            raise LabError(f"{name}: no such machine in lab {lab.name} ({', '.join(known)})")
    return [known[name] for name in names] if names else list(lab.machines)


def compare(engine: Engine, lab: Lab) -> int:
    """Compare the machines with an earlier snapshot; return 1 and say where if they are not what they were."""
    path = lab.state / BEFORE
    try:
        before: snapshots.Snapshot = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}; `lab.py snapshot --before` makes one") from None
    changed = snapshots.differences(before, snapshots.take(engine, lab, chosen(lab, list(before))))
    for line in changed[:60]:
        print(line)
    print(f"{path}: {len(changed)} differences" if changed else f"{path}: the machines are what they were")
    return 1 if changed else 0


def reboot(engine: Engine, lab: Lab, names: t.Sequence[str], hard: bool, clock: Clock) -> None:
    """Restart machines, with a shutdown or (hard) as if the power had failed."""
    for machine in chosen(lab, names):
        container = lab.container(machine)
        with forwarding_kept():
            if hard:
                engine.power_off(container)
                engine.run("start", container)
            else:
                engine.run("restart", container)
        engine.shell(container, WAIT_FOR_SYSTEMD)
        wait_for_ssh(machine)
        clock.say(f"{machine.name}: rebooted")


def parse(argv: t.Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", default=os.environ.get("LAB_INVENTORY", str(ROOT / "lab" / "inventory")))
    parser.add_argument("--suite", default=os.environ.get("LAB_SUITE", "bookworm"), help="the image's Debian release")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("image", help="build the image, once")
    commands.add_parser("up", help="bring the machines up; what is there stays")
    commands.add_parser("down", help="remove machines, network, keys and plan")
    commands.add_parser("status", help="what is up")
    snap = commands.add_parser("snapshot", help="JSON of what the machines are, to compare before and after")
    snap.add_argument("--before", action="store_true", help="keep it as what `compare` compares with")
    snap.add_argument("hosts", nargs="*")
    commands.add_parser("compare", help="compare the machines with `snapshot --before`: 1 if they differ")
    commands.add_parser("clean", help="down, and remove the image as well")
    again = commands.add_parser("reboot", help="restart machines")
    again.add_argument("--hard", action="store_true", help="as if the power had failed")
    again.add_argument("hosts", nargs="+")
    inside = commands.add_parser("exec", help="run a command in a machine, past ssh (or in `router`)")
    inside.add_argument("host")
    inside.add_argument("argv", nargs=argparse.REMAINDER)
    return parser.parse_args(argv)


def main(argv: t.Sequence[str]) -> int:
    """Carry out one command."""
    options = parse(argv)
    clock = Clock()
    try:
        engine = Engine(options.suite)
        if options.command == "image":
            engine.ensure_image(clock.say)
            return 0
        lab = load(options.inventory)
        if options.command == "up":
            up(engine, lab, clock)
        elif options.command == "down":
            down(engine, lab, clock)
        elif options.command == "status":
            status(engine, lab)
        elif options.command == "snapshot":
            if options.before:
                remember(engine, lab, chosen(lab, options.hosts))
            else:
                sys.stdout.write(snapshots.render(snapshots.take(engine, lab, chosen(lab, options.hosts))))
        elif options.command == "compare":
            return compare(engine, lab)
        elif options.command == "clean":
            # Only what this checkout made: another one may have a lab of the same name.
            if lab.state.exists():
                down(engine, lab, clock)
            engine.remove_images()
        elif options.command == "reboot":
            reboot(engine, lab, options.hosts, options.hard, clock)
        else:
            terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
            container = lab.container("router" if options.host == "router" else chosen(lab, [options.host])[0])
            call = [*engine.argv, "exec", "-i", *terminal, container, *(options.argv or ["bash"])]
            os.execvp(call[0], call)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
