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
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_back as back
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_files as persistent
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_refuse as refuse
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


def peer() -> str:
    """Return the other end of this connection, where it came from afar over IPv6."""
    parts = ssh_connection().split()
    try:
        address = ipaddress.IPv6Address(parts[0].partition("%")[0] if len(parts) == 4 else "")
    except ValueError:
        return ""
    return "" if address.is_link_local or address.is_loopback else str(address)


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
        return [{**params, "gateway": None if params["gateway"] == "" else params["gateway"]}]
    merged = []
    for given in params["interfaces"]:
        held = {key: given[key] if given.get(key) is not None else params[key] for key in PER_INTERFACE}
        merged.append({**given, **held, "gateway": None if given["gateway"] == "" else given["gateway"]})
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


def _refuse_second_router(wishes: t.Sequence[core.Wanted], notes: t.Mapping[str, Data]) -> None:
    """Refuse a gateway beside that which an earlier run has set on an interface that is not named now."""
    for wish in wishes:
        for name in sorted(set(notes) - {one.name for one in wishes}):
            routes = [core.route_of(words) for words in core.Record.load(notes[name]).routes]
            if wish.gateway is not None and any(route.default for route in routes):
                raise RolloutError(
                    f"gateway: an earlier run has set one on {name}, and a host has one default route; name {name} and "
                    f"{wish.name} in interfaces, the one of them without a gateway, or give {name} back first"
                )


def _seen(name: str, links: t.List[target.Link], notes: Data, now: t.Optional[core.Seen]) -> core.Seen:
    """Return what is seen of an interface; ``now``: what will be seen once the interfaces before it are done."""
    seen = target.see(name, links, core.Record.load(notes))
    return seen if now is None else seen._replace(addresses=now.addresses, routes=now.routes)


def wish_of(params: Data, spec: Data, links: t.List[target.Link]) -> core.Wanted:
    """Check what is asked of one interface."""
    name = core.interface_name(spec["name"] or target.name_of(links, params["management_address"]))
    target.link_of(name, links)
    if spec["privacy"] and not spec["accept_ra"]:
        raise RolloutError("privacy: temporary addresses are made from router advertisements; set accept_ra as well")
    if not spec["addresses"]:
        raise RolloutError(f"addresses: there is none for {name}; name at least one, or use state=absent")
    coming = hardening.boot_value(hardening.boot_settings(), name, "forwarding")
    return core.wanted(
        name,
        spec["addresses"],
        spec["gateway"],
        spec["accept_ra"],
        spec["privacy"],
        target.forwarding(name) or (coming is not None and coming.value == "1"),
        spec["routes"] or (),
    )


def _going(wishes: t.Sequence[core.Wanted], notes: t.Mapping[str, Data]) -> t.Dict[str, t.List[str]]:
    """Return the addresses of each interface that are ours and not asked for there any more."""
    going = {}
    for wish in wishes:
        asked = {address.text for address in wish.addresses}
        ours = core.Record.load(notes.get(wish.name, {})).addresses
        going[wish.name] = [text for text in ours if text not in asked]
    return going


def job(
    params: Data,
    kind: str,
    wishes: t.Sequence[core.Wanted],
    index: int,
    ledger: files.Ledger,
    links: t.List[target.Link],
    now: t.Optional[core.Seen],
) -> Job:
    """Decide what has to be done for one of the interfaces; ``now``: what is seen once the jobs before it are done."""
    wish = wishes[index]
    name = wish.name
    link = target.link_of(name, links)
    notes = ledger.notes.get(name, {})
    seen = _seen(name, links, notes, now)
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
    refuse.refuse_elsewhere(wish, seen, _going(wishes, ledger.notes))
    taken = {place for other in wishes if other is not wish for place in decide.places(other, seen)}
    steps = decide.changes(live, seen, params["allow"], taken)
    refuse.refuse_own(name, steps, own_addresses(params["management_address"]))
    shared = {path for other, held in ledger.notes.items() if other != name for path in held.get("files", [])}
    kept = {*shared, *wrote, persistent.INTERFACES}
    stale = [path for path in notes.get("files", []) if path not in kept]
    params["remarks"] += found + remarks + persistent.remembered(name, [*wrote, *stale], _removed(steps))
    return Job(live, kind, link, seen, steps, wrote, stale, overruled)


def present(params: Data, ledger: files.Ledger, check_mode: bool) -> Data:
    """Set all interfaces, or say what that would change."""
    links = target.links()
    params = {**params, "remarks": []}
    jobs: t.List[Job] = []
    specs = specifications(params)
    wishes = [wish_of(params, spec, links) for spec in specs]
    # One that is gone, or has another name now, leads nowhere.
    there = {str(link.get("ifname")) for link in links}
    _refuse_second_router(wishes, {name: notes for name, notes in ledger.notes.items() if name in there})
    for index, spec in enumerate(specs):
        jobs.append(job(params, spec["backend"], wishes, index, ledger, links, jobs[-1].then if jobs else None))
    refuse.refuse_cut_off(peer(), jobs[0].seen, jobs[-1].then)
    for one in jobs:
        params["remarks"] += refuse.other_router(one.wish, jobs[-1].then)
    later = hardening.disabled_at_boot()
    if later:
        params["remarks"].append(f"{later}: ipv6.disable=1 would leave this host without IPv6 after the next boot")
    if "no_default_route" not in params["allow"]:
        ours = [words for one in jobs for words in one.seen.record.routes if core.route_of(words).default]
        refuse.refuse_no_route([one.wish for one in jobs], jobs[-1].then, ours)
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
        result["diff"] += [back.file_diff(path, files.read(path), one.wrote[path]) for path in one.changed_files]
        result["diff"] += [back.file_diff(path, files.read(path), back.returned(ledger, path)) for path in one.stale]
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
    stale = {path: back.returned(ledger, path) for one in jobs for path in one.stale}
    records = {name: core.Record.load(notes) for name, notes in ledger.notes.items()}
    # The ledger first: whatever happens after this, a later run knows what is ours.
    for path, content in contents.items():
        ledger.wrote(path, befores[path], content)
    for one in jobs:
        _note(one, ledger, [record for name, record in records.items() if name != one.wish.name])
    ledger.save()
    done: t.List[t.Tuple[str, t.Sequence[core.Operation]]] = []
    try:
        # What only takes away comes when all interfaces have what is new.
        for phase in (0, 1):
            for one in jobs:
                steps = decide.phases(one.steps)[phase]
                target.apply(one.wish.name, steps, params["dad_timeout"], _prober(one, params))
                done.append((one.wish.name, steps))
        for path, content in contents.items():
            mode = persistent.mode(path) if befores[path].content is None else befores[path].mode
            files.write(path, content, mode, befores[path].uid, befores[path].gid)
        for path, old in stale.items():
            back.give_back(ledger, path, old)
        for one in jobs:
            persistent.settle(one.wish.name, paths[one.wish.name], _removed(one.steps))
        ledger.save()
    except Exception:
        for name, undo in reversed(done):
            target.take_back(name, undo)
        back.put_back(ledger, kept, befores, paths)
        raise


def _removed(steps: t.Sequence[core.Operation]) -> t.List[str]:
    """Return the addresses that steps remove."""
    return [
        step.value.split()[0]
        for step in steps
        if step.kind in ("remove", "forget") and not step.value.startswith("route ")
    ]


def _note(one: Job, ledger: files.Ledger, others: t.Collection[core.Record]) -> None:
    """Put into the ledger what is ours once the job is done."""
    notes = ledger.notes.get(one.wish.name, {})
    held = [path for path in notes.get("files", []) if path not in one.stale]
    ledger.notes[one.wish.name] = {
        **decide.recorded(one.wish, one.seen, one.steps, others).dump(),
        "files": list(dict.fromkeys([*held, *(path for path in one.wrote if path in ledger.files)])),
        "mended": sorted(one.mending.values),
    }


class Back(t.NamedTuple):
    """What is to be given back of one interface; ``files``: what each of them becomes."""

    name: str
    seen: core.Seen
    steps: t.Sequence[core.Operation]
    files: t.Mapping[str, t.Optional[bytes]]

    @property
    def then(self) -> core.Seen:
        """What will be seen afterwards."""
        return decide.after(self.name, self.seen, self.steps)


def absent(params: Data, ledger: files.Ledger, check_mode: bool) -> Data:
    """Take back what was added to the interfaces that are named, or to all."""
    named = [params["name"]] if params["name"] else [given["name"] for given in params["interfaces"]]
    names = [core.interface_name(name) for name in named] or sorted(ledger.notes)
    result: Data = {"changed": False, "name": ",".join(names), "addresses": [], "files": [], "diff": [], "warnings": []}
    links = target.links()
    own = own_addresses(params["management_address"])
    left = dict(ledger.notes)
    jobs: t.List[Back] = []
    for name in [name for name in dict.fromkeys(names) if name in ledger.notes]:
        seen = _seen(name, links, left.pop(name), jobs[-1].then if jobs else None)
        steps = decide.changes_back(name, seen)
        refuse.refuse_own(name, steps, own, _held(name, links))
        done = {path for one in jobs for path in one.files}
        paths = [path for path in back.unneeded(ledger, left) if path not in done]
        jobs.append(Back(name, seen, steps, {path: back.returned(ledger, path) for path in paths}))
        result["warnings"] += [
            f"routes: {words} was there before, and its device is gone, so it can't come back"
            for words in decide.not_coming_back(seen)
        ]
        result["warnings"] += persistent.remembered(name, paths, _removed(steps))
    if not jobs:
        return result
    refuse.refuse_cut_off(peer(), jobs[0].seen, jobs[-1].then)
    result["changed"] = True
    for one in jobs:
        result["addresses"] += [address.with_length for address in one.then.addresses.get(one.name, [])]
        result["files"] += list(one.files)
        result["diff"].append(state_diff(one.name, one.seen, one.then))
        result["diff"] += [back.file_diff(path, files.read(path), content) for path, content in one.files.items()]
    if not check_mode:
        _give_back(jobs, params, ledger)
    return result


def _held(name: str, links: t.Sequence[target.Link]) -> t.List[str]:
    """Return all addresses of an interface, those of its link among them."""
    entries = [entry for link in links if link.get("ifname") == name for entry in link.get("addr_info", [])]
    return [str(entry.get("local")) for entry in entries]


def _give_back(jobs: t.Sequence[Back], params: Data, ledger: files.Ledger) -> None:
    kept = files.read(ledger.path)
    befores = {path: files.look(path) for one in jobs for path in one.files}
    done: t.List[Back] = []
    try:
        for one in jobs:
            target.apply(one.name, one.steps, params["dad_timeout"])
            done.append(one)
        for one in jobs:
            for path, content in one.files.items():
                back.give_back(ledger, path, content)
            persistent.settle(one.name, list(one.files), _removed(one.steps))
            del ledger.notes[one.name]
        ledger.save()
    except Exception:
        for one in reversed(done):
            target.take_back(one.name, one.steps)
        back.put_back(ledger, kept, befores, {one.name: list(one.files) for one in jobs})
        raise
    for one in jobs:
        if any(step.kind == "sysctl" and step.value.startswith("accept_ra=") for step in one.steps):
            target.ask_routers(one.name)
