"""``%wb``: the verbs of the command line, in a notebook."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from workbench.definition.checking import nearest
from workbench.errors import ValidationException
from workbench.magics.session import Session, readable
from workbench.magics.showing import show
from workbench.views.builder.line import Parser, split_line
from workbench.views.builder.values import scalar_of

__all__ = ["VERBS", "VerbMagics", "make_parser"]

Verb = Callable[[Session, argparse.Namespace], Any]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``%wb``; what is wrong on the line is raised, not printed."""
    parser = Parser(prog="%wb", add_help=False, allow_abbrev=False, description=_DESCRIPTION)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--debug", action="store_true", help="show errors with their traceback")
    parser.add_argument("-h", "--help", action="store_true", help="show this, or the help of a verb")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    for name, (verb, arguments) in VERBS.items():
        text = (verb.__doc__ or "").strip()
        one = verbs.add_parser(
            name, help=text, description=text, add_help=False, allow_abbrev=False, prog=f"%wb {name}"
        )
        for flags, options in arguments:
            one.add_argument(*flags, **options)
        one.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        one.add_argument("-h", "--help", action="store_true", default=argparse.SUPPRESS, help="show this")
    return parser


_DESCRIPTION = """Look at jobs and sweeps, and change them: the verbs of the command line.
Without a name the last job or sweep is meant."""


@magics_class
class VerbMagics(Magics):
    """The magic ``%wb``.

    Args:
        shell: IPython's.
    """

    def __init__(self, shell: Any = None, **options: Any) -> None:
        super().__init__(shell, **options)
        self.session = Session(shell)

    @no_var_expand
    @line_magic
    def wb(self, line: str) -> Any:  # noqa: D102 - below, from its verbs
        with readable(traceback="--debug" in line.split()):
            words = split_line(line)
            parser = make_parser()
            if not words or {"-h", "--help", "?"} & set(words):
                return print(_help_of(parser, words))  # noqa: T201
            verb = next((word for word in words if not word.startswith("-")), "")
            if verb not in VERBS:
                raise ValidationException(f"there is no verb {verb!r}", "%wb", nearest(verb, VERBS))
            options, rest = parser.parse_known_args(words)
            if rest:
                raise ValidationException(f"{' '.join(rest)!r} is not understood", "%wb", f"Write %wb {verb} -h")
            return VERBS[options.verb][0](self.session, options)


def _help_of(parser: argparse.ArgumentParser, words: list[str]) -> str:
    named = [word for word in words if word in VERBS]
    if not named:
        return parser.format_help()
    verbs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return str(verbs.choices[named[0]].format_help())


def _run(session: Session, options: argparse.Namespace) -> Any:
    """Submit a job or sweep from a YAML file."""
    from workbench.definition.yaml_io import load_job  # noqa: PLC0415

    overrides = [{key: value} for key, value in _pairs(options.set).items()]
    submitted = session.client.jobs.create_or_update(load_job(options.file, params_override=overrides))
    return _submitted(session, str(submitted.name), wait=options.wait)


def _list(session: Session, options: argparse.Namespace) -> Any:
    """List jobs and sweeps, newest first."""
    from workbench.client.reports import list_report  # noqa: PLC0415

    rows = list_report(session.client, archived=options.archived, most=options.most)
    return _table(rows, "No jobs yet. Submit one with %%sweep, or %wb run FILE.yml")


def _show(session: Session, options: argparse.Namespace) -> Any:
    """Show a job, a sweep or a trial."""
    names = options.names or [session.name_or_last(None)]
    jobs = [session.client.jobs.get(name) for name in names]
    for job in jobs[:-1]:
        show(job)
    return jobs[-1]


def _logs(session: Session, options: argparse.Namespace) -> Any:
    """Print what a job has printed; of a sweep, its history."""
    from workbench.client.reports import log_text  # noqa: PLC0415

    name = session.name_or_last(options.name)
    if options.follow:
        session.client.jobs.stream(name)
        return
    for part in log_text(session.client, name):
        sys.stdout.write(part)


def _stop(session: Session, options: argparse.Namespace) -> Any:
    """Stop a job, a sweep or one trial; its whole process tree ends."""
    name = session.name_or_last(options.name)
    poller = session.client.jobs.begin_cancel(name)
    if options.wait:
        poller.wait()
    return session.client.jobs.get(name)


def _pause(session: Session, options: argparse.Namespace) -> Any:
    """Start no more trials of a sweep; those that run go on."""
    name = session.name_or_last(options.name, "sweep")
    session.client.sweeps.pause(name)
    return _changed(session, name, f"{name} is paused; go on with %wb resume {name}")


def _resume(session: Session, options: argparse.Namespace) -> Any:
    """Let a paused sweep start trials again."""
    name = session.name_or_last(options.name, "sweep")
    session.client.sweeps.resume(name)
    return _changed(session, name, f"{name} goes on")


def _more(session: Session, options: argparse.Namespace) -> Any:
    """Add trials to a sweep, also to one that has ended: more [NAME] N."""
    *names, number = options.what
    if len(names) > 1 or not number.isdigit():
        raise ValidationException(
            f"{' '.join(options.what)!r} is not understood", "%wb more", "Write %wb more [NAME] N"
        )
    name = session.name_or_last(names[0] if names else None, "sweep")
    session.client.sweeps.extend(name, int(number))
    return _changed(session, name, f"{name} goes on with {number} more trials")


def _limits(session: Session, options: argparse.Namespace) -> Any:
    """Raise or lower the limits of a sweep that runs."""
    if options.total is None and options.concurrent is None:
        raise ValidationException("no limit is given", "%wb limits", "Write --total N, or --concurrent N")
    name = session.name_or_last(options.name, "sweep")
    session.client.sweeps.set_limits(name, max_total_trials=options.total, max_concurrent_trials=options.concurrent)
    return _changed(session, name, f"{name} has new limits")


def _narrow(session: Session, options: argparse.Namespace) -> Any:
    """Replace a parameter's distribution for the trials yet to come: narrow NAME lr "Uniform(0.1, 0.2)"."""
    import ast  # noqa: PLC0415

    from workbench.definition.distributions import distribution_from_dict  # noqa: PLC0415
    from workbench.views.builder.values import value_of  # noqa: PLC0415

    try:
        fields = value_of(ast.parse(options.distribution, mode="eval").body)
    except SyntaxError:
        fields = None
    if not isinstance(fields, Mapping):
        raise ValidationException(
            f"{options.distribution!r} is no distribution", "%wb narrow", "Write Uniform(0.1,0.2)"
        )
    space = {options.parameter: distribution_from_dict(fields, options.parameter)}
    session.client.sweeps.narrow(options.name, **space)
    return _changed(session, options.name, f"{options.parameter} is drawn from the new distribution from now on")


def _enqueue(session: Session, options: argparse.Namespace) -> Any:
    """Add a trial with parameters of your own; it is the next to start: enqueue NAME lr=0.1 layers=2."""
    session.client.sweeps.enqueue(options.name, **_pairs(options.params))
    return _changed(session, options.name, f"{options.name} tries that next")


def _retry(session: Session, options: argparse.Namespace) -> Any:
    """Run all failed trials of a sweep again."""
    name = session.name_or_last(options.name, "sweep")
    session.client.sweeps.retry_failed(name)
    return _changed(session, name, f"{name} tries its failed trials again")


def _rerun(session: Session, options: argparse.Namespace) -> Any:
    """Run a job again with the same code, inputs, seed and environment, and say what is not as it was."""
    again = session.client.jobs.rerun(session.name_or_last(options.name))
    for change in again.drift:
        print(f"not as it was: {change}")  # noqa: T201
    return _submitted(session, again.name, wait=options.wait)


def _register(session: Session, options: argparse.Namespace) -> Any:
    """Register the model that a job has made; of a sweep, its best trial's."""
    from workbench.client.reports import model_to_register  # noqa: PLC0415

    job = session.name_or_last(options.job)
    wanted = model_to_register(
        session.client, job, name=options.name, path=options.path, description=options.description
    )
    model = session.client.models.create_or_update(wanted, alias=options.alias)
    print(f'{model.name} version {model.version}; mlflow.pyfunc.load_model("models:/{model.name}/{model.version}")')  # noqa: T201
    return model


def _models(session: Session, options: argparse.Namespace) -> Any:
    """List registered models, or the versions of one."""
    from workbench.client.reports import model_report  # noqa: PLC0415

    keep = ("name", "version", "type", "job", "description")
    rows = [model_report(model) for model in session.client.models.list(options.name)]
    return _table([{key: row[key] for key in keep} for row in rows], "No models yet. See %wb register -h")


def _compare(session: Session, options: argparse.Namespace) -> Any:
    """Show jobs or trials side by side, and what is not the same in all of them; a sweep means its best trial."""
    import pandas as pd  # noqa: PLC0415 - half a second that only tables cost

    from workbench.client.reports import compare_report  # noqa: PLC0415

    table = pd.DataFrame(compare_report(session.client, options.names))
    differs = table.astype(str).nunique(axis=1) > 1
    return table if options.all or len(options.names) == 1 else table[differs]


def _queue(session: Session, options: argparse.Namespace) -> Any:
    """Show what runs and what waits, and why; or queue hold NAME, release NAME, move NAME --before OTHER."""
    queue = session.client.queue
    if options.action in ("hold", "release"):
        getattr(queue, options.action)(session.name_or_last(options.name))
    elif options.action == "move":
        _move(session, options)
    rows = [{**asdict(entry), "status": str(entry.status)} for entry in queue.list()]
    return _table(rows, "Nothing runs and nothing waits.")


def _move(session: Session, options: argparse.Namespace) -> None:
    if (options.before is None) == (options.priority is None):
        raise ValidationException("needs a place", "%wb queue move", "Give --before NAME or --priority low|medium|high")
    name = session.name_or_last(options.name)
    if options.before is not None:
        session.client.queue.move(name, before=options.before)
    else:
        session.client.queue.set_priority(name, options.priority)


def _new(session: Session, options: argparse.Namespace) -> Any:
    """Open the builder: a form that defines a job or sweep from a script, a notebook, YAML or an earlier job."""
    del session
    from workbench.views.builder import builder  # noqa: PLC0415 - widgets

    return builder(options.source)


Arguments = list[tuple[tuple[str, ...], dict[str, Any]]]
_NAME: Arguments = [(("name",), {"nargs": "?", "help": "a job, a sweep or a trial", "metavar": "NAME"})]
_SWEEP: Arguments = [(("name",), {"help": "a sweep", "metavar": "NAME"})]
_WAIT: Arguments = [(("--wait",), {"action": "store_true", "help": "until it ends"})]
VERBS: Mapping[str, tuple[Verb, Arguments]] = {
    "run": (
        _run,
        [
            (("file",), {"help": "a job or sweep in YAML", "metavar": "FILE"}),
            (("--set",), {"action": "append", "default": [], "metavar": "KEY=VALUE", "help": "override a field"}),
            *_WAIT,
        ],
    ),
    "list": (
        _list,
        [
            (("--archived",), {"action": "store_true", "help": "the archived ones too"}),
            (("--most",), {"type": int, "default": 50, "metavar": "N", "help": "at most so many"}),
        ],
    ),
    "show": (_show, [(("names",), {"nargs": "*", "help": "jobs, sweeps or trials", "metavar": "NAME"})]),
    "logs": (_logs, [*_NAME, (("--follow", "-f"), {"action": "store_true", "help": "go on until the job ends"})]),
    "stop": (_stop, [*_NAME, *_WAIT]),
    "cancel": (_stop, [*_NAME, *_WAIT]),
    "pause": (_pause, _NAME),
    "resume": (_resume, _NAME),
    "more": (_more, [(("what",), {"nargs": "+", "help": "how many more, behind the name of a sweep", "metavar": "N"})]),
    "limits": (
        _limits,
        [
            *_NAME,
            (("--total",), {"type": int, "metavar": "N", "help": "most trials in all"}),
            (("--concurrent",), {"type": int, "metavar": "N", "help": "most trials at once"}),
        ],
    ),
    "narrow": (
        _narrow,
        [
            *_SWEEP,
            (("parameter",), {"help": "a swept parameter", "metavar": "PARAMETER"}),
            (("distribution",), {"help": "as in Uniform(0.1,0.2)", "metavar": "DISTRIBUTION"}),
        ],
    ),
    "enqueue": (
        _enqueue,
        [*_SWEEP, (("params",), {"nargs": "+", "metavar": "KEY=VALUE", "help": "a value for each swept parameter"})],
    ),
    "retry": (_retry, _NAME),
    "rerun": (_rerun, [*_NAME, *_WAIT]),
    "register": (
        _register,
        [
            (("job",), {"nargs": "?", "help": "a job or trial; a sweep means its best trial", "metavar": "NAME"}),
            (("--name",), {"required": True, "metavar": "MODEL", "help": "name of the registered model"}),
            (("--path",), {"metavar": "PATH", "help": "among the job's artifacts; its only model by default"}),
            (("--alias",), {"metavar": "ALIAS", "help": "for the new version, such as champion"}),
            (("--description",), {"metavar": "TEXT", "help": "for readers"}),
        ],
    ),
    "models": (_models, [(("name",), {"nargs": "?", "help": "all versions of this model", "metavar": "MODEL"})]),
    "compare": (
        _compare,
        [
            (("names",), {"nargs": "+", "help": "jobs or trials", "metavar": "NAME"}),
            (("--all",), {"action": "store_true", "help": "what is the same in all of them too"}),
        ],
    ),
    "queue": (
        _queue,
        [
            (("action",), {"nargs": "?", "choices": ["hold", "release", "move"], "help": "what to do"}),
            *_NAME,
            (("--before",), {"metavar": "NAME", "help": "move it right before this job"}),
            (("--priority",), {"metavar": "PRIORITY", "help": "low, medium or high"}),
        ],
    ),
    "new": (
        _new,
        [(("source",), {"nargs": "?", "help": "a script, notebook, YAML file or job", "metavar": "FILE"})],
    ),
}
"""The verbs with their functions and arguments."""

VerbMagics.wb.__doc__ = make_parser().format_help()


def _submitted(session: Session, name: str, *, wait: bool) -> Any:
    Session.last = name
    if wait:
        session.client.jobs.stream(name)
    return session.client.jobs.get(name)


def _changed(session: Session, name: str, text: str) -> Any:
    print(text)  # noqa: T201
    return session.client.jobs.get(name)


def _pairs(texts: list[str]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValidationException(f"{text!r} has no '='", "%wb", "Write KEY=VALUE")
        pairs[key] = scalar_of(value)
    return pairs


def _table(rows: list[dict[str, Any]], empty: str) -> Any:
    """Return rows as a table without the columns that are empty; with no rows, say so."""
    if not rows:
        return print(empty)  # noqa: T201
    import pandas as pd  # noqa: PLC0415 - half a second that only tables cost

    table = pd.DataFrame(rows)
    kept = [
        name for name in table.columns if not table[name].isin([None, "", False]).all() and table[name].notna().any()
    ]
    return table[kept].astype(object).where(table[kept].notna(), "")  # what a job has not is blank, not NaN
