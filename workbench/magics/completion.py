"""Tab completion on the lines of the magics: options, their values, verbs, and names of jobs and metrics."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from workbench.client.reports import metric_names
from workbench.errors import WorkbenchError
from workbench.magics.session import Session
from workbench.magics.verbs import VERBS, make_parser
from workbench.store.workspace import find_workspace
from workbench.views.builder.line import make_parser as make_cell_parser

__all__ = ["complete_in"]

_MOST = 200  # names of jobs that are offered
_SWEEPS = ("pause", "resume", "more", "limits", "narrow", "enqueue", "retry")
_OF_FILES = ("run", "new")
_MAGIC = re.compile(r"^\s*(?:[\w.\[\], ]+=\s*)?(%%sweep|%%job|%wb)\s")


def complete_in(shell: Any) -> None:
    """Let the completer of an IPython shell know the magics' lines."""
    from IPython.core.completer import context_matcher  # noqa: PLC0415 - only where there is IPython

    session = Session(shell)

    @context_matcher(identifier="workbench", priority=1000)  # type: ignore[untyped-decorator]
    def match(context: Any) -> dict[str, Any]:
        from IPython.core.completer import SimpleCompletion  # noqa: PLC0415 - as above

        before = context.text_until_cursor
        words = [word for word in _offered(session, before, context.token) if word.startswith(context.token)]
        # What Python has to offer is noise here; file names are not, where nothing else is known.
        return {"completions": [SimpleCompletion(word, type="magic") for word in words], "suppress": bool(words)}

    matchers = shell.Completer.custom_matchers
    matchers[:] = [known for known in matchers if getattr(known, "matcher_identifier", "") != "workbench"]
    matchers.append(match)


def _offered(session: Session, text: str, token: str) -> Iterable[str]:
    """Return what can stand where ``token`` is being written; quietly nothing where the workspace cannot be opened."""
    line = text.rsplit("\n", 1)[-1]
    magic = _MAGIC.match(line)
    if magic is None or (magic[1] != "%wb" and "\n" in text):
        return []
    before = re.sub(r"(?<=\s)[\w.]+(,[\w.]+)*,$", "", line[magic.start(1) : len(line) - len(token)]).split()
    try:
        return _verb(session, before[1:], token) if magic[1] == "%wb" else _cell(session, magic[1], before[1:])
    except (WorkbenchError, OSError):
        return []


def _cell(session: Session, magic: str, words: list[str]) -> Iterable[str]:
    offered = _VALUES.get(words[-1] if words else "")
    return _flags(make_cell_parser(magic), words) if offered is None else offered(session)


def _verb(session: Session, words: list[str], token: str) -> Iterable[str]:
    words = [word for word in words if word != "--debug"]
    if not words:
        return [*VERBS, "--debug", "--help"]
    if words[0] not in VERBS or (words[0] in _OF_FILES and not token.startswith("-")):
        return []
    parser = next(action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    if token.startswith("-"):
        return _flags(parser.choices[words[0]], words)
    if words[-1] == "--priority":
        return ["low", "medium", "high"]
    actions = ["hold", "release", "move"] if words == ["queue"] else []
    return [*actions, *_jobs(session, sweeps=words[0] in _SWEEPS)]


def _metrics(session: Session) -> list[str]:
    return metric_names(session.client) if find_workspace() else []


def _experiments(session: Session) -> list[str]:
    return (
        sorted({record.experiment_name for record in session.client.context.store.jobs()}) if find_workspace() else []
    )


def _jobs(session: Session, *, sweeps: bool) -> list[str]:
    if find_workspace() is None:  # to look is no reason to make one
        return []
    store = session.client.context.store
    jobs = [record for record in store.jobs() if record.type == "sweep" or not sweeps][:_MOST]
    newest = next((record for record in jobs if record.type == "sweep"), None)
    trials = [] if sweeps or newest is None else [trial.name for trial in store.children(newest.name)[:_MOST]]
    return [*(record.name for record in jobs), *trials]


def _variables(session: Session) -> list[str]:
    return sorted(name for name in session.variables if not name.startswith("_"))


def _kernels(session: Session) -> list[str]:
    del session
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415 - heavy

    return sorted(KernelSpecManager().find_kernel_specs())


_VALUES: Mapping[str, Callable[[Session], Iterable[str]]] = {
    "--metric": _metrics,
    "--goal": lambda _: ["maximize", "minimize"],
    "--sampler": lambda _: ["random", "sobol", "grid", "bayesian"],
    "--stop": lambda _: ["bandit(slack_factor=0.1)", "median", "truncation(truncation_percentage=20)"],
    "--with": _variables,
    "--experiment": _experiments,
    "--environment": lambda _: ["local"],
    "--kernel": _kernels,
    **dict.fromkeys(("--trials", "--concurrent", "--seed", "--gpus", "--cpus", "--memory", "--name"), lambda _: ()),
    **dict.fromkeys(("--code", "--notebook", "--folder", "--timeout", "--trial-timeout"), lambda _: ()),
}
"""What can follow an option; nothing is offered for free texts, and files by IPython itself."""


def _flags(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    flags = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]
    return [flag for flag in flags if flag not in words or flag == "--set"]
