# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container engine: podman or docker, as root, with what this kind of machine needs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import typing as t

import cgroups
from cgroups import as_root
from model import BUILD, ROOT, LabError

IMAGE_DIR = ROOT / "lab" / "image"
SUITES = ("bookworm", "trixie")

# Enough for systemd, all daemons, sysctls and tun, and no more.
PODMAN_FLAGS = [
    "--systemd=always",
    "--cap-add=NET_ADMIN",
    "--cap-add=NET_RAW",
    "--cap-add=SYS_ADMIN",
    # Without it root does not see which daemon holds a socket, as root of a real host does.
    "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--no-hosts",
]
# Docker has no --systemd: on cgroup v2 its containers need a cgroup tree of their own that they may write to.
DOCKER_FLAGS = ["--privileged"]
COMMON_FLAGS = [
    "--device=/dev/net/tun",
    "--cgroupns=private",
    "--stop-signal=SIGRTMIN+3",
    "--tmpfs=/run",
    "--tmpfs=/tmp",
    "--sysctl=net.ipv6.conf.all.disable_ipv6=0",
    "--sysctl=net.ipv6.conf.default.disable_ipv6=0",
]


class Engine:
    """One way of running containers."""

    def __init__(self, suite: str) -> None:
        if suite not in SUITES:
            raise LabError(f"LAB_SUITE {suite!r} is none of {', '.join(SUITES)}")
        wanted = os.environ.get("LAB_ENGINE") or next((name for name in ("podman", "docker") if shutil.which(name)), "")
        if wanted not in ("podman", "docker") or not shutil.which(wanted):
            raise LabError(
                f"no container engine ({wanted or 'podman, docker'}); on Debian: `make packages` installs podman, "
                "elsewhere install podman or docker"
            )
        self.name = wanted
        self.suite = suite
        self.hybrid = wanted == "podman" and cgroups.hybrid()
        # True where no container can have survived, whatever the engine's records say.
        self.fresh = False
        if self.hybrid:
            self.argv, self.fresh = cgroups.enter()
        else:
            self.argv = as_root()
        self.argv.append(wanted)
        self.flags = (PODMAN_FLAGS if wanted == "podman" else DOCKER_FLAGS) + COMMON_FLAGS

    def run(
        self, *args: str, stdin: bytes | None = None, check: bool = True, timeout: float = 300
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the engine; a failure is a LabError with its own words."""
        try:
            done = subprocess.run(
                [*self.argv, *args], input=stdin or b"", capture_output=True, check=False, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} {args[0]}: no answer in {timeout:g} s") from None
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise LabError(f"{self.name} {' '.join(args[:4])} ...: {said}")
        return done

    def text(self, *args: str, check: bool = True) -> str:
        """Run the engine and return what it printed."""
        return self.run(*args, check=check).stdout.decode(errors="replace").strip()

    def shell(self, container: str, script: str, stdin: bytes | None = None) -> str:
        """Run a script of the lab's own inside a container."""
        return self.run("exec", "-i", container, "sh", "-euc", script, stdin=stdin).stdout.decode(errors="replace")

    def power_off(self, container: str) -> None:
        """Kill a container, and wait until its network is gone: a start before that would go on in the old one."""
        self.run("kill", "--signal=KILL", container)
        self.run("wait", *(["--condition=exited"] if self.name == "podman" else []), container)

    @property
    def key(self) -> str:
        """A hash over everything that the image is made of."""
        digest = hashlib.sha256(self.suite.encode() + os.environ.get("LAB_BASE", "").encode())
        for path in sorted(IMAGE_DIR.iterdir()):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]

    @property
    def image(self) -> str:
        """The image's name; LAB_IMAGE brings one from elsewhere."""
        return os.environ.get("LAB_IMAGE") or f"localhost/ipv6-rollout-lab:{self.suite}-{self.key}"

    def ensure_image(self, say: t.Callable[[str], None]) -> None:
        """Build the image once; after that it is in the engine, or in .build/image/ for another engine."""
        if self.run("image", "inspect", self.image, check=False).returncode == 0:
            say(f"image {self.image}: there")
            return
        if os.environ.get("LAB_IMAGE"):
            raise LabError(f"LAB_IMAGE {self.image}: not in {self.name}; pull or build it first")
        base = os.environ.get("LAB_BASE")
        if base:
            say(f"image {self.image}: building on {base} (a few minutes) ...")
            self.run("build", "--build-arg", f"BASE={base}", "-t", self.image, str(IMAGE_DIR), timeout=1800)
            return
        cache = BUILD / "image" / f"{self.suite}-{self.key}.tar.zst"
        if not cache.exists():
            missing = [program for program in ("mmdebstrap", "zstd") if not shutil.which(program)]
            if missing:
                raise LabError(
                    f"{', '.join(missing)}: not found; on Debian: `make packages`, elsewhere set "
                    "LAB_BASE=docker.io/library/debian:bookworm to build on the official image"
                )
            cache.parent.mkdir(parents=True, exist_ok=True)
            say(f"image {self.image}: building from Debian packages (about a minute) ...")
            built = subprocess.run(
                [*as_root(), "sh", str(IMAGE_DIR / "build.sh"), self.suite, str(cache)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if built.returncode != 0:
                raise LabError(f"lab/image/build.sh failed:\n{built.stdout.decode(errors='replace')[-3000:]}")
        say(f"image {self.image}: importing ...")
        self.run("import", str(cache), self.image)

    def remove_images(self) -> None:
        """Remove the images of every suite and age that nothing uses any more."""
        listed = self.text("images", "--filter", "reference=localhost/ipv6-rollout-lab", "--format", "{{.ID}}")
        for image in dict.fromkeys(listed.split()):
            self.run("rmi", image, check=False)
