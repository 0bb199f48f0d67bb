# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin socket of HAProxy, spoken to as it speaks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import haproxy
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


class Admin:
    """An admin socket with one map, and a limit to what one command may hold."""

    def __init__(self, path):
        self.path = path
        self.live = {}
        self.next = {}
        self.longest = 0
        self.answers = {}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                stream, _peer = self.listener.accept()
                with stream:
                    text = stream.recv(1 << 20).decode()
                    while "<<" in text and not text.endswith("\n\n"):
                        text += stream.recv(1 << 20).decode()
                    self.longest = max(self.longest, len(text))
                    stream.sendall(self.answer(text).encode())
        except OSError:
            return

    def answer(self, text):
        for begin, answer in self.answers.items():
            if text.startswith(begin):
                return answer
        if text.startswith("prepare map"):
            self.next = {}
            return "New version created: 7\n\n"
        if text.startswith("add map @7"):
            self.next.update(line.split() for line in text.splitlines()[1:] if line)
            return "\n"
        if text.startswith("commit map @7"):
            self.live = self.next
            return "\n"
        if text.startswith("show map"):
            return (
                "".join(f"0x55{place:x} {key} {value}\n" for place, (key, value) in enumerate(self.live.items())) + "\n"
            )
        return "Unknown command.\n"


@pytest.fixture
def admin(tmp_path):
    found = Admin(str(tmp_path / "admin.sock"))
    yield found
    found.listener.shutdown(socket.SHUT_RDWR)
    found.listener.close()


def test_thousands_of_names_in_commands_that_it_takes(admin):
    names = {f"443/n{number}.example.com": "v2/www1" for number in range(5000)}
    haproxy.replace_map(admin.path, "/map", names)
    assert haproxy.read_map(admin.path, "/map") == names
    assert admin.longest < 16384
    haproxy.replace_map(admin.path, "/map", {})
    assert haproxy.read_map(admin.path, "/map") == {}


@pytest.mark.parametrize(
    ("begin", "answer", "message"),
    [
        ("prepare map", "Unknown map identifier. Please use #<id> or <file>.\n", "takes no new map"),
        ("add map", "Expects a value.\n", "refuses an entry: 'Expects a value.'"),
        ("commit map", "version number out of range.\n", "does not take the new map"),
    ],
)
def test_what_it_refuses_is_told(admin, begin, answer, message):
    admin.answers[begin] = answer
    with pytest.raises(RolloutError, match=message):
        haproxy.replace_map(admin.path, "/map", {"443/www.example.com": "v2/www1"})
    assert admin.live == {}


def test_who_answers(admin, tmp_path):
    admin.answers["show info"] = f"Name: HAProxy\nPid: {os.getpid()}\ndescription: v4-proxy-1\n"
    found = haproxy.running(admin.path)
    assert found == (os.getpid(), "v4-proxy-1", False)
    admin.answers["show info"] = "Permission denied\n"
    assert haproxy.running(admin.path) is None
    assert haproxy.running(str(tmp_path / "nobody")) is None


def test_a_program_that_was_updated_since(admin, tmp_path):
    program = str(tmp_path / "haproxy")
    shutil.copy(shutil.which("cat"), program)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"runs\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"runs\n"
        admin.answers["show info"] = f"Pid: {process.pid}\ndescription: v4-proxy-1\n"
        assert not haproxy.running(admin.path).replaced
        os.unlink(program)
        assert haproxy.running(admin.path).replaced
