"""A draft as Python code that makes and submits the job, and such code as a draft; nothing is ever executed."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.definition.command import command
from workbench.definition.notebook import notebook
from workbench.definition.single import SingleJob
from workbench.errors import ValidationException
from workbench.views.builder.form import Draft
from workbench.views.builder.values import CLASSES, NotPlain, is_name, to_source, value_of

__all__ = ["from_code", "to_code"]

_MAKERS: Mapping[str, tuple[str, ...]] = {
    "command": tuple(inspect.signature(command).parameters),
    "notebook": tuple(inspect.signature(notebook).parameters),
}
_SWEEP = tuple(name for name in inspect.signature(SingleJob.sweep).parameters if name != "self")
_LIMITS = ("max_total_trials", "max_concurrent_trials", "timeout", "trial_timeout")
_RESOURCES = ("instance_count", "instance_type", "locations", "docker_args", "shm_size")
_QUEUE = ("job_tier", "priority")
_SUBMITS = ("create_or_update", "stream", "validate", "preview")
_WIDE = 100  # characters


def to_code(draft: Draft) -> str:
    """Return Python code that submits what the draft describes, as far as it can be written."""
    maker = "notebook" if "notebook" in draft.fields else "command"
    lines = [f"job = {_call(maker, _made(draft, maker))}"]
    submitted = "job"
    if draft.is_sweep:
        lines.append(f"sweep = {_call('job.sweep', _swept(draft))}")
        submitted = "sweep"
        if name := draft.fields.get("name"):
            lines.append(f"sweep.name = {to_source(name)}")
    lines.append(f"submitted = MLClient().create_or_update({submitted})")
    body = "\n".join(lines) + "\n"
    names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    top = sorted(names & {"Input", "MLClient", "command", "notebook"}, key=lambda name: (name[0].islower(), name))
    below = sorted(names & {*CLASSES, *_POLICIES})
    imports = [f"from workbench import {', '.join(top)}"]
    if below:
        imports.append(f"from workbench.sweep import {', '.join(below)}")
    return "\n".join(imports) + "\n\n" + body


def from_code(text: str) -> Draft:
    """Return the draft that code describes: calls of ``command`` or ``notebook``, and of ``sweep`` on their result.

    Raises:
        ValidationException: the code is not of that kind; the message has the line.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValidationException(error.msg, f"line {error.lineno}", "Correct the code there") from None
    reader = _Reader()
    for statement in tree.body:
        try:
            reader.read(statement)
        except NotPlain as error:
            raise ValidationException(error.what, f"line {statement.lineno}", error.fix) from None
    if reader.last is None:
        raise ValidationException("describes no job", "code", "Call command(…) or notebook(…)")
    return Draft.from_layout(reader.last.layout()).settled()


_POLICIES = (
    "BanditPolicy",
    "MedianStoppingPolicy",
    "TruncationSelectionPolicy",
    "RandomSamplingAlgorithm",
    "GridSamplingAlgorithm",
    "BayesianSamplingAlgorithm",
)


def _made(draft: Draft, maker: str) -> dict[str, str]:
    fields = dict(draft.fields)
    for name in ("objective", "sampling_algorithm", "early_termination"):
        fields.pop(name, None)
    limits = fields.pop("limits", None)
    queue = fields.pop("queue_settings", None)
    given: dict[str, Any] = dict(fields)
    if not draft.is_sweep and isinstance(limits, Mapping) and "timeout" in limits:
        given["timeout"] = limits["timeout"]
    if draft.is_sweep:
        given.pop("name", None)
    given |= dict(queue) if isinstance(queue, Mapping) else {}
    if maker == "notebook":
        given = {"path": given.pop("notebook"), **given}
    if given.get("retries") and set(given["retries"]) == {"any"}:
        given["retries"] = given["retries"]["any"]
    return {name: _inputs(value) if name == "inputs" else _long(value) for name, value in given.items()}


def _long(value: Any) -> str:
    """Return the source of a value; a long text in several pieces, as people write it."""
    text = to_source(value)
    if not isinstance(value, str) or len(text) <= _WIDE - 10:
        return text
    pieces, line = [], ""
    for word in value.split(" "):
        if line and len(line) + len(word) > _WIDE - 16:
            pieces.append(line)
            line = ""
        line += f"{word} "
    pieces.append(line[:-1])
    return "\n    ".join(map(to_source, pieces))


def _swept(draft: Draft) -> dict[str, str]:
    given: dict[str, Any] = {**draft.part("objective"), **draft.part("limits")}
    algorithm = draft.part("sampling_algorithm")
    given["sampling_algorithm"] = algorithm["type"] if set(algorithm) == {"type"} else algorithm
    policy = draft.part("early_termination")
    if policy:
        given["early_termination_policy"] = policy
    known = sorted(given, key=lambda name: _SWEEP.index(name) if name in _SWEEP else len(_SWEEP))
    return {name: to_source(given[name]) for name in known}


def _inputs(value: Any) -> str:
    if not isinstance(value, Mapping) or not all(is_name(name) for name in value):
        return to_source(value)
    lines = [f"        {name}={to_source(entry)},\n" for name, entry in value.items()]
    return f"dict(\n{''.join(lines)}    )"


def _call(name: str, arguments: Mapping[str, str]) -> str:
    written = [text if key == "path" else f"{key}={text}" for key, text in arguments.items()]
    line = f"{name}({', '.join(written)})"
    if len(line) <= _WIDE - 8 and "\n" not in line:
        return line
    return f"{name}(\n{''.join(f'    {text},{chr(10)}' for text in written)})"


@dataclass
class _Made:
    """A job as the code makes it: a single one, and what makes it a sweep."""

    kind: str
    given: dict[str, Any]
    sweep: dict[str, Any] | None = None
    changed: dict[str, Any] = field(default_factory=dict)

    def layout(self) -> dict[str, Any]:
        given = dict(self.given)
        if "path" in given:
            given["notebook"] = given.pop("path")
        resources = {name: given.pop(name) for name in _RESOURCES if name in given}
        queue = {name: given.pop(name) for name in _QUEUE if name in given}
        timeout = given.pop("timeout", None)
        _merge(given, "resources", resources)
        _merge(given, "queue_settings", queue)
        if isinstance(given.get("retries"), int) and not isinstance(given["retries"], bool):
            given["retries"] = {"any": given["retries"]}
        if self.sweep is None:
            _merge(given, "limits", {"timeout": timeout} if timeout is not None else {})
            return {**given, "type": self.kind, **self.changed}
        swept = dict(self.sweep)
        inputs = {**(given.pop("inputs", None) or {}), **(swept.pop("search_space", None) or {})}
        given.pop("name", None)
        _merge(given, "queue_settings", {name: swept.pop(name) for name in _QUEUE if name in swept})
        layout: dict[str, Any] = {**given, "inputs": inputs, "type": "sweep"}
        objective = {name: swept.pop(name) for name in ("goal", "primary_metric") if name in swept}
        limits = {name: swept.pop(name) for name in _LIMITS if name in swept}
        layout |= {"objective": objective, "limits": limits}
        if (policy := swept.pop("early_termination_policy", None)) is not None:
            layout["early_termination"] = policy
        return {**layout, **{name: value for name, value in swept.items() if value is not None}, **self.changed}


def _merge(given: dict[str, Any], name: str, more: Mapping[str, Any]) -> None:
    if more:
        given[name] = {**(given.get(name) or {}), **more}


class _Reader:
    """Follows code statement by statement, knowing only what can be known without running it."""

    def __init__(self) -> None:
        self.last: _Made | None = None
        self._values: dict[str, Any] = {}
        self._jobs: dict[str, _Made] = {}

    def read(self, statement: ast.stmt) -> None:
        """Take note of one statement.

        Raises:
            NotPlain: it would have to be run.
        """
        if isinstance(statement, ast.Import | ast.ImportFrom) or _is_text(statement):
            return
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            self._assign(statement.targets[0], statement.value)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            self._assign(statement.target, statement.value)
        elif isinstance(statement, ast.Expr):
            self._expression(statement.value)
        else:
            raise NotPlain("would have to be run to know what it does", fix="Keep to assignments and calls")

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in self._jobs:
            self._jobs[target.value.id].changed[target.attr] = value_of(value, self._values)
        elif not isinstance(target, ast.Name):
            raise NotPlain(f"{ast.unparse(target)} cannot be followed", fix="Assign to one name")
        elif (made := self._job(value)) is not None:
            self._jobs[target.id] = self.last = made
        elif not _looks_on(value):
            self._values[target.id] = value_of(value, self._values)

    def _expression(self, value: ast.expr) -> None:
        call = value
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
        ):
            made = self._jobs.get(call.func.value.id)
            if made is not None and call.func.attr in ("set_limits", "set_objective", "set_resources"):
                self._set(made, call)
                return
        made = self._job(value)
        if made is not None:
            self.last = made
        elif not _looks_on(value) and not isinstance(value, ast.Name | ast.Attribute):
            raise NotPlain("would have to be run to know what it does", fix="Keep to assignments and calls")

    def _set(self, made: _Made, call: ast.Call) -> None:
        given = self._keywords(call, None)
        what = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if what == "set_resources":
            _merge(made.given, "resources", given)
        elif made.sweep is not None:
            made.sweep |= given
        else:
            made.given |= given

    def _job(self, node: ast.expr) -> _Made | None:
        """Return the job that an expression makes, or None if it makes none."""
        if isinstance(node, ast.Name):
            return self._jobs.get(node.id)
        return self._called(node) if isinstance(node, ast.Call) else None

    def _called(self, node: ast.Call) -> _Made | None:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if isinstance(called, ast.Attribute) and name == "sweep" and (made := self._job(called.value)) is not None:
            return _Made(made.kind, dict(made.given), self._keywords(node, _SWEEP), dict(made.changed))
        if name in _SUBMITS and node.args:
            return self._job(node.args[0])
        if name in _MAKERS and name not in self._jobs:
            given = self._keywords(node, _MAKERS[name], positional="path" if name == "notebook" else None)
            return _Made(name, given)
        made = self._job(called)
        if made is not None:
            inputs = {**(made.given.get("inputs") or {}), **self._keywords(node, None)}
            return _Made(made.kind, {**made.given, "inputs": inputs}, made.sweep, dict(made.changed))
        return None

    def _keywords(self, node: ast.Call, valid: tuple[str, ...] | None, positional: str | None = None) -> dict[str, Any]:
        given = {}
        if node.args:
            if positional is None or len(node.args) > 1:
                raise ValidationException(
                    "has an argument without a name", f"line {node.lineno}", "Write name=value throughout"
                )
            given[positional] = value_of(node.args[0], self._values)
        for entry in node.keywords:
            if entry.arg is None or (valid is not None and entry.arg not in valid):
                from workbench.definition.checking import nearest  # noqa: PLC0415

                what = f"unexpected keyword {entry.arg!r}" if entry.arg else "** cannot be followed"
                raise ValidationException(what, f"line {node.lineno}", nearest(entry.arg or "", valid or ()))
            value = value_of(entry.value, self._values)
            if value is not None:
                given[entry.arg] = value
        return given


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _looks_on(node: ast.expr) -> bool:
    """Return whether an expression only opens a client, or looks at what was submitted."""
    if isinstance(node, ast.Call):
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return name in ("MLClient", "from_config", *_SUBMITS)
    return False
