"""What command jobs and sweeps have in common."""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from workbench.definition.azure import as_mapping
from workbench.definition.checking import Checked, Texts, show, unexpected
from workbench.definition.inputs import Inputs, Outputs
from workbench.definition.naming import check_name, default_experiment_name
from workbench.definition.resources import QueueSettings
from workbench.definition.status import JobStatus
from workbench.definition.yaml_text import to_text
from workbench.errors import ValidationException

__all__ = ["Facts", "Job"]


@dataclass(frozen=True)
class Facts:
    """What is known of a submitted job; nothing of it is part of the definition."""

    status: JobStatus | None = None
    error: Any = None
    creation_context: Any = None
    folder: str | None = None
    studio_url: str | None = None
    log_files: Mapping[str, str] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] | None = None
    score: float | None = None
    reason: str | None = None
    progress: str | None = None
    workspace: str | None = None
    read_outputs: Callable[[], Mapping[str, Any]] | None = None
    read_trials: Callable[..., Any] | None = None


def _named(cls: type[Any]) -> Any:
    def convert(value: Any) -> Any:
        if value is None:
            return cls()
        if not isinstance(value, Mapping):
            raise ValidationException(f"must be a mapping; got {show(value)}", fix="Write {'name': value}")
        return cls(value)

    return convert


def _experiment(value: Any) -> str:
    return default_experiment_name() if value is None else value


class Job(Checked):
    """Base of ``Command`` and ``Sweep``: their common fields and the facts of a submitted job."""

    kind: ClassVar[str]

    name: Annotated[str, AfterValidator(check_name)] | None = None
    display_name: str | None = None
    experiment_name: Annotated[str, BeforeValidator(_experiment)] = Field(default_factory=default_experiment_name)
    description: str | None = None
    tags: Texts = Field(default_factory=dict)
    properties: Texts = Field(default_factory=dict)
    compute: str | None = None
    inputs: Annotated[Inputs, BeforeValidator(_named(Inputs))] = Field(default_factory=Inputs)
    outputs: Annotated[Outputs, BeforeValidator(_named(Outputs))] = Field(default_factory=Outputs)
    identity: Annotated[dict[str, Any] | None, BeforeValidator(as_mapping)] = None
    services: dict[str, Any] | None = None
    queue_settings: QueueSettings | None = None

    _facts: Facts = PrivateAttr(default_factory=Facts)

    @property
    def type(self) -> str:
        """``command`` or ``sweep``."""
        return self.kind

    @property
    def id(self) -> str | None:
        """The name, which is unique here; None before it was submitted."""
        return self.name if self.status is not None else None

    @property
    def status(self) -> JobStatus | None:
        """Where the job is in its life (``JobStatus``); None before it was submitted."""
        return self._facts.status

    @property
    def error(self) -> Any:
        """Why the job failed."""
        return self._facts.error

    @property
    def creation_context(self) -> Any:
        """Who submitted the job and when."""
        return self._facts.creation_context

    @property
    def folder(self) -> str | None:
        """The job's folder on this machine."""
        return self._facts.folder

    @property
    def studio_url(self) -> str | None:
        """Where the job can be looked at."""
        return self._facts.studio_url

    @property
    def log_files(self) -> Mapping[str, str] | None:
        """The paths of the job's logs by name."""
        return self._facts.log_files

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The values of the literal inputs as the job got them."""
        return self._facts.parameters

    @property
    def params(self) -> Mapping[str, Any] | None:
        """The values of a trial's swept parameters; None for other jobs."""
        return self._facts.params

    @property
    def score(self) -> float | None:
        """The best value of the primary metric; None if it was never reported."""
        return self._facts.score

    @property
    def reason(self) -> str | None:
        """Why the job ended as it did, in words."""
        return self._facts.reason

    @property
    def progress(self) -> str | None:
        """How far a notebook was when the job was looked at, in words; None for other jobs."""
        return self._facts.progress

    @property
    def workspace(self) -> str | None:
        """The folder of the workspace that a submitted job is in."""
        return self._facts.workspace

    @property
    def output_values(self) -> Mapping[str, Any]:
        """What the job has stored with ``workbench.output`` so far, by name; a table is a list of its rows."""
        return {} if self._facts.read_outputs is None else self._facts.read_outputs()

    def with_facts(self, **facts: Any) -> Self:
        """Return a copy of the job that carries facts.

        Args:
            facts: any of status, error, creation_context, folder, studio_url, log_files, parameters, params,
                score, reason, progress, workspace, read_outputs, read_trials; ``properties`` and ``services`` are
                merged into the fields.

        Raises:
            UnexpectedKeywordError: another name.
        """
        known = {entry.name for entry in fields(Facts)}
        for name in facts.keys() - known - {"properties", "services"}:
            raise unexpected(name, sorted(known), "with_facts")
        merged = {
            name: {**(getattr(self, name) or {}), **facts[name]} for name in ("properties", "services") if name in facts
        }
        job = self.with_fields(**merged)
        job._facts = replace(self._facts, **{name: value for name, value in facts.items() if name in known})
        return job

    def with_fields(self, **changes: Any) -> Self:
        """Return a new, checked job with some fields replaced and without facts."""
        kept = {name: getattr(self, name) for name in type(self).field_names() if name not in changes}
        return type(self)(**copy.deepcopy(kept), **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the definition in the layout of Azure's YAML, with its ``type``."""
        return {"type": self.kind, **super().to_dict()}

    def __str__(self) -> str:
        shown = self.to_dict()
        if self.status is not None:
            shown["status"] = str(self.status)
        return to_text(shown)

    def _repr_html_(self) -> str:
        cells = {
            "Experiment": self.experiment_name,
            "Name": self.name,
            "Type": self.kind,
            "Status": self.status,
            "Folder": self.folder,
        }
        head = "".join(f"<th>{title}</th>" for title in cells)
        body = "".join(f"<td>{html.escape(str(value or ''))}</td>" for value in cells.values())
        return f'<table style="width:100%"><tr>{head}</tr><tr>{body}</tr></table>'
