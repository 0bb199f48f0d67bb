# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit as JUnit XML, for programs that show test results.

Each host is a test suite, and the site is one; each result is a test case. What fails is a failure, and what is
unknown an error, so that it never looks fine. What is not applicable is skipped.
"""

from __future__ import annotations

import re
import typing as t
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import (
    FAIL,
    FAMILIES,
    NOT_APPLICABLE,
    UNKNOWN,
    Data,
    plain,
)

SITE = "site"
ELEMENTS = {FAIL: "failure", UNKNOWN: "error", NOT_APPLICABLE: "skipped"}


def junit(document: Data) -> str:
    """Return the JUnit XML of a document. The times of single results are not known: the run's is the whole."""
    suites: dict[str, list[Data]] = {"": [], **{name: [] for name in document["hosts"]}}
    for result in document["results"]:
        suites.setdefault(str(result["host"]), []).append(result)
    run = document["run"]
    seconds = f"{run['seconds']:.3f}"
    total = _totals(document["results"])
    del total["skipped"]  # suites have that number, and all of them together do not: so says the XSD
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    parts.append(f"<testsuites{_attributes(name='IPv6 readiness', **total, time=seconds)}>\n")
    for host, results in suites.items():
        if results:
            parts += _suite(host, results, document["checks"], str(run["made"]))
    parts.append("</testsuites>\n")
    return "".join(parts)


def _suite(host: str, results: t.Sequence[Data], checks: Data, made: str) -> t.Iterator[str]:
    # The XSD of Jenkins and Surefire wants a local time without a zone.
    stamp = re.sub(r"(Z|[+-]\d\d:?\d\d)$", "", made)
    yield f"  <testsuite{_attributes(name=host or SITE, **_totals(results), time='0', timestamp=stamp)}>\n"
    taken: dict[str, int] = {}
    for result in results:
        name = _name(result)
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:  # readers take two cases of one name for one
            name = f"{name} #{taken[name]}"
        yield f"    <testcase{_attributes(classname=host or SITE, name=name, time='0')}"
        element = ELEMENTS.get(result["status"])
        if element:
            yield f">\n      <{element}{_attributes(message=result['message'], type=_type(result, checks, element))}>"
            yield f"{escape(_told(result, checks))}</{element}>\n    </testcase>\n"
        else:
            yield "/>\n"
    yield "  </testsuite>\n"


def _totals(results: t.Sequence[Data]) -> dict[str, str]:
    """Return the numbers that a suite tells of itself."""
    found = [ELEMENTS.get(result["status"]) for result in results]
    return {
        "tests": str(len(found)),
        "failures": str(found.count("failure")),
        "errors": str(found.count("error")),
        "skipped": str(found.count("skipped")),
    }


def _name(result: Data) -> str:
    family = FAMILIES.get(str(result["family"]), str(result["family"]))
    parts = [result["check"], result["service"], family, result["name"], result["address"]]
    return " ".join(text for part in parts if (text := plain(part)))


def _type(result: Data, checks: Data, element: str) -> str:
    """Return the title of the check as the kind of a failure; a skipped test has none."""
    return "" if element == "skipped" else str(checks.get(result["check"], {}).get("title", result["check"]))


def _told(result: Data, checks: Data) -> str:
    """Return all that is known of a result as lines."""
    cause = result["cause"]
    lines = [plain(result["message"]), *(f"  {plain(line)}" for line in result["evidence"])]
    for word, value in (
        ("variable", cause["variable"]),
        ("set in", cause["where"]),
        ("file on the host", cause["file"]),
        ("what to do", result["fix"]),
        ("accepted", result["accepted"]),
        ("rule", checks.get(result["check"], {}).get("rule", "")),
    ):
        if value:
            lines.append(f"{word}: {plain(value)}")
    return "\n".join(lines)


def _attributes(**values: str) -> str:
    """Return attributes of an element; those that say nothing are left out."""
    told = ((name, plain(value)) for name, value in values.items())
    return "".join(f" {name}={quoteattr(value)}" for name, value in told if value)
