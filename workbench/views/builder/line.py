"""The options on the line of ``%%sweep`` and ``%%job``: one table, read by the magics and written by the builder."""

from __future__ import annotations

import argparse
import ast
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn

from workbench.definition.checking import nearest
from workbench.definition.yaml_text import from_text
from workbench.errors import ValidationException
from workbench.notebooks.inside import FOLDER_OF_NOTEBOOK
from workbench.views.builder.form import Draft
from workbench.views.builder.values import scalar_of, scalar_text, value_of

__all__ = [
    "OPTIONS",
    "Option",
    "Parser",
    "make_parser",
    "options_of",
    "policy_of",
    "read_line",
    "split_line",
    "write_line",
]


@dataclass(frozen=True)
class Option:
    """One option.

    Args:
        flag: as written.
        path: the draft's field that it sets.
        help: for ``-h``.
        sweep: whether it is one of sweeps only.
        metavar: what stands for its value in the help.
    """

    flag: str
    path: str
    help: str
    sweep: bool = False
    metavar: str = "N"


OPTIONS: Sequence[Option] = (
    Option("--metric", "objective.primary_metric", "metric that decides, as the trials log it", True, "NAME"),
    Option("--goal", "objective.goal", "maximize or minimize", True, "GOAL"),
    Option("--trials", "limits.max_total_trials", "most trials in all", True),
    Option("--concurrent", "limits.max_concurrent_trials", "most trials at once; one for each core by default", True),
    Option("--sampler", "sampling_algorithm", "random (default), sobol, grid or bayesian", True, "NAME"),
    Option("--seed", "sampling_algorithm.seed", "makes the choice of parameters repeatable", True),
    Option(
        "--stop",
        "early_termination",
        "stop hopeless trials early: bandit(slack_factor=0.1,evaluation_interval=2), median(delay_evaluation=5) or "
        "truncation(truncation_percentage=20)",
        True,
        "POLICY",
    ),
    Option("--gpus", "resources.gpus", "GPUs of each trial; fractions share one"),
    Option("--cpus", "resources.cpus", "cores of each trial"),
    Option("--memory", "resources.memory", "main memory of each trial, such as 4g", False, "SIZE"),
    Option("--timeout", "limits.timeout", "seconds for all of it", False, "SECONDS"),
    Option("--trial-timeout", "limits.trial_timeout", "seconds for each trial", True, "SECONDS"),
    Option("--retries", "retries", "how often a failed trial is tried again"),
    Option("--name", "name", "name of the job, which the same cell shows when it is run again", False, "NAME"),
    Option("--experiment", "experiment_name", "group of jobs; the folder's name by default", False, "NAME"),
    Option("--environment", "environment", "what it runs in; this Python by default", False, "NAME"),
    Option("--kernel", "kernel", "kernelspec that runs it; the running one by default", False, "NAME"),
    Option("--code", "code", "with --shell: the folder with the code", False, "FOLDER"),
    Option("--notebook", "notebook", "run this notebook with the parameters, in the place of a body", False, "FILE"),
    Option(
        "--folder",
        f"environment_variables.{FOLDER_OF_NOTEBOOK}",
        "whose files and modules the trials see; the current folder by default",
        False,
        "FOLDER",
    ),
)
"""All options that set a field and nothing else."""

_POLICIES = {"bandit": "bandit", "median": "median_stopping", "truncation": "truncation_selection"}
_RULES = {"sobol": {"type": "random", "rule": "sobol"}}
_TEXTS = (
    "--metric",
    "--goal",
    "--name",
    "--experiment",
    "--environment",
    "--kernel",
    "--code",
    "--notebook",
    "--folder",
)


class Parser(argparse.ArgumentParser):
    """Raises what is wrong on a line instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, with the nearest word that would be right."""
        known = [flag for action in self._actions for flag in action.option_strings]
        _, _, word = message.partition("unrecognized arguments: ")
        fix = nearest(word.split()[0], known) if word else f"Write {self.prog} -h to see all options"
        raise ValidationException(message, self.prog, fix)


def make_parser(magic: str) -> argparse.ArgumentParser:
    """Return the parser of ``%%sweep`` or ``%%job``; what is wrong on the line is raised, not printed.

    Args:
        magic: the name, with its percent signs.
    """
    sweep = magic == "%%sweep"
    parser = Parser(prog=magic, add_help=False, description=_DESCRIPTIONS[magic], allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for option in OPTIONS:
        if sweep or not option.sweep:
            parser.add_argument(option.flag, metavar=option.metavar, help=option.help, default=None)
    parser.add_argument("--with", dest="handed", metavar="X,Y", help="variables of this kernel that the trials get")
    parser.add_argument("--shell", action="store_true", help="the body is a shell command: python train.py …")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other field, as in YAML")
    parser.add_argument("--dry-run", action="store_true", help="show what would run, and run nothing")
    parser.add_argument("--wait", action="store_true", help="show it until it ends")
    parser.add_argument("--traceback", action="store_true", help="show errors with their traceback")
    parser.add_argument("-h", "--help", action="store_true", help="show this")
    return parser


_CELL = """The assignments at the top of the cell are its parameters: a literal is an input, a distribution is swept
(Choice, Uniform, LogUniform, QUniform, QLogUniform, Normal, LogNormal, QNormal, QLogNormal, Randint). The
rest is the body. It runs as a notebook in a process of its own, with a working directory of its own that shows
the files beside this notebook; what it writes stays with the trial. It logs with mlflow, or with
workbench.log(accuracy=0.9)."""
_DESCRIPTIONS = {
    "%%sweep": f"Run a cell many times with other parameters, outside this kernel.\n\n{_CELL}",
    "%%job": f"Run a cell once, outside this kernel.\n\n{_CELL}",
}


def split_line(line: str) -> list[str]:
    """Return the words of a line; blanks between parentheses part no words.

    Raises:
        ValidationException: a quote is not closed.
    """
    try:
        return shlex.split(_without_inner_blanks(line))
    except ValueError as error:
        raise ValidationException(str(error), line.strip(), "Close the quote") from None


def _without_inner_blanks(line: str) -> str:
    """Return the line without the blanks that stand between parentheses and outside of quotes."""
    kept, quote, depth = [], "", 0
    for letter in line:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter == "(") - (letter == ")" and depth > 0)
            if depth and letter.isspace():
                continue
        kept.append(letter)
    return "".join(kept)


def read_line(line: str, magic: str) -> argparse.Namespace:
    """Return the options on a line.

    Raises:
        ValidationException: one of them is unknown or lacks its value.
    """
    options, rest = make_parser(magic).parse_known_args(split_line(line))
    if rest:
        known = [action.option_strings[-1] for action in make_parser(magic)._actions]
        raise ValidationException(f"{rest[0]!r} is no option", magic, nearest(rest[0], known))
    return options


def options_of(options: argparse.Namespace, draft: Draft) -> Draft:
    """Return the draft with what the options set.

    Raises:
        ValidationException: a value cannot be read.
    """
    given = vars(options)
    for option in OPTIONS:
        value = given.get(option.flag.removeprefix("--").replace("-", "_"))
        if value is not None and option.path != "sampling_algorithm.seed":
            draft = draft.put(option.path, _value(option, value))
    if given.get("seed") is not None:
        draft = draft.put("sampling_algorithm.seed", scalar_of(given["seed"]))
    for text in options.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValidationException(f"{text!r} has no '='", "--set", "Write --set KEY=VALUE")
        draft = _set(draft, key, _read(value, key))
    return draft


def _set(draft: Draft, key: str, value: Any) -> Draft:
    """Return the draft with a field set; a mapping is put on top of one that is there."""
    before = draft.get(key)
    both = isinstance(before, Mapping) and isinstance(value, Mapping) and not key.startswith("inputs")
    return draft.put(key, {**before, **value} if both else value)


def _read(text: str, key: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return from_text(text, f"--set {key}")


def policy_of(text: str) -> Any:
    """Return the early termination that ``bandit(slack_factor=0.1)`` or ``median`` means, unchecked.

    Raises:
        ValidationException: it is none of the three, or its arguments cannot be read.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValidationException(f"{text!r} cannot be read: {error.msg}", "--stop", _POLICY_FIX) from None
    call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    kinds = {**_POLICIES, **{kind: kind for kind in _POLICIES.values()}}
    if name not in kinds:
        raise ValidationException(f"{text!r} is no policy", "--stop", nearest(name, _POLICIES))
    if call.args:
        raise ValidationException(f"{text!r} has an argument without a name", "--stop", _POLICY_FIX)
    return {"type": kinds[name], **{str(entry.arg): value_of(entry.value) for entry in call.keywords}}


_POLICY_FIX = "Write bandit(slack_factor=0.1,evaluation_interval=2), median, or truncation(truncation_percentage=20)"


def write_line(draft: Draft, *, folder: str, shell: bool, handed: str = "", left_out: Sequence[str] = ()) -> str:
    """Return the line that means the draft, without its parameters.

    Args:
        draft: what it shall mean.
        folder: the folder that ``--folder`` need not name.
        shell: whether the body is a command.
        handed: what ``--with`` says.
        left_out: fields that the cell itself tells.
    """
    rest = {name: value for name, value in draft.fields.items() if name not in left_out}
    words = ["%%sweep" if draft.is_sweep else "%%job"]
    for option in OPTIONS:
        if option.sweep and not draft.is_sweep:
            continue
        text, rest = _written(option, rest, folder)
        words += [option.flag, text] if text is not None else []
    words += ["--with", handed] if handed else []
    words += ["--shell"] if shell else []
    if not draft.is_sweep:
        rest = {
            name: value
            for name, value in rest.items()
            if name not in ("objective", "sampling_algorithm", "early_termination")
        }
        if isinstance(rest.get("limits"), Mapping):
            rest.pop("limits")
    for name, value in rest.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    return " ".join(word if word.startswith("%%") else _word(word) for word in words)


def _value(option: Option, text: str) -> Any:
    if option.flag == "--stop":
        return policy_of(text)
    if option.flag == "--sampler":
        return _RULES.get(text.lower(), {"type": text.lower()})
    if option.flag in _TEXTS:
        return text
    value = scalar_of(text)
    return {"any": value} if option.flag == "--retries" else value


def _written(option: Option, fields: dict[str, Any], folder: str) -> tuple[str | None, dict[str, Any]]:
    """Return the text of an option's value and the fields that are left; None where the option cannot say it."""
    *steps, last = option.path.split(".")
    holder = fields.get(steps[0], {}) if steps else fields
    value = holder.get(last) if isinstance(holder, Mapping) else None
    text = None if value is None else _text(option, value)
    if option.flag == "--folder" and value == folder:
        return None, _without(fields, steps, last)
    if text is None and option.flag != "--sampler":
        return None, fields
    if option.flag == "--sampler":
        return _sampler(fields)
    return text, _without(fields, steps, last)


def _sampler(fields: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    algorithm = fields.get("sampling_algorithm")
    if not isinstance(algorithm, Mapping) or set(algorithm) - {"type", "rule", "seed"}:
        return None, fields
    rule = algorithm.get("rule", "random")
    if rule not in ("random", "sobol") or not isinstance(algorithm.get("type"), str):
        return None, fields
    name = "sobol" if rule == "sobol" else algorithm["type"]
    seed = {"seed": algorithm["seed"]} if "seed" in algorithm else {}
    rest = {key: value for key, value in fields.items() if key != "sampling_algorithm"}
    return (None if name == "random" else name), {**rest, **({"sampling_algorithm": seed} if seed else {})}


def _text(option: Option, value: Any) -> str | None:
    if option.flag == "--stop":
        return _policy_text(value)
    if option.flag == "--retries":
        return scalar_text(value["any"]) if isinstance(value, Mapping) and set(value) == {"any"} else None
    if isinstance(value, Mapping | list) or (option.flag in _TEXTS and not isinstance(value, str)):
        return None
    text = value if option.flag in _TEXTS else scalar_text(value)
    return text if text.isprintable() and not text.startswith("-") else None


def _policy_text(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    names = {kind: name for name, kind in _POLICIES.items()}
    rest = {name: entry for name, entry in value.items() if name != "type"}
    if value.get("type") not in names or not all(isinstance(entry, int | float) for entry in rest.values()):
        return None
    arguments = ",".join(f"{name}={entry!r}" for name, entry in rest.items())
    return names[value["type"]] + (f"({arguments})" if arguments else "")


def _without(fields: dict[str, Any], steps: Sequence[str], last: str) -> dict[str, Any]:
    if not steps:
        return {name: value for name, value in fields.items() if name != last}
    inner = {name: value for name, value in fields[steps[0]].items() if name != last}
    rest = {name: value for name, value in fields.items() if name != steps[0]}
    return {**rest, steps[0]: inner} if inner else rest


def _word(word: str) -> str:
    """Return a word as it must stand on the line: quoted unless it is read back as it is."""
    plain = all(letter.isalnum() or letter in "@%+=:,./_-()" for letter in word) and word.isascii()
    depths = [0, *accumulate((letter == "(") - (letter == ")") for letter in word)]
    balanced = min(depths) == depths[-1] == 0
    return word if word and plain and balanced else shlex.quote(word)
