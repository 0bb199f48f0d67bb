# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of an audit as text: its structure, its policy, and that texts of others stay texts.

What a browser makes of it is tests/page/check_page.py.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page import render
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page_style import DARK, LIGHT
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.audit_sample import HOSTILE, sample

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
VOID = {"meta", "link", "input", "rect", "path", "img", "br"}
KINDS = [(5, False, False), (5, True, False), (5, False, True), (60, False, False)]


class Page(HTMLParser):
    """Reads a page, and fails where tags do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.texts, self.open = [], [], {}, []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts.setdefault(tag, []).append(data)

    def text(self, tag="body"):
        return "".join(self.texts.get(tag, []))

    def values(self, name, tag=None):
        return [value for of, named, value in self.attributes if named == name and tag in (None, of)]


@pytest.fixture(scope="module", params=KINDS, ids=["findings", "healthy", "hostile", "sixty"])
def document(request):
    hosts, healthy, hostile = request.param
    return sample(7, hosts, healthy=healthy, hostile=hostile)


def with_texts(document, text):
    """Return a document in which this text is wherever a text of others may be."""
    document = copy.deepcopy(document)
    for result in document["results"]:
        result.update(message=text, evidence=[text, text], fix=text, name=text)
        result["cause"] = {"variable": text, "file": text, "where": text}
    for host in document["hosts"].values():
        host.update(names=[text], subnet=text)
        host["details"] = {"listeners": [text], "firewall": [text]}
    for entries in document["site"]["internet_nl"].values():
        for entry in entries:
            entry["why"] = text
    for change in document["before"]["changes"]:
        change["message"] = text
    for step in document["run"]["timeline"]:
        step["what"] = text
    document["before"]["ipv4_harmed"] = document["run"]["problems"] = [text]
    document["run"]["version"] = document["run"]["made"] = document["before"]["made"] = text
    return document


SMALL = sample(11, 3)
PLAIN = Page(render(with_texts(SMALL, "x")))


def test_the_bytes_depend_on_the_document_only(document):
    page = render(document)
    before = copy.deepcopy(document)
    assert render(json.loads(json.dumps(document))) == page
    assert document == before
    assert page.encode("utf-8").decode("utf-8") == page


def test_the_policy_names_the_script_and_the_styles_and_nothing_else(document):
    text = render(document)
    page = Page(text)
    policy = dict(part.split(" ", 1) for part in page.values("content")[0].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["img-src"] == "data:"
    inside = {
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'": kind
        for kind, code in re.findall(r"<(script|style)>(.*?)</\1>", text.replace("&quot;", '"'), re.DOTALL)
    }
    assert {name for name, kind in inside.items() if kind == "script"} == {policy["script-src"]}
    assert {name for name, kind in inside.items() if kind == "style"} == set(policy["style-src"].split())
    assert page.tags.count("script") == 1
    assert page.tags.count("style") == 2


def test_nothing_is_loaded_and_nothing_runs_but_the_script(document):
    page = Page(render(document))
    for tag, name, value in page.attributes:
        assert not name.startswith("on") and name not in ("style", "src", "srcset", "action", "formaction"), (tag, name)
        if name in ("href", "xlink:href"):
            assert value.startswith("#") or value == "data:,", value
    assert not {"img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert "@import" not in page.text("style")
    assert re.findall(r"url\(([^)]*)\)", page.text("style")) == ["#hatch", "#cross"]


def test_it_has_landmarks_headings_and_places(document):
    page = Page(render(document))
    for tag in ("header", "nav", "main", "footer", "h1"):
        assert page.tags.count(tag) == 1, tag
    assert ("html", "lang", "en") in page.attributes
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    labels = [name for value in page.values("aria-labelledby") for name in value.split()]
    places = [value[1:] for value in page.values("href") if value.startswith("#")]
    assert {*labels, *places, *page.values("data-list")} <= set(ids)
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(below <= above + 1 for above, below in zip(levels, levels[1:]))
    assert set(page.values("scope", "th")) <= {"row", "col"} and len(page.values("scope", "th")) == page.tags.count(
        "th"
    )


def test_each_finding_is_there_with_evidence_cause_and_fix(document):
    text = " ".join(Page(render(document)).text("main").split())
    for result in document["results"]:
        if result["status"] in ("fail", "unknown"):
            told = (result["message"], *result["evidence"], *result["cause"].values(), result["fix"], result["address"])
            for wanted in told:
                shown = "".join(
                    sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(wanted.split())
                )
                assert shown in text


def test_what_hurts_most_comes_first_and_many_hosts_are_one_finding():
    document = sample(3, 60)
    found = Page(render(document)).values("id", "article")
    wanted = list(dict.fromkeys(f"{one['status']}-{one['check']}" for one in document["results"][:5000]
                                if one["status"] in ("fail", "unknown")))  # fmt: skip
    assert found == wanted


def test_texts_of_others_make_no_markup():
    for text in HOSTILE:
        page = Page(render(with_texts(SMALL, f"x {text}")))
        assert page.tags == PLAIN.tags, text
        assert [name for _tag, name, _value in page.attributes] == [name for _tag, name, _value in PLAIN.attributes]


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=st.text(st.characters(), max_size=60))
def test_no_text_at_all_makes_markup(text):
    page = render(with_texts(SMALL, f"x{text}"))
    assert Page(page).tags == PLAIN.tags
    assert all(sign == "\n" or sign.isprintable() for sign in page)
    assert page.encode()


@pytest.mark.parametrize("name", ['fail" onload="x', "<b>", "../../x", "unknown", "", "W 01", "ü"])
def test_names_of_checks_services_and_hosts_may_be_anything(name):
    document = sample(5, 5)
    document["checks"][name] = document["checks"].pop("F03")
    for result in document["results"]:
        if result["check"] == "F03":
            result.update(check=name, host=name, service=name, family=name)
    document["hosts"][name] = document["hosts"].pop("www1")
    document["hosts"][name]["services"] = [{"name": name, "port": 0, "protocol": name}]
    for cell in document["matrix"]:
        cell.update(checks=[name, "F03"], service=name, protocol=name)
    page = Page(render(document))
    assert page.tags.count("h1") == 1 and page.tags.count("b") == len(document["hosts"]) + len(document["checks"])
    assert {value[1:] for value in page.values("href") if value.startswith("#")} <= set(page.values("id"))
    assert not [named for _tag, named, _value in page.attributes if named.startswith("on")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"before": None}, ""),
        ({"hosts": {}, "matrix": [], "results": []}, "No host declares a service"),
        ({"plan": {"prefix": "", "subnets": {}, "hosts": {}}}, "There is no plan"),
        ({"plan": {"prefix": "<b>", "subnets": {}, "hosts": {}}}, "The plan cannot be drawn"),
    ],
)
def test_what_is_not_there_is_said(change, said):
    assert said in Page(render({**sample(2, 5), **change})).text()


def test_the_map_is_dark_where_the_page_is():
    page = render(sample(2, 5))
    assert page.count("@media screen and (prefers-color-scheme: dark)") == 2
    assert "@media(prefers-color-scheme:dark)" not in page


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(colours):
    pairs = [
        (text, ground) for text in ("ink", "soft", "accent", "fail", "unknown", "pass") for ground in ("ground", "card")
    ]
    pairs += [(kind, f"{kind}-ground") for kind in ("fail", "unknown", "pass")]
    pairs += [(text, f"{kind}-ground") for text in ("ink", "soft", "accent") for kind in ("fail", "unknown", "pass")]
    for text, ground in pairs:
        one, two = sorted((luminance(colours[text]), luminance(colours[ground])))
        assert (two + 0.05) / (one + 0.05) >= 4.5, (text, ground)
