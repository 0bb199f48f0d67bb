# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the page of an audit in headless Chromium and looks at it as people do: with eyes, keyboard, ears and paper.

With 5 and 500 hosts, healthy and not, and with hostile texts: no message on the console, no request, landmarks and
headings in order, every control reached and worked with the keyboard, nothing wider than a phone, enough contrast,
first paint within a second, and a print that holds the evidence.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import typing as t
from pathlib import Path

from browser import Browser, BrowserError

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True
__import__("conftest")  # makes the collection importable
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page import render  # noqa: E402
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.audit_sample import HOSTILE, sample  # noqa: E402

PHONE, DESK = (390, 844), (1440, 900)
LANDMARKS = {"banner", "navigation", "main", "contentinfo"}
FIRST_PAINT = 1000.0  # milliseconds
COLD_STARTS = 5
TALLEST = 6000  # pixels of a picture
CONTRAST = 4.5
NOISE = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Page.javascriptDialogOpening")
FOCUSABLE = "a[href],button,input,select,summary,[tabindex='0']"

PAINT = """new Promise((done) => new PerformanceObserver((list) => {
  const entry = list.getEntries().find((each) => each.name === "first-contentful-paint");
  if (entry) done(entry.startTime);
}).observe({type: "paint", buffered: true}))"""

# Text whose colour is too near to the colour behind it.
PALE = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("svg,script,style,.unseen,[hidden]")) continue;
    const [one, two] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < %s) found.push(`${contrast.toFixed(2)} ${element.className} ${node.data.trim().slice(0, 40)}`);
  }
  return found;
})()"""


class Finding(Exception):
    """The page is not as it has to be."""


def need(true: object, what: str) -> None:
    """Raise what is wrong unless something is true."""
    if not true:
        raise Finding(what)


class Pages:
    """The pages that are looked at, as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.documents: dict[str, t.Any] = {}

    def add(self, name: str, seed: int, hosts: int, **how: bool) -> str:
        """Write the page of a random document, and return its address."""
        self.documents[name] = sample(seed, hosts, **how)
        return self.write(name, render(self.documents[name]))

    def write(self, name: str, page: str) -> str:
        """Write a page, and return its address."""
        path = self._folder / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        return path.as_uri()


def silent(browser: Browser, url: str) -> None:
    """The page says nothing on the console, asks nothing, and requests nothing but itself."""
    browser.ask("0")  # whatever was under way has come
    noise = [told for told in browser.events if told["method"] in NOISE]
    need(not noise, f"console: {json.dumps(noise)[:500]}")
    asked = {
        told["params"]["request"]["url"].split("#")[0]
        for told in browser.events
        if told["method"] == "Network.requestWillBeSent"
    }
    need(asked <= {url}, f"requests: {sorted(asked - {url})[:5]}")


def _in_order(nodes: list[t.Any]) -> t.Iterator[t.Any]:
    """Return the nodes of a tree as they are read out."""
    by_id = {node["nodeId"]: node for node in nodes}
    waiting = [nodes[0]]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [by_id[child] for child in reversed(node.get("childIds", [])) if child in by_id]


def landmarks(browser: Browser) -> None:
    """The accessibility tree has the landmarks, named regions, and headings without a gap."""
    nodes = [node for node in _in_order(browser.call("Accessibility.getFullAXTree")["nodes"]) if not node["ignored"]]
    role = [node.get("role", {}).get("value", "") for node in nodes]
    names = {id(node): str(node.get("name", {}).get("value", "")).strip() for node in nodes}
    for name in LANDMARKS:
        need(role.count(name) == 1, f"landmark {name}: {role.count(name)} of them")
    regions = [names[id(node)] for node, kind in zip(nodes, role) if kind == "region"]
    need(len(regions) >= 8 and all(regions), f"regions without a name: {regions}")
    levels = []
    for node, kind in zip(nodes, role):
        if kind == "heading":
            need(names[id(node)], "a heading without words")
            levels += [each["value"]["value"] for each in node["properties"] if each["name"] == "level"]
    need(levels.count(1) == 1 and levels[0] == 1, f"headings begin {levels[:5]}, and {levels.count(1)} are of level 1")
    jumps = [(above, below) for above, below in zip(levels, levels[1:]) if below > above + 1]
    need(not jumps, f"headings jump: {jumps[:5]}")
    for node, kind in zip(nodes, role):
        if kind in ("button", "link", "searchbox", "combobox", "table", "DisclosureTriangle"):
            need(names[id(node)], f"a {kind} without a name")
    browser.ask(
        "document.getElementById('matrix').scrollIntoView({behavior: 'instant'})"
    )  # a long page has it laid out when it comes near
    browser.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    role = [
        node["role"]["value"] for node in browser.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]
    ]
    need(role.count("columnheader") >= 4 and role.count("rowheader") >= 4, "tables without headers")


def tabs(browser: Browser) -> int:
    """Tab reaches every control, in the order of the page, and one sees where it is."""
    count = browser.ask(
        f"(window.controls = [...document.querySelectorAll({json.dumps(FOCUSABLE)})].filter((each) => "
        "each.checkVisibility({contentVisibilityAuto: false, visibilityProperty: true}))).length"
    )
    browser.ask("document.activeElement.blur(), scrollTo(0, 0)")
    reached = []
    for _number in range(count):
        browser.press("Tab")
        place, outline = browser.ask(
            "[window.controls.indexOf(document.activeElement), getComputedStyle(document.activeElement).outlineStyle]"
        )
        need(outline != "none", f"control {place} shows no focus")
        reached.append(place)
    need(reached == list(range(count)), f"Tab reaches {len(set(reached))} of {count} controls: {reached[:20]}")
    return int(count)


def keyboard(browser: Browser, hosts: int) -> None:
    """Each kind of control works with the keyboard."""
    browser.ask("document.querySelector('.skip').focus()")
    browser.press("Enter")
    need(browser.ask("document.activeElement.id") == "main", "the skip link does not lead to the main part")
    for key in ("Enter", " "):
        browser.ask("(window.part = document.querySelector('details')).open = false")
        browser.ask("part.querySelector('summary').focus()")
        browser.press(key)
        need(browser.ask("part.open"), f"{key!r} does not unfold")
    before = browser.ask("getComputedStyle(document.body).backgroundColor")
    for differs in (True, False):
        browser.ask("document.getElementById('scheme').focus()")
        browser.press("Enter")
        now = browser.ask("getComputedStyle(document.body).backgroundColor")
        need((now != before) == differs, f"the button for the colours: {before} is {now}")
    shown = "[...document.querySelectorAll('#host-rows > .host')].filter((each) => !each.hidden).length"
    need(browser.ask(shown) == hosts, "not all hosts are shown")
    browser.ask("document.querySelector('[data-list=host-rows] input').focus()")
    browser.type("www1.example.com")
    need(browser.ask(shown) == 1, f"the filter by text leaves {browser.ask(shown)} hosts")
    browser.press("Tab")
    need(browser.ask("document.activeElement.tagName") == "SELECT", "Tab does not go from the text to the verdict")
    browser.press("End")
    need(browser.ask("document.activeElement.value") == "ready", "End does not choose the last verdict")
    verdict = browser.ask("document.querySelector('#host-rows > .host').dataset.status")
    need(browser.ask(shown) == (1 if verdict == "ready" else 0), "the filter by verdict does nothing")
    need(" of " in browser.ask("document.querySelector('[data-list=host-rows] output').textContent"), "nothing is said")


def fits(browser: Browser) -> None:
    """Nothing is wider than the window, folded or not."""
    for unfold in (False, True):
        if unfold:
            browser.ask("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        wide, window = browser.ask("[document.documentElement.scrollWidth, innerWidth]")
        need(wide <= window, f"the page is {wide} pixels wide in a window of {window}")


def contrast(browser: Browser) -> None:
    """All text stands out from what is behind it."""
    pale = browser.ask(PALE % CONTRAST)
    need(not pale, f"contrast below {CONTRAST}: {pale[:5]}")


def printed(browser: Browser, document: t.Any, script: bool) -> int:
    """The print holds the evidence, cause and fix of each finding; with or without the page's script."""
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise Finding("pypdf is needed to read the print; requirements/dev.txt has it") from error
    pages = PdfReader(io.BytesIO(browser.pdf())).pages
    text = "".join("".join(page.extract_text().split()) for page in pages)
    for result in document["results"]:
        if result["status"] in ("fail", "unknown"):
            for wanted in (*result["evidence"], result["cause"]["variable"], result["fix"]):
                need(
                    "".join(wanted.split()) in text,
                    f"the print {'with' if script else 'without'} script lacks {wanted}",
                )
    return len(pages)


def hostile(browser: Browser, page: str) -> None:
    """What a network said is text: it makes no element, runs nothing, and is there to be read."""
    need(browser.ask("document.title").startswith(("Ready", "Not")), "a text of the document changed the title")
    counted = browser.ask("['img', 'script', 'h1', 'iframe', 'object'].map((n) => document.querySelectorAll(n).length)")
    need(counted == [0, 1, 1, 0, 0], f"elements of others: {counted}")
    text = browser.ask("document.body.textContent")
    for wanted in (HOSTILE[0], HOSTILE[3], "<h1>Ready</h1>"):
        need(wanted in text, f"not there as text: {wanted}")
    strange = [sign for sign in text if sign != "\n" and not sign.isprintable()]
    need(not strange, f"signs that a screen acts on: {strange[:5]!r}")
    need("{{ lookup(" in page, "the template is not as it was")


def policy(browser: Browser, pages: Pages, page: str) -> None:
    """Even if a text were markup, the page's policy would let it do nothing."""
    evil = (
        "<script>document.title='owned'</script>"
        "<img src='https://example.net/x.png' onerror=\"document.title='owned'\">"
        "<style>body{display:none}</style><p style='color:red' id='styled'>x</p>"
        "<link rel='stylesheet' href='https://example.net/x.css'>"
    )
    url = pages.write("evil", page.replace('<main id="main"', f'{evil}<main id="main"', 1))
    browser.events.clear()
    browser.open(url)
    need(browser.ask("document.title") != "owned", "the policy lets a strange script run")
    display, colour, ink = browser.ask(
        "[getComputedStyle(document.body).display, getComputedStyle(document.getElementById('styled')).color, "
        "getComputedStyle(document.body).color]"
    )
    need(display == "block" and colour == ink, "the policy lets a strange style apply")
    refused = [told for told in browser.events if told["method"] == "Log.entryAdded"]
    need(len(refused) >= 4, f"the policy refused {len(refused)} of the things that it has to")
    left = [told for told in browser.events if told["method"] == "Network.responseReceived"]
    need({told["params"]["response"]["url"] for told in left} <= {url}, "something was loaded")


def paint(url: str) -> list[float]:
    """Return how long the first paint took, in browsers that were just started."""
    times = []
    for _number in range(COLD_STARTS):
        with Browser() as browser:
            browser.screen(*DESK)
            browser.open(url)
            times.append(float(browser.ask(PAINT)))
    # What other programs take only adds to it: where there are many, the fastest start is the nearest to the truth.
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)
    taken = min(times) if busy else statistics.median(times)
    need(taken < FIRST_PAINT, f"first paint after {sorted(times)} ms{' on a busy machine' if busy else ''}")
    return times


def pictures(browser: Browser, name: str, url: str, folder: Path) -> None:
    """Take a picture of each width and scheme."""
    for width, height in (PHONE, DESK):
        for dark in (False, True):
            browser.screen(width, height, dark)
            browser.open(url)
            contrast(browser)
            path = folder / f"{name}-{width}-{'dark' if dark else 'light'}.png"
            path.write_bytes(browser.picture(TALLEST))


def look(pages: Pages, name: str, url: str, folder: Path) -> None:
    """Look at one page in all ways."""
    document = pages.documents[name]
    hosts = len(document["hosts"])
    with Browser() as browser:
        for width, height in (DESK, PHONE):
            browser.screen(width, height)
            browser.open(url)
            landmarks(browser)
            controls = tabs(browser) if hosts <= 50 else 0
            keyboard(browser, hosts)
            browser.open(url)
            fits(browser)
        if name.startswith("hostile"):
            hostile(browser, render(document))
        pictures(browser, name, url, folder)
        silent(browser, url)
        sheets = []
        if hosts <= 50 and not name.startswith("hostile"):
            for script in (True, False):
                browser.call("Emulation.setScriptExecutionDisabled", value=not script)
                browser.open(url)
                sheets.append(printed(browser, document, script))
        if name.startswith("hostile"):
            policy(browser, pages, render(document))
    told = [f"{controls} controls by Tab" if controls else "", f"{sheets[0]} printed pages" if sheets else ""]
    if hosts > 50:
        times = paint(url)
        told.append(
            f"first paint {statistics.median(times):.0f} ms (at most {max(times):.0f}, {COLD_STARTS} cold starts)"
        )
    print(f"ok  {name}: {'; '.join(filter(None, told)) or 'as it has to be'}", flush=True)


def main() -> int:
    """Look at all pages; return how many are not as they have to be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where the pictures go (default: a new folder)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="page-pictures-"))
    folder.mkdir(parents=True, exist_ok=True)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="page-") as written:
        pages = Pages(Path(written))
        urls = {
            "findings-5": pages.add("findings-5", arguments.seed, 5),
            "healthy-5": pages.add("healthy-5", arguments.seed, 5, healthy=True, earlier=False),
            "hostile-5": pages.add("hostile-5", arguments.seed, 5, hostile=True),
            "findings-500": pages.add("findings-500", arguments.seed, 500),
            "healthy-500": pages.add("healthy-500", arguments.seed, 500, healthy=True),
        }
        for name, url in urls.items():
            try:
                look(pages, name, url, folder)
            except (Finding, BrowserError) as error:
                bad += 1
                print(f"BAD {name}: {error}", flush=True)
    print(f"pictures: {folder}")
    return bad


if __name__ == "__main__":
    sys.exit(main())
