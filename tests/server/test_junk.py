"""Whatever is sent, the answer is as described, and never that something went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.server.serving import Space
from tests.views.past import past_sweep
from workbench import MLClient
from workbench.server.operations import Operation
from workbench.server.routes import OPERATIONS

BODIES: list[Any] = [
    b"{",
    b"\xff",
    [],
    "text",
    None,
    {"": 1},
    {"name": {"deep": [[]]}, "yaml": 3, "notebook": [], "narrow": 1, "version": []},
    {"displayName": "\ud800", "yaml": "\ud800", "name": "\ud800", "version": "\ud800", "trial": "\ud800"},
    {"displayName": "\0", "yaml": 'type: command\ncommand: "a\\0b"\n', "name": "\0", "version": "\0", "trial": "\0"},
    {"maxTrials": 10**30, "extend": 10**30, "before": "nobody", "version": 10**30},
    {"narrow": {"ranges": {"lr": [[3, 1]], "nothing": [[0, 1]]}, "space": {"lr": {"type": "none"}}}},
    {"narrow": {"ranges": {"lr": [], "units": []}}},
    b'{"narrow": {"ranges": {"lr": [[NaN, NaN]], "units": [[-Infinity, 1e999]]}}}',
    b'{"narrow": {"ranges": {"lr": [[-1e999, 1e999]], "units": [[-1e999, 1e999]], "drop": [[-1e999, 1e999]]}}}',
    b'{"enqueue": {"lr": 1e999, "units": 1, "drop": 0}}',
    {"notebook": {"path": "", "inputs": {"x": {"type": "uniform"}}, "sweep": {"metric": "", "goal": ""}}},
    {"notebook": {"path": "\0"}},
    {"yaml": "- a\n- b\n"},
    {"yaml": "&a [*a]"},
    {"yaml": "type: sweep\ntrial: {command: x}\nobjective: {goal: maximize, primary_metric: m}\nsearch_space: 3\n"},
    {"yaml": "type: command\ncommand: x\nname: ../../up\n"},
]
VALUES = ["", "-1", "0", "99999999999999999999999", "1e3", "nan", "x", "\0", "%", "ü", "true", "[]"]
NAMES = ["nobody", "a b", "ü", "%2e%2e", "\0", "x" * 5000, "a;b", "*"]


@pytest.fixture(scope="module")
def name(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return past_sweep(client, tmp_path_factory.mktemp("code"), 3)


def identified(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def address(operation: Operation, name: str, other: Mapping[str, str] | None = None) -> str:
    values = {"name": name, "kind": "curves", "path": "x", "alias": "a"}
    return operation.path.format(**{**values, **(other or {})})


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.body], ids=identified)
def test_bodies(space: Space, name: str, operation: Operation) -> None:
    for body in BODIES:
        answer = space.ask(address(operation, name), operation.method, body)
        assert answer.status < 500, (body, answer.body)


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.query], ids=identified)
def test_queries(space: Space, name: str, operation: Operation) -> None:
    body: Any = None if operation.method == "GET" else {"yaml": "type: command\ncommand: x\ncode: ./nowhere\n"}
    for parameter in operation.query.__annotations__:
        for value in VALUES:
            answer = space.ask(address(operation, name), operation.method, body, **{parameter: value})
            assert answer.status < 500, (parameter, value, answer.body)


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.names], ids=identified)
def test_names(space: Space, name: str, operation: Operation) -> None:
    body: Any = None if operation.method in ("GET", "DELETE") else {}
    for value in NAMES:
        for named in operation.names:
            there = address(operation, name, {named: value})
            answer = space.ask(there, operation.method, body)
            assert answer.status < 500, (there[:80], answer.body)
