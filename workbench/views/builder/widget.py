"""The builder as it is seen: a thin skin of ipywidgets over a draft."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ipywidgets

from workbench.client.ml_client import MLClient
from workbench.client.preview import Preview
from workbench.client.reports import metric_names
from workbench.definition.records import AnyJob
from workbench.errors import WorkbenchError
from workbench.notebooks.handover import as_text, hand_over
from workbench.views.builder.acting import INSERTED, insert_later, preview_html
from workbench.views.builder.asker import CellAsker
from workbench.views.builder.cell import CellPlace, from_cell, to_cell
from workbench.views.builder.code import from_code, to_code
from workbench.views.builder.controls import TURN, Combobox
from workbench.views.builder.fields import Field, chosen, command_field, error_html, quietly, section, written
from workbench.views.builder.form import Draft
from workbench.views.builder.formulas import formula
from workbench.views.builder.panes import Pane
from workbench.views.builder.parameters import ParameterRows
from workbench.views.builder.place import running_kernel
from workbench.views.builder.problems import Problems, find_problems
from workbench.views.builder.sources import Option, from_source
from workbench.views.builder.styles import STYLE

__all__ = ["Builder"]

_SUFFIXES = ("*.py", "*.ipynb", "*.yml", "*.yaml")
_MOST_FILES = 100
_TRIALS = 20  # what a new sweep begins with
_SMALL_IS_GOOD = ("loss", "err", "rmse", "mse", "mae", "perplexity", "seconds", "time")
_POLICY_FIELDS = {
    "bandit": ("slack_factor", "slack_amount", "evaluation_interval", "delay_evaluation"),
    "median_stopping": ("evaluation_interval", "delay_evaluation"),
    "truncation_selection": ("truncation_percentage", "evaluation_interval", "delay_evaluation"),
}
_BEGIN: Mapping[str, Mapping[str, Any]] = {
    "bandit": {"slack_factor": 0.1},
    "truncation_selection": {"truncation_percentage": 20},
}


class Builder(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A form that defines a job or a sweep.

    Args:
        source: what it begins with; see ``workbench.builder``.
        client: the client to submit with.

    Raises:
        ValidationException: the source cannot be read.
        NotFoundError: there is no such file and no such job.
    """

    def __init__(self, source: Any = None, *, client: MLClient | None = None) -> None:
        self.client = client or MLClient()
        self.job: AnyJob | None = None
        """The job that Run has submitted last."""
        self.preview: Preview | None = None
        """What the last dry run has shown."""
        found = from_source(source, self.client)
        self._draft, self._found = found.draft, found
        self._problems = Problems()
        self._offered: list[str] = []
        self._metrics = list(dict.fromkeys([*found.metrics, *metric_names(self.client)]))
        self._head = ipywidgets.HTML()
        self._general = ipywidgets.HTML()
        self._formula = ipywidgets.HTML()
        self._formula.add_class("wb-wide")
        self._fields = self._make_fields()
        self._rows = ParameterRows(self._change)
        self._flags = ipywidgets.Box()
        self._flags.add_class("wb-buttons")
        self._panes = self._make_panes()
        self._result = ipywidgets.HTML()
        self._result.add_class("wb-result")
        self._shown = ipywidgets.Output()
        self._asker = CellAsker()
        self._source = self._make_source("" if source is None or not isinstance(source, str | Path) else str(source))
        super().__init__(self._parts())
        self.add_class("wb-builder")
        self._show()

    @property
    def draft(self) -> Draft:
        """What the form holds."""
        return self._draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        with TURN:
            self._draft = draft.tidy()
            self._show()

    @property
    def problems(self) -> Problems:
        """What is wrong with it."""
        return self._problems

    @property
    def texts(self) -> dict[str, str]:
        """The three texts by their names: ``code``, ``cell`` and ``yaml``."""
        return {name: pane.value for name, pane in self._panes.items()}

    def run(self) -> AnyJob | None:
        """Submit the job, show it below the form, and return it; None, with the reason in the form, if it cannot be."""
        self._shown.outputs = ()
        try:
            self.job = self.client.jobs.create_or_update(self._wanted())
        except WorkbenchError as error:
            self._tell(error_html(str(error)))
            return None
        name = html.escape(str(self.job.name))
        self._tell(f'<div role="status" class="wb-ready">✓ <b>{name}</b> was submitted.</div>')
        self._shown.append_display_data(self.job)
        return self.job

    def dry_run(self) -> Preview | None:
        """Show what the job would do, and return it; None, with the reason in the form, if it cannot run."""
        self._shown.outputs = ()
        try:
            self.preview = self.client.jobs.preview(self._wanted())
        except WorkbenchError as error:
            self._tell(error_html(str(error)))
            return None
        seed = self.preview.seed if self._draft.get("sampling_algorithm.seed") is None else None
        note = "" if seed is None else f"drawn with seed {seed}: enter it above to run exactly these"
        self._tell(preview_html(self.preview, is_sweep=self._draft.is_sweep, note=note))
        return self.preview

    def insert_cell(self) -> None:
        """Put the ``%%sweep`` cell into the notebook, below this form where the front end can do that."""
        text = self._panes["cell"].value
        self._asker.ask(text, lambda done: self._tell(INSERTED if done else insert_later(text)))

    def begin_with(self, source: str) -> None:
        """Begin anew with a script, a notebook, a YAML file or a job; what cannot be read leaves all as it is."""
        try:
            found = from_source(source, self.client)
        except WorkbenchError as error:
            quietly(self._general, "value", error_html(str(error)))
            return
        with TURN:
            self._found = found
            self._metrics = list(dict.fromkeys([*found.metrics, *self._metrics]))
            self._fields["objective.primary_metric"].control.options = tuple(self._metrics)
            for pane in self._panes.values():
                pane.is_wrong = False
            self.draft = found.draft

    def _wanted(self) -> AnyJob:
        """Return the job that the form means, once whoever changes it has done so."""
        with TURN:
            return self._draft.to_job()

    def _parts(self) -> list[Any]:
        fields = self._fields
        return [
            ipywidgets.HTML(STYLE),
            self._head,
            self._source,
            self._general,
            section("What runs"),
            _grid(*(fields[path] for path in ("notebook", "command", "code", "kernel", "name", "experiment_name"))),
            section("Parameters", "a distribution makes a sweep"),
            self._rows.box,
            self._flags,
            section("Search and limits"),
            _grid(
                *(fields[path] for path in _SEARCH),
                *(fields[path] for path in _STOP),
                self._formula,
            ),
            section("Machine", self._machine()),
            _grid(*(fields[path] for path in _MACHINE)),
            self._buttons(),
            self._asker,
            self._result,
            self._shown,
            section("The same as text", "change any of them, and the form follows: a cell's when you leave it"),
            _texts([pane.box for pane in self._panes.values()]),
        ]

    def _make_fields(self) -> dict[str, Field]:
        change = self._change
        samplers = [("random", "random"), ("sobol", "sobol"), ("grid", "grid"), ("bayesian", "bayesian")]
        policies = [
            ("none", ""),
            ("bandit", "bandit"),
            ("median stopping", "median_stopping"),
            ("truncation selection", "truncation_selection"),
        ]
        fields = [
            written("notebook", "notebook", change, hint="train.ipynb", text=True, wide=True),
            command_field("command", "command", change, hint="python train.py --lr ${{inputs.lr}}"),
            written("code folder", "code", change, hint="./src", text=True),
            written("kernel", "kernel", change, hint="the notebook's own", text=True),
            written(
                "metric", "objective.primary_metric", change, hint="accuracy", offers=self._metrics or [""], text=True
            ),
            chosen(
                "goal",
                "objective.goal",
                change,
                [("choose …", ""), ("maximize", "maximize"), ("minimize", "minimize")],
                default="",
            ),
            chosen("sampler", "sampler", self._choose_sampler, samplers, default="random"),
            written("seed", "sampling_algorithm.seed", change, hint="makes it repeatable"),
            written("trials", "limits.max_total_trials", change, hint="1000"),
            written("at once", "limits.max_concurrent_trials", change, hint="one for each core"),
            written("time limit", "limits.timeout", change, hint="seconds for all"),
            written("per trial", "limits.trial_timeout", change, hint="seconds for each"),
            chosen("stop early", "policy", self._choose_policy, policies, default=""),
            written("slack factor", "early_termination.slack_factor", change, hint="0.1"),
            written("or amount", "early_termination.slack_amount", change, hint="0.05"),
            written("worst %", "early_termination.truncation_percentage", change, hint="20"),
            written("at every", "early_termination.evaluation_interval", change, hint="reports"),
            written("not before", "early_termination.delay_evaluation", change, hint="reports"),
            written("environment", "environment", change, hint="this Python", text=True),
            written("GPUs", "resources.gpus", change, hint="per trial, or 0.5"),
            written("cores", "resources.cpus", change, hint="per trial"),
            written("memory", "resources.memory", change, hint="per trial: 4g"),
            written("name", "name", change, hint="made up", text=True),
            written("experiment", "experiment_name", change, hint="the folder's name", text=True),
            written("retries", "retries.any", change, hint="after a failure"),
        ]
        return {field.path: field for field in fields}

    def _make_panes(self) -> dict[str, Pane]:
        return {
            "code": Pane("Python", to_code, from_code, self._take),
            "cell": Pane(
                "Cell",
                lambda draft: to_cell(draft, self._place()),
                lambda text: from_cell(text, self._place()),
                self._take,
                when_left=True,  # each reading keeps the body as a notebook, and the variables that --with names
            ),
            "yaml": Pane("YAML", Draft.to_yaml, Draft.from_yaml, self._take),
        }

    def _make_source(self, text: str) -> Any:
        control = Combobox(
            description="open",
            value=text,
            placeholder="a script, notebook, YAML file or job",
            options=tuple(_files()),
            ensure_option=False,
            continuous_update=False,
            tooltip="A script, notebook, YAML file or job to begin with",
        )
        control.observe(lambda change: self.begin_with(change["new"]) if change["new"] else None, "value")
        grid = ipywidgets.Box([control])
        control.add_class("wb-wide")
        grid.add_class("wb-fields")
        return grid

    def _buttons(self) -> Any:
        self._run = ipywidgets.Button(description="Run", button_style="primary", tooltip="Submit it")
        dry = ipywidgets.Button(
            description="Dry run", tooltip="The first ten trials and the cost; nothing is submitted"
        )
        insert = ipywidgets.Button(description="Insert cell", tooltip="Put the cell below into the notebook")
        self._run.on_click(lambda _: self.run())
        dry.on_click(lambda _: self.dry_run())
        insert.on_click(lambda _: self.insert_cell())
        self._dry = dry
        box = ipywidgets.Box([self._run, dry, insert])
        box.add_class("wb-buttons")
        return box

    def _machine(self) -> str:
        return f"this one has {self.client.compute.get('local').size or 'unknown parts'}"

    def _place(self) -> CellPlace:
        return CellPlace(self.client.context.workspace, Path.cwd(), running_kernel(), self._hand_over)

    def _hand_over(self, names: str) -> str:
        from IPython.core.getipython import get_ipython  # noqa: PLC0415 - there may be none

        shell = get_ipython()
        namespace = {} if shell is None else shell.user_ns
        return as_text(hand_over(names.split(","), namespace, self.client.context.workspace))

    def _change(self, path: str, value: Any) -> None:
        draft = self._draft.put(path, value)
        begins = draft.is_sweep and not self._draft.is_sweep and "objective" not in draft.fields
        self.draft = self._with_objective(draft) if begins else draft

    def _with_objective(self, draft: Draft) -> Draft:
        """Return a draft that has become a sweep with the likeliest objective, to be changed or kept."""
        draft = draft.put("limits.max_total_trials", draft.get("limits.max_total_trials") or _TRIALS)
        if not self._metrics:
            return draft
        metric = self._metrics[0]
        goal = "minimize" if any(word in metric.lower() for word in _SMALL_IS_GOOD) else "maximize"
        return draft.put("objective", {"goal": goal, "primary_metric": metric})

    def _choose_sampler(self, _: str, value: str | None) -> None:
        seed = {"seed": seed} if (seed := self._draft.get("sampling_algorithm.seed")) is not None else {}
        kind = {"type": "random", "rule": "sobol"} if value == "sobol" else {"type": value or "random"}
        self._change("sampling_algorithm", {**kind, **(seed if kind["type"] != "grid" else {})})

    def _choose_policy(self, _: str, value: str | None) -> None:
        kept = {
            name: entry
            for name, entry in self._draft.part("early_termination").items()
            if name in ("evaluation_interval", "delay_evaluation")
        }
        self._change("early_termination", {"type": value, **_BEGIN.get(value or "", {}), **kept} if value else None)

    def _take(self, draft: Draft, pane: Pane) -> None:
        """Take over the draft that a text means; the text itself stays as it was typed."""
        self._draft = draft.tidy()
        pane.keep(self._draft)
        self._show(pane)

    def _show(self, source: Pane | None = None) -> None:
        draft = self._draft
        self._problems = problems = find_problems(draft, self.client)
        for path, field in self._fields.items():
            field.show(_value(draft, path), problems.at(_error_path(path)))
        self._show_what_applies()
        algorithm = draft.part("sampling_algorithm")
        logbase = algorithm.get("logbase", math.e)
        self._rows.show(draft.inputs, problems, self._found, logbase if isinstance(logbase, int | float) else math.e)
        self._offer_flags()
        text = formula(draft) if draft.is_sweep else ""
        quietly(self._formula, "value", f'<div class="wb-note">{html.escape(text)}</div>' if text else "")
        warned = "".join(f'<div class="wb-warning">{html.escape(text)}</div>' for text in problems.warnings)
        quietly(self._general, "value", "".join(map(error_html, problems.general)) + warned)
        quietly(self._head, "value", _head(draft, problems))
        ready = problems.count == 0
        for button in (self._run, self._dry):
            quietly(button, "disabled", not ready)
        for pane in self._panes.values():
            if pane is not source:
                pane.show(draft)

    def _offer_flags(self) -> None:
        """Offer the script's flags that the command does not give; each a button, for most of them stay away."""
        command = str(self._draft.get("command") or "")
        offered = [
            flag
            for flag in self._found.flags
            if flag.name not in self._draft.inputs and flag.flag not in re.split(r"[\s)]+", command)
        ]
        if [flag.flag for flag in offered] == self._offered:
            return
        self._offered = [flag.flag for flag in offered]
        self._flags.children = [self._flag_button(flag) for flag in offered]

    def _flag_button(self, flag: Option) -> Any:
        told = f"Give {flag.flag}, or sweep whether it is given"
        button = ipywidgets.Button(
            description=f"Add {flag.flag}", tooltip=f"{told}: {flag.help}" if flag.help else told
        )
        button.on_click(lambda _: self._add_flag(flag))
        return button

    def _add_flag(self, flag: Option) -> None:
        with TURN:
            command = f"{self._draft.get('command') or ''} {flag.words}".lstrip()
            self.draft = self._draft.put("command", command).put(f"inputs.{flag.name}", value=True)

    def _show_what_applies(self) -> None:
        draft = self._draft
        is_notebook = "notebook" in draft.fields
        kind = str(draft.get("early_termination.type") or "")
        for path, field in self._fields.items():
            if path in ("notebook", "kernel"):
                _appear(field, is_notebook or (path == "notebook" and "command" not in draft.fields))
            elif path in ("command", "code"):
                _appear(field, not is_notebook)
            elif path.startswith("early_termination."):
                _appear(field, draft.is_sweep and path.rpartition(".")[2] in _POLICY_FIELDS.get(kind, ()))
            elif path in (*_SEARCH, "policy"):
                _appear(field, draft.is_sweep or path == "limits.timeout")

    def _tell(self, text: str) -> None:
        quietly(self._result, "value", text)


_SEARCH = (
    "objective.primary_metric",
    "objective.goal",
    "sampler",
    "sampling_algorithm.seed",
    "limits.max_total_trials",
    "limits.max_concurrent_trials",
    "limits.timeout",
    "limits.trial_timeout",
)
_STOP = (
    "policy",
    "early_termination.slack_factor",
    "early_termination.slack_amount",
    "early_termination.truncation_percentage",
    "early_termination.evaluation_interval",
    "early_termination.delay_evaluation",
)
_MACHINE = (
    "environment",
    "resources.gpus",
    "resources.cpus",
    "resources.memory",
    "retries.any",
)


def _value(draft: Draft, path: str) -> Any:
    if path == "sampler":
        algorithm = draft.part("sampling_algorithm")
        name = algorithm.get("rule") or algorithm.get("type")
        return None if name == "random" else name
    if path == "policy":
        return draft.get("early_termination.type")
    return draft.get(path)


def _error_path(path: str) -> str:
    known = {"sampler": "sampling_algorithm.type", "policy": "early_termination.type", "retries.any": "retries"}
    return known.get(path, path)


def _head(draft: Draft, problems: Problems) -> str:
    what = "New sweep" if draft.is_sweep else "New job"
    if problems.count:
        noun = "thing" if problems.count == 1 else "things"
        state = f'<span class="wb-wrong">⚠︎ {problems.count} {noun} to mend</span>'
    else:
        state = '<span class="wb-ready">✓ ready to run</span>'
    return f'<div class="wb-head" role="status"><b>{what}</b>{state}</div>'


def _appear(field: Field, wanted: bool) -> None:
    if wanted:
        field.box.remove_class("wb-gone")
    else:
        field.box.add_class("wb-gone")


def _grid(*entries: Any) -> Any:
    grid = ipywidgets.Box([entry.box if isinstance(entry, Field) else entry for entry in entries])
    grid.add_class("wb-fields")
    return grid


def _texts(panes: list[Any]) -> Any:
    grid = ipywidgets.Box(panes)
    grid.add_class("wb-texts")
    return grid


def _files() -> list[str]:
    """Return the files here, and one folder down, that a form can begin with."""
    here = Path.cwd()
    found = [path for pattern in _SUFFIXES for path in (*here.glob(pattern), *here.glob(f"[!.]*/{pattern}"))]
    names = (str(path.relative_to(here)) for path in found if "runs" not in path.parts)
    return sorted(names)[:_MOST_FILES]
