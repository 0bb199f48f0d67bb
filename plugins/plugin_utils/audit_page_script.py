# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page of an audit does: filters, the other colour scheme, and folded parts that open where they are needed.

Without it all of the page can be read. It makes no markup out of anything.
"""

from __future__ import annotations

SCRIPT = """"use strict";
(() => {
  const all = (what, where = document) => [...where.querySelectorAll(what)];

  // A filter shows the rows that hold all its words and have its status.
  for (const form of all("form.filter")) {
    const list = document.getElementById(form.dataset.list);
    const [words, status] = [form.querySelector("input"), form.querySelector("select")];
    const said = form.querySelector("output");
    let rows = null;
    const apply = () => {
      rows ??= all("[data-status]", list).map((row) => ({
        row, text: (row.dataset.text || row.textContent).toLowerCase(), status: row.dataset.status.split(" "),
      }));
      const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
      let left = 0;
      for (const each of rows) {
        const show = (!status.value || each.status.includes(status.value))
          && wanted.every((word) => each.text.includes(word));
        if (each.row.hidden === show) each.row.hidden = !show;
        left += show ? 1 : 0;
      }
      said.textContent = `${left} of ${rows.length} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
  }

  // The other colour scheme: the condition of the dark rules is made true or false, here and in the plan's picture.
  const toggle = document.getElementById("scheme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const name = () => {
    toggle.textContent = (chosen ?? dark.matches) ? "Light colours" : "Dark colours";
  };
  toggle.addEventListener("click", () => {
    chosen = !(chosen ?? dark.matches);
    for (const sheet of document.styleSheets) {
      for (const rule of sheet.cssRules) {
        if (!(rule instanceof CSSMediaRule)) continue;
        if (rule.media.mediaText.includes("color-scheme")) rule.dark = true;
        if (rule.dark) rule.media.mediaText = chosen ? "screen" : "not all";
      }
    }
    name();
  });
  dark.addEventListener("change", name);
  name();
  toggle.hidden = false;

  // A link to something inside a folded part opens it; paper has nothing folded.
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (target) target.scrollIntoView();
  };
  window.addEventListener("hashchange", unfold);
  unfold();
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const part of folded) part.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });
})();
"""
