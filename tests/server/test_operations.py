"""What goes over the wire, and what is made of what comes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from workbench.server.operations import Refusal
from workbench.server.routes import OPERATIONS
from workbench.server.text import as_json


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({}, {}),
        ({"a": [], "b": None}, {"a": [], "b": None}),
        ({"a": list(range(1001)), "b": {"c": "ü"}}, {"a": list(range(1001)), "b": {"c": "ü"}}),
        ({"a": [{"b": math.nan}] * 300, "c": math.inf}, {"a": [{"b": None}] * 300, "c": None}),
        ([1.5, -math.inf, "NaN"], [1.5, None, "NaN"]),
        ("text", "text"),
    ],
)
def test_json_is_what_every_reader_takes(value: Any, read: Any) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    assert json.loads(as_json(value), parse_constant=refuse) == read


def test_what_is_sent_is_read_or_refused_by_its_field() -> None:
    jobs = next(one for one in OPERATIONS if (one.method, one.path) == ("GET", "jobs"))
    assert jobs.read_query({"limit": ["1", "7"], "token": ["x"], "search": ["a b"]}) == {"limit": 7, "search": "a b"}
    with pytest.raises(Refusal) as refused:
        jobs.read_query({"limit": ["-1"], "order": ["sideways"]})
    assert [one["field"] for one in refused.value.problems] == ["order", "limit"]
    figure = next(one for one in OPERATIONS if one.path == "jobs/{name}/figures/{kind}")
    assert figure.read_query({"params": ["a", "b"], "selected": ["3"]}) == {"params": ["a", "b"], "selected": [3]}
    edit = next(one for one in OPERATIONS if one.path == "jobs/{name}/edit")
    assert edit.read_body(b"") == {}
    with pytest.raises(Refusal, match="no JSON"):
        edit.read_body(b'{"displayName": "\\ud800"}')


def test_addresses_take_slashes_only_in_paths() -> None:
    patterns = {one.path: one.pattern for one in OPERATIONS}
    assert patterns["jobs/{name}/artifacts/{path}"] == "jobs/(?P<name>[^/]+)/artifacts/(?P<path>.+)"
    assert len({(one.method, one.path) for one in OPERATIONS}) == len(OPERATIONS)
