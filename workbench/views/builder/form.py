"""What a builder's form holds: one job as plain values, right or wrong, in one layout for single jobs and sweeps."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.definition.checking import to_plain
from workbench.definition.expressions import swept_command
from workbench.definition.naming import default_experiment_name
from workbench.definition.records import AnyJob, job_from_record
from workbench.definition.sweep import Trial
from workbench.definition.yaml_text import from_text, to_text
from workbench.errors import ValidationException
from workbench.views.builder.values import is_distribution

__all__ = ["Draft"]

_PART = (*(name for name in Trial.field_names() if name != "resources"), "resources")
_SWEEP_ONLY = ("objective", "sampling_algorithm", "early_termination")
_SLACK_FIRST = ("type", "slack_factor", "slack_amount", "truncation_percentage")
_SWEPT = re.compile(r"\$\{\{\s*search_space\.([A-Za-z_]\w*)\s*\}\}")
_ORDER = (
    "name",
    "display_name",
    "experiment_name",
    "description",
    "tags",
    "notebook",
    "kernel",
    "code",
    "command",
    "inputs",
    "outputs",
    "environment",
    "environment_variables",
    "resources",
    "objective",
    "sampling_algorithm",
    "limits",
    "early_termination",
    "retries",
)


@dataclass(frozen=True)
class Draft:
    """A job that is being described: never changed, only replaced.

    Args:
        fields: the job's fields by name, those of a sweep's trial among them; inputs that are swept are mappings with
            the ``type`` of a distribution. Nothing in it need be right.
        is_sweep: whether it is a sweep; a single job keeps a sweep's fields without using them.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    is_sweep: bool = False

    @classmethod
    def from_job(cls, job: AnyJob) -> Draft:
        """Return the draft of a job; a job that was submitted gives one for a new job like it."""
        draft = cls.from_layout(job.to_dict())
        fields = dict(draft.fields)
        if job.status is not None:
            for name in ("name", "properties", "services", "parent_job_name"):
                fields.pop(name, None)
            if fields.get("display_name") == job.name:
                del fields["display_name"]
        return cls(fields, draft.is_sweep).brief()

    @classmethod
    def from_layout(cls, layout: Mapping[str, Any]) -> Draft:
        """Return the draft of a job in the layout of Azure's YAML.

        Raises:
            ValidationException: parts that are mappings there are something else.
        """
        fields = {str(name): copy.deepcopy(value) for name, value in layout.items() if name not in ("type", "$schema")}
        is_sweep = str(layout.get("type", "")).lower() == "sweep" or "trial" in layout
        if is_sweep:
            trial = _mapping(fields.pop("trial", None), "trial")
            fields = {**trial, **fields}
        inputs = _mapping(fields.pop("inputs", None), "inputs")
        space = _mapping(fields.pop("search_space", None), "search_space")
        fields["inputs"] = {name: _input(value) for name, value in {**space, **inputs, **space}.items()}
        if isinstance(fields.get("command"), str):
            fields["command"] = _SWEPT.sub(r"${{inputs.\1}}", fields["command"])
        for name in ("sampling_algorithm", "early_termination"):
            if isinstance(fields.get(name), str):
                fields[name] = {"type": fields[name]}
        return cls(fields, is_sweep).brief()

    @classmethod
    def from_yaml(cls, text: str) -> Draft:
        """Return the draft that YAML describes; relative paths are meant from the current folder.

        Raises:
            ValidationException: it is no YAML, or no mapping; the message has line and column.
        """
        layout = from_text(text, "YAML")
        if not isinstance(layout, Mapping):
            raise ValidationException("is no job", "YAML", "Write 'key: value' lines, as in type: sweep")
        return cls.from_layout(layout).settled()

    def to_layout(self) -> dict[str, Any]:
        """Return the job in the layout of Azure's YAML."""
        fields = copy.deepcopy(dict(self.fields))
        inputs = fields.pop("inputs", {})
        if not self.is_sweep:
            kind = "notebook" if "notebook" in fields and "command" not in fields else "command"
            limits = fields.pop("limits", {})
            single = {name: value for name, value in fields.items() if name not in _SWEEP_ONLY}
            timeout = {"limits": {"timeout": limits["timeout"]}} if "timeout" in limits else {}
            return {"type": kind, **single, **_some(inputs=inputs), **timeout}
        space = {name: value for name, value in inputs.items() if is_distribution(value)}
        rest = {name: value for name, value in inputs.items() if name not in space}
        trial = {name: fields.pop(name) for name in _PART if name in fields}
        if isinstance(trial.get("command"), str):
            trial["command"] = swept_command(trial["command"], space)
        return {"type": "sweep", "trial": trial, **_some(search_space=space, inputs=rest), **fields}

    def to_yaml(self) -> str:
        """Return the job as Azure's YAML."""
        return to_text(self.to_layout())

    def to_job(self) -> AnyJob:
        """Return the checked job.

        Raises:
            ValidationException: something in it is wrong; the message names the field.
        """
        return job_from_record(self.to_layout())

    def settled(self) -> Draft:
        """Return the same draft as the checked job would write it, if it can be checked."""
        try:
            job = self.to_job()
        except ValidationException:
            return self
        settled = Draft.from_layout(job.to_dict())
        # The order in which the user has written the parameters is a job's own business no more.
        order = list(self.inputs)
        inputs = sorted(settled.inputs.items(), key=lambda entry: order.index(entry[0]))
        kept = {} if self.is_sweep else {name: self.fields[name] for name in _SWEEP_ONLY if name in self.fields}
        limits = {**self.part("limits"), **settled.part("limits")}
        return Draft({**settled.fields, **kept, "limits": limits, "inputs": dict(inputs)}, self.is_sweep).brief()

    def brief(self) -> Draft:
        """Return the tidy draft without what is the default.

        For whole drafts only: what is being typed may be a default on its way to something else.
        """
        fields = dict(self.fields)
        if fields.get("experiment_name") == default_experiment_name():
            del fields["experiment_name"]
        if fields.get("environment") == "local":
            del fields["environment"]
        if isinstance(policy := fields.get("early_termination"), Mapping):
            fields["early_termination"] = _without_defaults(policy)
        return Draft(fields, self.is_sweep).tidy()

    def tidy(self) -> Draft:
        """Return the draft without what is empty, its fields in the usual order."""
        fields = {name: to_plain(value) for name, value in self.fields.items() if value not in (None, {}, [], "")}
        if isinstance(policy := fields.get("early_termination"), Mapping):
            fields["early_termination"] = {name: policy[name] for name in (*_SLACK_FIRST, *policy) if name in policy}
        if isinstance(algorithm := fields.get("sampling_algorithm"), Mapping):
            fields["sampling_algorithm"] = {
                name: value for name, value in algorithm.items() if (name, value) != ("rule", "random")
            }
        if self.is_sweep:
            fields["sampling_algorithm"] = {"type": "random", **(fields.get("sampling_algorithm") or {})}
        known = {name: fields.pop(name) for name in _ORDER if name in fields}
        return Draft({**known, **fields}, self.is_sweep)

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The parameters by name: values, distributions and data."""
        return self.part("inputs")

    @property
    def notebook(self) -> Path | None:
        """The notebook it runs, if it is one."""
        path = self.fields.get("notebook")
        return Path(path) if isinstance(path, str) else None

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a field that is a mapping; empty where it is none."""
        found = self.fields.get(name)
        return found if isinstance(found, Mapping) else {}

    def get(self, path: str) -> Any:
        """Return what is at a dotted path such as ``limits.max_total_trials``, or None."""
        found: Any = self.fields
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def put(self, path: str, value: Any) -> Draft:
        """Return the draft with ``value`` at a dotted path; None, an empty text or mapping removes what is there."""
        *steps, last = path.split(".")
        fields = copy.deepcopy(dict(self.fields))
        target = fields
        for step in steps:
            if not isinstance(target.get(step), dict):
                target[step] = {}
            target = target[step]
        if value is None or value in ("", {}):
            if path.startswith("inputs.") and value == "":
                target[last] = ""
            else:
                target.pop(last, None)
        else:
            target[last] = value
        is_sweep = (
            any(map(is_distribution, fields.get("inputs", {}).values())) if steps == ["inputs"] else self.is_sweep
        )
        return Draft(fields, is_sweep).tidy()


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValidationException(f"must be a mapping; got {value!r}", where, "Write name: value lines")
    return {str(name): entry for name, entry in value.items()}


def _input(value: Any) -> Any:
    """Return an input without the wrapping that YAML allows around a literal."""
    if isinstance(value, Mapping) and set(value) == {"value"}:
        return value["value"]
    if isinstance(value, Mapping) and is_distribution(value):
        return {**value, "type": str(value["type"]).lower()}
    return value


def _without_defaults(policy: Mapping[str, Any]) -> dict[str, Any]:
    interval = 1 if policy.get("type") == "median_stopping" else 0
    defaults = {"evaluation_interval": interval, "delay_evaluation": 0}
    return {name: value for name, value in policy.items() if name not in defaults or value != defaults[name]}


def _some(**parts: Any) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value}
