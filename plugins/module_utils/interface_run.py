# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the module interface: decide for all interfaces, then change them all, or none of them."""

from __future__ import annotations

import functools
import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface as core
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_files as persistent
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_steps as decide
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_sysctl as hardening
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_target as target
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_mend import Mending, mending
from ansible_collections.ipv6.rollout.plugins.module_utils.lockout import ssh_connection

LEDGER = "interface"
PER_INTERFACE = ("accept_ra", "privacy", "backend")

Data = t.Dict[str, t.Any]


class Job(t.NamedTuple):
    """What is to be done for one interface; ``wish`` is what is asked live."""

    wish: core.Wanted
    kind: str
    link: target.Link
    seen: core.Seen
    steps: t.Sequence[core.Operation]
    wrote: t.Mapping[str, bytes]
    stale: t.Sequence[str]
    mending: Mending

    @property
    def changed_files(self) -> t.List[str]:
        """The files whose content is not what is wanted."""
        return [path for path, content in self.wrote.items() if files.read(path) != content]

    @property
    def then(self) -> core.Seen:
        """What will be seen afterwards."""
        return decide.after(self.wish.name, self.seen, self.steps)


def file_diff(path: str, before: t.Optional[bytes], after: t.Optional[bytes]) -> t.Dict[str, str]:
    """Return a file's part of the diff."""
    return {
        "before_header": path,
        "after_header": path,
        "before": (before or b"").decode(errors="replace"),
        "after": (after or b"").decode(errors="replace"),
    }


def state_diff(name: str, before: core.Seen, after: core.Seen) -> t.Dict[str, str]:
    """Return an interface's part of the diff."""
    return {
        "before_header": name,
        "after_header": name,
        "before": decide.described(name, before),
        "after": decide.described(name, after),
    }


def own_addresses(management: t.Optional[str]) -> t.Dict[str, str]:
    """Return the IPv6 addresses of this host that this very run depends on, and what each one is."""
    own = {}
    parts = ssh_connection().split()
    if len(parts) == 4 and ":" in parts[2]:
        own[parts[2].partition("%")[0]] = "the address that this connection came to"
    try:
        own.setdefault(str(ipaddress.IPv6Address(str(management))), "the address by which this host is managed")
    except ValueError:
        pass  # IPv4, or a name: ssh has told where the connection went
    return own


def _live(wish: core.Wanted, kind: str, seen: core.Seen) -> t.Tuple[core.Wanted, core.Seen]:
    """Return what is asked of the kernel, and whether it reads router advertisements by itself.

    networkd and NetworkManager read them in the kernel's place, and keep its accept_ra at 0.
    """
    by_kernel = not persistent.reads_advertisements(kind) or seen.sysctls.get("accept_ra", "0") != "0"
    learnt = any(route.learnt and route.device == wish.name for route in seen.routes)
    if wish.accepts_ra and learnt and not by_kernel:
        wish = wish._replace(sysctls={key: value for key, value in wish.sysctls.items() if key != "accept_ra"})
    return wish, seen._replace(kernel_ra=by_kernel)


def specifications(params: Data) -> t.List[Data]:
    """Return one specification for each interface: those of the list, or the one of the options themselves."""
    if not params["interfaces"]:
        return [params]
    merged = []
    for given in params["interfaces"]:
        held = {key: given[key] if given.get(key) is not None else params[key] for key in PER_INTERFACE}
        merged.append({**given, **held})
    names = [given["name"] for given in merged]
    for name in names:
        if names.count(name) > 1:
            raise RolloutError(f"interfaces: {name} is there twice; put all of its addresses into one entry")
    routers = [given["name"] for given in merged if given["gateway"] is not None]
    if len(routers) > 1:
        raise RolloutError(
            f"interfaces: {' and '.join(routers)} both have a gateway, and a host has one default route; keep one of "
            "them, and name what the others lead to in routes"
        )
    return merged


def _seen(name: str, links: t.List[target.Link], notes: Data, now: t.Optional[core.Seen]) -> core.Seen:
    """Return what is seen of an interface; ``now``: what will be seen once the interfaces before it are done."""
    seen = target.see(name, links, core.Record.load(notes))
    return seen if now is None else seen._replace(addresses=now.addresses, routes=now.routes)


def job(params: Data, spec: Data, ledger: files.Ledger, links: t.List[target.Link], now: t.Optional[core.Seen]) -> Job:
    """Decide what has to be done for one interface; ``now``: what is seen once the jobs before it are done."""
    name = core.interface_name(spec["name"] or target.name_of(links, params["management_address"]))
    link = target.link_of(name, links)
    if spec["privacy"] and not spec["accept_ra"]:
        raise RolloutError("privacy: temporary addresses are made from router advertisements; set accept_ra as well")
    if not spec["addresses"]:
        raise RolloutError(f"addresses: there is none for {name}; name at least one, or use state=absent")
    coming = hardening.boot_value(hardening.boot_settings(), name, "forwarding")
    wish = core.wanted(
        name,
        spec["addresses"],
        spec["gateway"],
        spec["accept_ra"],
        spec["privacy"],
        target.forwarding(name) or (coming is not None and coming.value == "1"),
        spec["routes"] or (),
    )
    notes = ledger.notes.get(name, {})
    seen = _seen(name, links, notes, now)
    kind = spec["backend"]
    if kind == "auto":
        kind = persistent.backend(link["ifindex"], name)
    overruled, remarks = mending(
        wish,
        not persistent.reads_advertisements(kind),
        seen.sysctls.get("disable_ipv6", "0"),
        params["mend"],
        notes.get("mended", []),
    )
    wrote, found = persistent.wanted_files(wish, kind, link["ifindex"])
    if overruled.values:
        path = hardening.own_file(name, overruled.culprits)
        wrote = {**wrote, path: hardening.own_text(name, overruled.values, overruled.culprits).encode()}
    live, seen = _live(wish, kind, seen)
    if "disable_ipv6" in overruled.values:
        # Last, so that nothing is learnt from a router advertisement in between.
        live = live._replace(sysctls={**live.sysctls, "disable_ipv6": "0"})
    steps = decide.changes(live, seen, params["allow"])
    decide.refuse_own(steps, own_addresses(params["management_address"]))
    stale = [path for path in notes.get("files", []) if path not in wrote and path != persistent.INTERFACES]
    params["remarks"] += found + remarks + persistent.remembered(name, [*wrote, *stale], _removed(steps))
    return Job(live, kind, link, seen, steps, wrote, stale, overruled)


def present(params: Data, ledger: files.Ledger, check_mode: bool) -> Data:
    """Set all interfaces, or say what that would change."""
    links = target.links()
    params = {**params, "remarks": []}
    jobs: t.List[Job] = []
    for spec in specifications(params):
        jobs.append(job(params, spec, ledger, links, jobs[-1].then if jobs else None))
    later = hardening.disabled_at_boot()
    if later:
        params["remarks"].append(f"{later}: ipv6.disable=1 would leave this host without IPv6 after the next boot")
    if "no_default_route" not in params["allow"]:
        decide.refuse_no_route([one.wish for one in jobs], jobs[-1].then)
    result = {
        "changed": any(one.steps or one.changed_files or one.stale for one in jobs),
        "name": ",".join(one.wish.name for one in jobs),
        "backend": ",".join(dict.fromkeys(one.kind for one in jobs)),
        "addresses": [address.with_length for one in jobs for address in one.then.addresses[one.wish.name]],
        "files": list(dict.fromkeys(path for one in jobs for path in [*one.changed_files, *one.stale])),
        "mended": [reason for one in jobs for reason in one.mending.reasons],
        "warnings": params["remarks"],
        "diff": [],
    }
    for one in jobs:
        result["diff"].append(state_diff(one.wish.name, one.seen, one.then))
        result["diff"] += [file_diff(path, files.read(path), one.wrote[path]) for path in one.changed_files]
        result["diff"] += [file_diff(path, files.read(path), _returned(ledger, path)) for path in one.stale]
    if check_mode:
        _look_only(jobs, params)
    elif result["changed"]:
        _carry_out(jobs, params, ledger)
    return result


def _prober(one: Job, params: Data) -> t.Callable[[core.Operation], None]:
    limits = target.Limits(params["dad_timeout"], params["allow"])
    return functools.partial(target.probe, one.link, one.wish, limits)


def _look_only(jobs: t.Sequence[Job], params: Data) -> None:
    """In check mode: ask the link what a real run would ask, where IPv6 is on, so that it is refused here as well."""
    for one in jobs:
        for step in one.steps:
            if step.kind == "probe" and one.seen.sysctls.get("disable_ipv6", "0") == "0":
                _prober(one, params)(step)


def _carry_out(jobs: t.Sequence[Job], params: Data, ledger: files.Ledger) -> None:
    kept = files.read(ledger.path)
    contents = {path: one.wrote[path] for one in jobs for path in one.changed_files}
    paths = {one.wish.name: [*one.changed_files, *one.stale] for one in jobs}
    befores = {path: files.look(path) for held in paths.values() for path in held}
    for one in jobs:
        _note(one, ledger)
    # The ledger first: whatever happens after this, a later run knows what is ours.
    for path, content in contents.items():
        ledger.wrote(path, befores[path], content)
    ledger.save()
    applied: t.List[Job] = []
    try:
        for one in jobs:
            target.apply(one.wish.name, one.steps, params["dad_timeout"], _prober(one, params))
            applied.append(one)
        for path, content in contents.items():
            mode = persistent.mode(path) if befores[path].content is None else befores[path].mode
            files.write(path, content, mode, befores[path].uid, befores[path].gid)
        for path in [path for one in jobs for path in one.stale]:
            give_back(ledger, path)
        for one in jobs:
            persistent.settle(one.wish.name, paths[one.wish.name], _removed(one.steps))
    except (RolloutError, OSError):
        for one in reversed(applied):
            target.take_back(one.wish.name, one.steps)
        _files_back(ledger, kept, befores, paths)
        raise
    ledger.save()


def _removed(steps: t.Sequence[core.Operation]) -> t.List[str]:
    """Return the addresses that steps remove."""
    return [
        step.value.split()[0]
        for step in steps
        if step.kind in ("remove", "forget") and not step.value.startswith("route ")
    ]


def _files_back(
    ledger: files.Ledger,
    kept: t.Optional[bytes],
    befores: t.Mapping[str, files.Saved],
    paths: t.Mapping[str, t.Sequence[str]],
) -> None:
    """Put all files back as they were before this run, the ledger among them."""
    for path, before in befores.items():
        if before.content is None:
            files.remove(path)
            persistent.remove_folder(path)
        else:
            files.write(path, before.content, before.mode, before.uid, before.gid)
    for name, held in paths.items():
        try:
            persistent.settle(name, held)
        except RolloutError:
            continue  # the error that led here is the one that tells what happened
    if kept is None:
        ledger.notes, ledger.files = {}, {}
        ledger.save()
    else:
        files.write(ledger.path, kept, mode=0o600)


def _note(one: Job, ledger: files.Ledger) -> None:
    """Put into the ledger what is ours once the job is done."""
    notes = ledger.notes.get(one.wish.name, {})
    held = [path for path in notes.get("files", []) if path not in one.stale]
    ledger.notes[one.wish.name] = {
        **decide.recorded(one.wish, one.seen, one.steps).dump(),
        "files": list(dict.fromkeys([*held, *one.changed_files])),
        "mended": sorted(one.mending.values),
    }


def _returned(ledger: files.Ledger, path: str) -> t.Optional[bytes]:
    """Return what a file becomes when it is given back: as it was, or without our part where others edited it."""
    current, saved = files.read(path), ledger.before(path)
    if saved is not None and current is not None:
        content = persistent.given_back(path, current, saved.content, ledger.untouched(path))
        if content is not None:
            return content
    return saved.content if saved is not None else current


def give_back(ledger: files.Ledger, path: str) -> None:
    """Put a file back; from one that others edited since, only our part is taken out."""
    saved, content = ledger.before(path), _returned(ledger, path)
    if saved is not None and content is not None and content != saved.content:
        current = files.look(path)
        files.write(path, content, current.mode, current.uid, current.gid)
        del ledger.files[path]
        return
    ledger.give_back(path)
    persistent.remove_folder(path)


def absent(params: Data, ledger: files.Ledger, check_mode: bool) -> Data:
    """Take back what was added to the interfaces that are named, or to all."""
    named = [params["name"]] if params["name"] else [given["name"] for given in params["interfaces"]]
    names = [core.interface_name(name) for name in named] or sorted(ledger.notes)
    result: Data = {"changed": False, "name": ",".join(names), "addresses": [], "files": [], "diff": [], "warnings": []}
    links = target.links()
    own = own_addresses(params["management_address"])
    left = dict(ledger.notes)
    now: t.Optional[core.Seen] = None
    for name in names:
        if name not in left:
            continue
        result["changed"] = True
        notes = left.pop(name)
        seen = _seen(name, links, notes, now)
        steps = decide.changes_back(name, seen)
        decide.refuse_own(steps, own)
        now = then = decide.after(name, seen, steps)
        result["addresses"] += [address.with_length for address in then.addresses.get(name, [])]
        result["diff"].append(state_diff(name, seen, then))
        shared = {path for held in left.values() for path in held.get("files", [])}
        paths = [path for path in notes.get("files", []) if path not in shared and path in ledger.files]
        for path in paths:
            result["files"].append(path)
            result["diff"].append(file_diff(path, files.read(path), _returned(ledger, path)))
        result["warnings"] += persistent.remembered(name, paths, _removed(steps))
        if check_mode:
            continue
        for path in paths:
            give_back(ledger, path)
        target.apply(name, steps, params["dad_timeout"])
        persistent.settle(name, paths, _removed(steps))
        if any(step.kind == "sysctl" and step.value.startswith("accept_ra=") for step in steps):
            target.ask_routers(name)
        del ledger.notes[name]
        ledger.save()
    return result
