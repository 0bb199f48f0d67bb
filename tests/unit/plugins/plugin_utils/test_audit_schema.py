# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of the document: what an audit writes is valid, and what it does not write is not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils import audit_words
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import FAMILIES, STATUSES, VIEWS
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.audit_sample import sample

jsonschema = pytest.importorskip("jsonschema", reason="the package jsonschema is not there")

SCHEMA = json.loads((Path(__file__).resolve().parents[4] / "docs" / "audit.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def objects(schema, path=()):
    """Yield the path of each object that the schema describes, with its properties."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    for part in schema.get("oneOf", []):
        yield from objects(part, path)
    if "properties" in schema:
        yield path, schema["properties"]
        for name, part in schema["properties"].items():
            yield from objects(part, (*path, name))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from objects(schema["additionalProperties"], (*path, "*"))
    if "items" in schema:
        yield from objects(schema["items"], (*path, "*"))


def first(value, path):
    """Return what is at a path; a star is the first of a list or mapping."""
    for part in path:
        if part == "*":
            value = value[0] if isinstance(value, list) else value[sorted(value)[0]]
        else:
            value = value[part]
    return value


PATHS = list(objects(SCHEMA))


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("hosts", [1, 5, 25])
def test_documents_are_valid(seed, hosts):
    for how in ({}, {"healthy": True}, {"hostile": True}, {"earlier": False}):
        document = sample(seed, hosts, **how)
        assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@pytest.mark.parametrize(("path", "properties"), PATHS, ids=["/".join(entry[0]) or "document" for entry in PATHS])
def test_nothing_may_be_missing_or_more_or_of_another_kind(path, properties):
    document = sample(1, 5)
    assert set(first(document, path)) == set(properties)
    for name in properties:
        changed = copy.deepcopy(document)
        del first(changed, path)[name]
        assert not VALIDATOR.is_valid(changed), f"{name} missing"
        changed = copy.deepcopy(document)
        first(changed, path)[name] = object
        assert not VALIDATOR.is_valid(changed), f"{name} of another kind"
    changed = copy.deepcopy(document)
    first(changed, path)["more"] = ""
    assert not VALIDATOR.is_valid(changed), "one more"


def test_its_words_are_those_of_the_code():
    kinds = SCHEMA["$defs"]
    assert set(kinds["status"]["enum"]) == set(STATUSES) == set(audit_words.MARKS) - {audit_words.PARTIAL}
    assert set(kinds["verdict"]["enum"]) == set(audit_words.VERDICTS)
    assert set(kinds["family"]["enum"]) == set(FAMILIES) == set(audit_words.FAMILIES)
    assert set(kinds["check"]["properties"]["view"]["enum"]) == set(VIEWS) == set(audit_words.VIEWS)
    assert set(kinds["internet_nl"]["properties"]["verdict"]["enum"]) == set(audit_words.MARKS)
    hurts = kinds["check"]["properties"]["hurts"]
    assert set(range(hurts["minimum"], hurts["maximum"] + 1)) == set(audit_words.HURTS)
