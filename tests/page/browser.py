# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives headless Chromium over its DevTools protocol, through a pair of pipes: no port and no library is needed."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
import typing as t

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60.0  # seconds that one command may take
FLAGS = (
    "--headless",
    "--no-sandbox",  # the page is ours, and Chromium refuses its sandbox to root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)
KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    " ": (32, " "),
    "ArrowDown": (40, ""),
    "End": (35, ""),
}


class BrowserError(Exception):
    """Chromium is not there, or does not answer."""


class Browser:
    """A Chromium of its own, with an empty profile, and one page in it. Use it as a context manager."""

    def __init__(self, *flags: str) -> None:
        program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
        if program is None:
            raise BrowserError("there is no Chromium: install the package chromium")
        self._profile = tempfile.mkdtemp(prefix="page-")
        theirs_in, self._write = os.pipe()
        self._read, theirs_out = os.pipe()
        # The protocol is on the file descriptors 3 and 4.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "sh", program, *FLAGS, *flags,
             f"--user-data-dir={self._profile}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._number = 0
        self._rest = b""
        self._session = ""
        self._screen: dict[str, t.Any] = {}
        self.events: list[dict[str, t.Any]] = []

    def __enter__(self) -> Browser:
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network", "Accessibility", "DOM"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_args: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser, and remove its profile."""
        with contextlib.suppress(OSError, BrowserError):
            self._session = ""
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for descriptor in (self._read, self._write):
            os.close(descriptor)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **params: t.Any) -> dict[str, t.Any]:
        """Send a command, and return its result. Events that come meanwhile are kept."""
        self._number += 1
        message: dict[str, t.Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        answer = self._until(lambda told: told.get("id") == self._number, method)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        return t.cast("dict[str, t.Any]", answer.get("result", {}))

    def wait(self, event: str) -> dict[str, t.Any]:
        """Return the next event of a kind; it may have come already."""
        for place, told in enumerate(self.events):
            if told["method"] == event:
                return self.events.pop(place)
        return self._until(lambda told: told.get("method") == event, event)

    def _until(self, wanted: t.Callable[[dict[str, t.Any]], bool], what: str) -> dict[str, t.Any]:
        end = time.monotonic() + PATIENCE
        while True:
            while b"\0" in self._rest:
                line, self._rest = self._rest.split(b"\0", 1)
                told = json.loads(line)
                if wanted(told):
                    return t.cast("dict[str, t.Any]", told)
                if "method" in told:
                    self.events.append(told)
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise BrowserError(f"{what}: nothing within {PATIENCE:.0f} seconds")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise BrowserError(f"{what}: Chromium ended")
            self._rest += data

    def screen(self, width: int, height: int, dark: bool = False) -> None:
        """Set the size of the window and the colour scheme that the user wants."""
        self._screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **self._screen)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        """Open a page, and wait until all of it is there."""
        self.events = [told for told in self.events if told["method"] != "Page.loadEventFired"]
        told = self.call("Page.navigate", url=url)
        if told.get("errorText"):
            raise BrowserError(f"{url}: {told['errorText']}")
        self.wait("Page.loadEventFired")

    def ask(self, expression: str) -> t.Any:
        """Return the value of a JavaScript expression in the page."""
        told = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise BrowserError(f"{expression[:80]}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key."""
        code, text = KEYS[key]
        told = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **told)
        self.call("Input.dispatchKeyEvent", type="keyUp", **told)

    def type(self, text: str) -> None:
        """Type text into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, height: int, top: int = 0) -> bytes:
        """Return a PNG of the page, this high at most, from a place on it."""
        # The window is as high as the picture: nothing in it is left for later.
        self.call("Emulation.setDeviceMetricsOverride", **{**self._screen, "height": height})
        self.ask(f"scrollTo({{top: {top}, behavior: 'instant'}})")
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        told = self.call("Page.captureScreenshot", format="png")
        self.call("Emulation.setDeviceMetricsOverride", **self._screen)
        return base64.b64decode(told["data"])

    def pdf(self) -> bytes:
        """Return the page as it is printed."""
        told = self.call("Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(told["data"])
