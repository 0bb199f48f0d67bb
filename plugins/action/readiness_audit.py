# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the lab machine what it sees, join that with what the hosts say, and write the report of an audit."""

from __future__ import annotations

import collections.abc
import datetime
import json
import os
import secrets
import time

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    audit_compare,
    audit_junit,
    audit_page,
    audit_text,
    fleet,
    readiness,
    readiness_document,
    readiness_model,
    readiness_site,
)

try:  # Where a value stands in the inventory. It is for messages only, and ansible-core may move it.
    from ansible._internal._datatag._tags import Origin
except ImportError:
    Origin = None

ARGUMENTS = {
    "state": {"type": "str", "required": True, "choices": ["asked", "judged"]},
    "specs": {"type": "dict", "required": True},
    "plan": {"type": "dict", "required": True},
    "lab": {"type": "str", "default": ""},
    "outside_source": {"type": "str", "default": ""},
    "dns": {"type": "dict", "default": {}},
    "asked": {"type": "dict", "default": {}},
    "look": {"type": "str", "default": ""},
    "accepted": {"type": "raw", "default": []},
    "before": {"type": "raw", "default": ""},
    "folder": {"type": "raw", "default": ""},
    "patience": {"type": "float", "default": 0.0},
    "strict": {"type": "bool", "default": False},
    "show": {"type": "bool", "default": True},
}
SLICE = 1000  # probes in one call of the lab machine
FILES = {"json": "ipv6_audit.json", "html": "ipv6_audit.html", "junit": "ipv6_audit.xml"}


class ActionModule(ActionBase):
    """Runs on the controller; the lab machine, to which the task is delegated, makes the connections."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Make the probes, and in the second call judge and report."""
        self._vars = task_vars or {}
        result = super().run(tmp, self._vars)
        _options, self._given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        result["changed"] = False
        try:
            self._check_early()
            self._read_inventory()
            result.update(self._asked() if self._given["state"] == "asked" else self._judged())
        except (RolloutError, OSError) as error:
            result.update(failed=True, msg=f"ipv6.rollout.readiness_audit: {error}")
        return result

    def _check_early(self):
        """Refuse what would end the audit after all the work."""
        readiness.accepted(self._given["accepted"])
        folder = self._folder()
        self._before(folder)
        # The first part of the path that is there is where the rest of it has to be made.
        there = folder
        while not os.path.lexists(there) and os.path.dirname(there) != there:
            there = os.path.dirname(there)
        if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
            why = "can't be written to" if os.path.isdir(there) else "is no folder"
            raise RolloutError(f"readiness_folder: {there} {why}; name a folder for the report")

    # ------------------------------------------------------------------------------------------ the two calls

    def _asked(self):
        """Before the hosts are looked at: what the inventory and the DNS promise."""
        run = {"began": time.time(), "timeline": [], "problems": []}
        token = secrets.token_hex(8)
        site = self._site({}, token)
        proofs, why = self._probe(site, run)
        wants = {name: readiness_site.wants(site, name) for name in site.hosts}
        return {"proofs": proofs, "token": token, "wants": wants, "outside_why": why, "run": run}

    def _judged(self):
        """After it: what listens there, and then all checks."""
        asked = self._given["asked"]
        run = {**asked["run"], "timeline": list(asked["run"]["timeline"]), "problems": list(asked["run"]["problems"])}
        self._told(run, "hosts looked at", len(self._given["specs"]), run.pop("paused", run["began"]))
        folder = self._folder()
        before, made = self._before(folder)
        site = self._site(asked["proofs"], asked["token"], asked["outside_why"], before)
        more, why = self._probe(site, run)
        site = self._site({**asked["proofs"], **more}, asked["token"], asked["outside_why"] or why, before)
        start = time.time()
        self._say(f"{len(readiness.checks())} checks of {len(site.hosts)} hosts")
        judged = readiness.judge(site, self._given["accepted"])
        document = readiness_document.build(site, judged, self._origin, readiness_site.details(site))
        self._told(run, "judged", len(judged), start)
        document["before"] = audit_compare.compare({**before, "made": made}, document) if before else None
        document["run"] = {
            "made": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(time.time() - run["began"], 1),
            "version": readiness_document.VERSION,
            "timeline": run["timeline"],
            "problems": run["problems"],
        }
        return self._written(document, folder)

    # --------------------------------------------------------------------------------------------- what there is

    def _read_inventory(self):
        """Read the hosts' variables once; looks are taken as they are, without a walk of the templates."""
        hostvars = self._vars["hostvars"]
        raw = {name: hostvars.raw_get(name) for name in self._given["specs"]}
        variables = {name: self._variables(raw[name], hostvars[name]) for name in raw}
        look = self._given["look"]
        looks = {name: values.get(look) for name, values in raw.items()} if look else {}
        self._hosts = readiness_site.hosts(self._given["specs"], self._given["plan"], variables, looks)
        self._raw = raw
        self._lab = {"name": self._given["lab"], "outside_source": self._given["outside_source"]}
        if self._given["lab"]:
            told = hostvars[self._given["lab"]]
            self._lab["ipv4"] = next((str(told[key]) for key in ("ipv6_ipv4", "ansible_host") if told.get(key)), "")

    def _site(self, proofs, token, outside_why="", before=None):
        given, dns = self._given, self._given["dns"]
        why = "" if given["lab"] else "the group 'lab' is empty, so nothing was seen from outside"
        return readiness_model.Site(
            hosts=self._hosts,
            plan=given["plan"],
            proofs=proofs,
            dns=dns if not dns.get("failed") and "records" in dns else {},
            lab=self._lab,
            outside_why=why or outside_why,
            dns_why=str(dns.get("msg") or "no name server was asked") if "records" not in dns else "",
            token=token,
            before=before or {},
        )

    def _variables(self, raw, values):
        """Template those of a host's variables that checks know of; what can't be is left out."""
        found = {}
        for name in raw:
            if not readiness_site.is_wanted(name):
                continue
            try:
                value = values[name]
                if name == "ipv6_dns":
                    whole = value if isinstance(value, collections.abc.Mapping) else {}
                    value = {key: whole[key] for key in readiness_site.SERVER_KEYS if key in whole}
                found[name] = value
            except AnsibleError:
                continue
        return found

    def _origin(self, host, variable):
        """Return where a variable of a host is set, as ``path:line``; a name in brackets or a dot ends it."""
        if Origin is None:
            return ""
        raw = self._raw.get(host) or (self._vars if not host else {})
        origin = Origin.get_tag(raw.get(variable.partition(".")[0].partition("[")[0]))
        if origin is None or not origin.path or not origin.line_num:
            return ""
        return f"{os.path.relpath(origin.path)}:{origin.line_num}"

    # ------------------------------------------------------------------------------------------------- the work

    def _probe(self, site, run):
        """Let the lab machine make what is not made yet; return the proofs, and why there are none."""
        wanted, problems = readiness.probes(site)
        run["problems"] += problems
        proofs, why = {}, ""
        if site.outside_why or not wanted:
            return proofs, site.outside_why
        for first in range(0, len(wanted), SLICE):
            part = wanted[first : first + SLICE]
            start = time.time()
            left = len(wanted) - first
            self._say(
                f"{site.lab['name']} makes {len(part)} connections and questions; {left - len(part)} are left then"
            )
            try:
                done = self._execute_module(
                    module_name="ipv6.rollout.probe",
                    module_args={"checks": part, "patience": self._given["patience"]},
                    task_vars=self._vars,
                )
            except AnsibleError as error:
                done = {"msg": str(error)}
            if "proofs" not in done:
                why = f"the lab machine {site.lab['name']} could not look: {' '.join(str(done.get('msg')).split())}"
                Display().warning(why)
                break
            proofs.update({proof["id"]: proof for proof in done["proofs"]})
            self._told(run, f"probes from {site.lab['name']}", len(part), start)
        run["paused"] = time.time()
        return proofs, why

    def _told(self, run, what, count, start):
        at, took = start - run["began"], time.time() - start
        run["timeline"].append({"what": what, "at": round(at, 1), "seconds": round(took, 1), "count": count})

    def _say(self, text):
        Display().display(f"  {text}")

    # ------------------------------------------------------------------------------------------------ the report

    def _folder(self):
        path = self._path("folder")
        return path or os.path.dirname(fleet.report_path("", self._vars.get("ansible_inventory_sources")))

    def _path(self, name):
        """Return a path that the user gave, or nothing."""
        given = self._given[name]
        if given in (None, ""):
            return ""
        if not isinstance(given, (str, os.PathLike)):
            raise RolloutError(f"readiness_{name}: {shown(given)} is not a path; write one in quotes")
        return os.path.abspath(os.path.expanduser(str(os.fspath(given))))

    def _before(self, folder):
        """Return the earlier audit: the one that the user names, or the last one; and when it was made."""
        named = self._path("before")
        path = named or os.path.join(folder, FILES["json"])
        if not named and not os.path.lexists(path):
            return {}, ""
        try:
            before = audit_compare.checked(json.loads(files.read(path) or ""), readiness_document.SCHEMA)
        except (OSError, ValueError, RecursionError, RolloutError) as error:
            why = f"readiness_before: {path} is no report of an audit"
            if named:
                raise RolloutError(f"{why} ({error}); name a file ipv6_audit.json, or nothing") from error
            if self._given["state"] == "judged":
                Display().warning(f"{why}, so nothing is compared; it is written anew")
            return {}, ""
        return before, str(before["run"]["made"])

    def _written(self, document, folder):
        paths = {kind: os.path.join(folder, name) for kind, name in FILES.items()}
        texts = {
            "json": json.dumps(document, indent=1, ensure_ascii=False) + "\n",
            "html": audit_page.render(document),
            "junit": audit_junit.junit(document),
        }
        if not self._task.check_mode:
            os.makedirs(folder, exist_ok=True)
            for kind, text in texts.items():
                files.write(paths[kind], text.encode("utf-8", "replace"))
        if self._given["show"]:
            Display().display("\n" + audit_text.summary(document, {} if self._task.check_mode else paths))
        site = document["site"]
        told = {
            "paths": paths,
            "verdict": site["verdict"],
            "counts": site["counts"],
            "internet_nl": site["internet_nl"],
        }
        told["failures"] = [
            {key: one[key] for key in ("check", "host", "service", "name", "address", "family", "message", "fix")}
            for one in document["results"]
            if one["status"] == "fail"
        ]
        if self._given["strict"] and site["verdict"] != "ready":
            told.update(failed=True, msg=f"the site is {site['verdict'].replace('_', ' ')}: see {paths['html']}")
        return told
