# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration of Apache and nginx says of clients' addresses, and where their access logs are.

The files are read as text, and no server is asked: that would cost more than all the rest of an audit.
"""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_text, httpd_text
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import Data

APACHE = "/etc/apache2"
NGINX = "/etc/nginx"
FILES = 500
OCTETS = 4 << 20  # of all files together
DEEP = 10  # files that include each other
NESTED = 30  # blocks in blocks
DIRECTIVES = 50000  # of one file
CONTINUED = 2000  # lines of a file that end in a backslash
MOST = 200  # of sections with rules, of logs
RULES = 50  # of one section
# Blocks that limit where a rule holds.
PLACES = ("location", "locationmatch", "directory", "directorymatch", "files", "filesmatch", "proxy", "proxymatch")
# Rules that look at who the client is; those for everybody, and for users, are the same in both families.
BY_ADDRESS = re.compile(
    r"require\s+(?:not\s+)?(?:ip|host|forward-dns|local|expr)\b|(?:allow|deny)\s+from\s+(?!all\s*$)", re.IGNORECASE
)
RULE = re.compile(r"(?:require|allow\s+from|deny\s+from|order|satisfy)\b", re.IGNORECASE)


class Reading:
    """What was read so far, and how much there may still be."""

    def __init__(self) -> None:
        self.files: t.Dict[str, None] = {}
        self.left = OCTETS
        self.problem = ""
        self.logs: t.Dict[str, None] = {}
        self.sections: t.Dict[t.Tuple[t.Any, ...], Data] = {}
        self.roots: t.List[t.Tuple[str, str, str]] = []  # site, what a client asks for, folder

    def text(self, path: str) -> str:
        """Return a file, empty where it was read already or where there is too much."""
        real = os.path.realpath(path)
        if real in self.files:
            return ""
        if len(self.files) >= FILES or self.left <= 0:
            self.problem = self.problem or "there are too many files, so not all of them were read"
            return ""
        self.files[real] = None
        try:
            read = audit_text.content(path)
        except OSError as error:
            self.problem = self.problem or f"{path}: {error.strerror or error}"
            return ""
        self.left -= len(read)
        if read.count(b"\\\n") > CONTINUED:
            self.problem = self.problem or f"{path}: too many of its lines go on in the next one"
            return ""
        return read.decode(errors="replace")

    def result(self, server: str) -> Data:
        """Return what was found."""
        access = [entry for entry in self.sections.values() if entry.pop("by_address")][:MOST]
        return {
            "server": server,
            "problem": audit_text.plain(self.problem),
            "logs": list(self.logs)[:MOST],
            "access": [{**entry, "urls": self._urls(entry)} for entry in access],
        }

    def _urls(self, entry: Data) -> t.List[str]:
        """Return what clients ask for to come to a section; nothing where that is a pattern, or can't be told."""
        path = entry["path"]
        if re.search(r"[*?\[\]^$()|\\]", path) or not path.startswith("/"):
            return []
        if entry["kind"] == "location":
            return [path]
        if entry["kind"] != "directory":
            return []
        found: t.Dict[str, None] = {}
        folder = path.rstrip("/") + "/"
        for site, url, root in self.roots:
            # A section outside of all sites is about all of them.
            if folder.startswith(root.rstrip("/") + "/") and entry["site"] in ("", site):
                rest = folder[len(root.rstrip("/")) + 1 :]
                found[audit_text.plain(f"{url.rstrip('/')}/{rest}").rstrip("/") or "/"] = None
        return list(found)[:RULES]


def apache() -> Data:
    """Read Apache's configuration with all that it includes."""
    reading = Reading()
    values = dict(re.findall(r"^\s*export\s+(\w+)=(.*?)\s*$", audit_text.text(f"{APACHE}/envvars"), re.MULTILINE))
    values = {name: value.replace("$SUFFIX", "").strip("'\"") for name, value in values.items()}
    values.setdefault("APACHE_LOG_DIR", "/var/log/apache2")
    _apache_file(reading, f"{APACHE}/apache2.conf", values, (), "", 0)
    return reading.result("apache2")


def _filled(word: str, values: t.Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: values.get(found.group(1), found.group(0)), word)


def _words(line: str) -> t.List[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an open quote
        return line.split()


def _apache_file(
    reading: Reading, path: str, values: t.Dict[str, str], around: t.Tuple[str, ...], site: str, depth: int
) -> None:
    names: t.Dict[int, str] = {}
    directives: t.List[httpd_text.Directive] = []
    for entry in httpd_text.directives(reading.text(path)):
        if len(entry.blocks) > NESTED or len(directives) >= DIRECTIVES:
            reading.problem = reading.problem or f"{path}: it has too many directives, or blocks in blocks"
            break
        directives.append(entry)
        if re.match(r"servername\s", entry.text, re.IGNORECASE):
            names[entry.group] = " ".join(entry.text.split()[1:2])
    group_of_site = 0
    for entry in directives:
        kind = entry.text.split(None, 1)[0].lower()
        blocks = (*around, *entry.blocks)
        inside = any(block.startswith("virtualhost") for block in entry.blocks)
        if inside and entry.blocks[-1].startswith("virtualhost"):
            group_of_site = entry.group
        where = names.get(group_of_site, site) if inside else site
        if kind == "define":
            name, value = [*_words(entry.text)[1:3], "", ""][:2]
            values[name] = value
        elif kind in ("include", "includeoptional") and depth < DEEP:
            for word in _words(entry.text)[1:2]:
                named = os.path.join(APACHE, _filled(word, values))
                pattern = f"{named}/*" if os.path.isdir(named) else named
                for other in audit_text.paths(pattern, FILES):
                    _apache_file(reading, other, values, blocks, where, depth + 1)
        elif kind in ("customlog", "transferlog"):
            for word in _words(entry.text)[1:2]:
                if not word.startswith("|") and "${" not in _filled(word, values):
                    reading.logs[os.path.join(APACHE, _filled(word, values))] = None
        elif kind in ("documentroot", "alias"):
            words = [_filled(word, values) for word in _words(entry.text)[1:3]]
            words = ["/", *words][-2:]
            if len(words) == 2 and words[1].startswith("/") and len(reading.roots) < FILES:
                reading.roots.append((where, words[0], words[1]))
        elif RULE.match(entry.text):
            _rule(reading, path, entry, blocks, where)


def _rule(reading: Reading, path: str, entry: httpd_text.Directive, blocks: t.Sequence[str], site: str) -> None:
    place = next((block for block in reversed(blocks) if block.split(" ")[0] in PLACES), "")
    kind, _space, argument = place.partition(" ")
    section = reading.sections.setdefault(
        (path, place, site),
        {
            "file": audit_text.plain(path),
            "line": entry.first + 1,
            "kind": kind,
            "path": audit_text.plain(argument.lstrip("~ ").strip("\"'")),
            "site": audit_text.plain(site),
            "rules": [],
            "by_address": False,
        },
    )
    if len(section["rules"]) < RULES:
        section["rules"].append(audit_text.plain(entry.text))
    section["by_address"] = section["by_address"] or bool(BY_ADDRESS.match(entry.text))


def nginx() -> Data:
    """Read nginx's configuration with all that it includes."""
    reading = Reading()
    reading.logs["/var/log/nginx/access.log"] = None
    _nginx_file(reading, f"{NGINX}/nginx.conf", [], 0)
    return reading.result("nginx")


_NGINX = re.compile(r"""#[^\n]*|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|[^\s;{}"'#]+)""")


def _nginx_file(reading: Reading, path: str, blocks: t.List[t.List[str]], depth: int) -> None:
    content = reading.text(path)
    words: t.List[str] = []
    first = counted = opened = 0
    line = 1
    for found in _NGINX.finditer(content):
        word = found.group(1)
        if word is None:
            continue
        if word == "{" and len(blocks) >= NESTED:
            reading.problem = reading.problem or f"{path}: it has too many blocks in blocks"
            return
        if word == "{":
            blocks = [*blocks, words]
            opened += 1
            words = []
        elif word == "}":
            blocks = blocks[:-1] if opened else blocks
            opened -= 1 if opened else 0
            words = []
        elif word != ";":
            first = first if words else found.start()
            words.append(word.strip("\"'"))
        elif words:
            line += content.count("\n", counted, first)
            counted = first
            if words[0] == "include" and len(words) > 1 and depth < DEEP:
                for other in audit_text.paths(os.path.join(NGINX, words[1]), FILES):
                    _nginx_file(reading, other, blocks, depth + 1)
            elif words[0] == "access_log" and len(words) > 1 and words[1].startswith("/") and "$" not in words[1]:
                reading.logs[words[1]] = None
            elif words[0] in ("allow", "deny") and len(words) > 1:
                _nginx_rule(reading, path, line, blocks, words)
            words = []


def _nginx_rule(
    reading: Reading, path: str, line: int, blocks: t.Sequence[t.Sequence[str]], words: t.Sequence[str]
) -> None:
    place = next((block for block in reversed(blocks) if block[:1] == ["location"]), [])
    argument = place[-1] if len(place) > 1 else ""
    section = reading.sections.setdefault(
        (path, len(blocks), argument),
        {
            "file": audit_text.plain(path),
            "line": line,
            "kind": "location" if place else "",
            "path": audit_text.plain(argument),
            "site": "",
            "rules": [],
            "by_address": False,
        },
    )
    if len(section["rules"]) < RULES:
        section["rules"].append(audit_text.plain(" ".join(words)))
    section["by_address"] = section["by_address"] or words[1] != "all"
