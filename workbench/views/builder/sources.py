"""What a form begins with: a look at a script, a notebook, YAML or an earlier job, without running any of it."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from workbench.client.ml_client import MLClient
from workbench.definition.job import Job
from workbench.errors import NotFoundError, ValidationException
from workbench.notebooks.parameters import read_parameters
from workbench.views.builder.form import Draft
from workbench.views.builder.values import value_of

__all__ = ["Found", "Option", "from_notebook", "from_script", "from_source", "options_in"]

_TYPES: Mapping[str, str] = {
    "int": "integer",
    "intrange": "integer",
    "float": "number",
    "floatrange": "number",
    "str": "string",
    "bool": "boolean",
    "path": "path",
}
_FLAGS = ("store_true", "store_false", "count", "append_const", "store_const", "BooleanOptionalAction")
_TELLING = ("help", "version")
_NO_VALUE = "..."
_METRIC_CALLS = ("log_metric", "log_metrics", "log")
_SUFFIXES = (".py", ".ipynb", ".yml", ".yaml")


@dataclass(frozen=True)
class Option:
    """One option of a script.

    Args:
        name: as an input of a job.
        flag: as written on the command line; empty for a positional argument.
        type: integer, number, string, boolean or path; or flag for one that takes no value.
        default: the literal default, or None.
        help: what the script says of it.
        choices: the values it takes, if they are listed.
        is_required: whether the script does not run without it.
    """

    name: str
    flag: str
    type: str = "string"
    default: Any = None
    help: str = ""
    choices: Sequence[Any] = ()
    is_required: bool = False

    @property
    def words(self) -> str:
        """What stands for it in a command: nothing, where it may be left out and has no value."""
        if self.type == "flag":
            return f"$(test ${{{{inputs.{self.name}}}}} = True && printf %s {self.flag})"
        given = f"{self.flag} ${{{{inputs.{self.name}}}}}".strip()
        return given if self.is_required or self.default is not None else f"$[[{given}]]"


@dataclass(frozen=True)
class Found:
    """What a look at a source has found.

    Args:
        draft: the job that it describes.
        metrics: names of metrics that it logs.
        helps: what is known of its parameters, by name.
        whole: names of the parameters that take whole numbers only.
        choices: the values that a parameter takes, by name, where they are listed.
        flags: options that take no value; the command gives none of them.
    """

    draft: Draft
    metrics: Sequence[str] = ()
    helps: Mapping[str, str] = field(default_factory=dict)
    whole: Collection[str] = ()
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    flags: Sequence[Option] = ()


def from_source(source: Any, client: MLClient) -> Found:
    """Return what ``source`` describes.

    Args:
        source: a job, a job's name, the path of a ``.py``, ``.ipynb``, ``.yml`` file, YAML, or None for nothing.
        client: where jobs are looked up.

    Raises:
        ValidationException: the source cannot be read.
        NotFoundError: there is no such file and no such job.
    """
    if source is None or source == "":
        return Found(Draft())
    if isinstance(source, Draft):
        return Found(source)
    if isinstance(source, Job):
        return _of_job(source, client)
    text = str(source)
    if "\n" in text.strip():
        return Found(Draft.from_yaml(text))
    path = Path(text).expanduser()
    if path.suffix in _SUFFIXES:
        return _of_file(path)
    try:
        return _of_job(client.jobs.get(text), client)
    except NotFoundError as error:
        raise NotFoundError(
            f"{text!r} is no file with the ending {', '.join(_SUFFIXES)}, and no job", "builder", error.fix
        ) from None


def from_script(path: Path) -> Found:
    """Return the command job that runs a Python script with all its options.

    Raises:
        ValidationException: the file cannot be read, or is no Python.
    """
    text = _read(path)
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValidationException(f"is no Python: {error.msg}", f"{path}, line {error.lineno}", "Mend it") from None
    found = options_in(tree)
    options = [option for option in found if option.type != "flag"]
    words = [option.words for option in options]
    folder = path.parent.as_posix()
    fields = {
        "code": folder if folder.startswith((".", "/")) else f"./{folder}",
        "command": " ".join(["python", shlex.quote(path.name), *words]),
        "inputs": {option.name: _value(option) for option in options},
    }
    helps = {option.name: option.help for option in options if option.help}
    return Found(
        Draft(fields).tidy(),
        tuple(dict.fromkeys(_metrics(tree))),
        helps,
        whole=[option.name for option in options if option.type == "integer"],
        choices={option.name: option.choices for option in options if option.choices},
        flags=[option for option in found if option.type == "flag"],
    )


def from_notebook(path: Path) -> Found:
    """Return the notebook job that runs a notebook with its parameters.

    Raises:
        ValidationException: it is no notebook.
        NotFoundError: there is no such file.
    """
    parameters = read_parameters(path)
    inputs: dict[str, Any] = {}
    for name, parameter in (parameters.known or {}).items():
        try:
            value = value_of(ast.parse(parameter.default or "", mode="eval").body)
        except (ValidationException, SyntaxError):
            value = {"type": _literal_type(parameter.type)} if parameter.is_required else ...
        if value is None:
            value = {"type": _literal_type(parameter.type), "optional": True}
        if isinstance(value, str | int | float | dict):
            inputs[name] = value
    helps = {name: parameter.help for name, parameter in (parameters.known or {}).items() if parameter.help}
    book = json.loads(path.read_text(encoding="utf-8"))
    metrics = [metric for cell in book["cells"] if cell.get("cell_type") == "code" for metric in _metrics_of(cell)]
    draft = Draft({"notebook": str(path), "inputs": inputs}).tidy()
    whole = [name for name, parameter in (parameters.known or {}).items() if parameter.type == "int"]
    return Found(draft, tuple(dict.fromkeys(metrics)), helps, whole)


def options_in(tree: ast.AST) -> list[Option]:
    """Return the options that a script takes: argparse's, click's and typer's, else plain ``--flags``."""
    found = [*_of_argparse(tree), *_of_click(tree), *_of_typer(tree)] or list(_of_plain(tree))
    return list({option.name: option for option in found}.values())


def _of_job(job: Any, client: MLClient) -> Found:
    metrics = client.context.store.metric_keys(job.name) if job.status is not None else []
    return Found(Draft.from_job(job), tuple(metrics))


def _of_file(path: Path) -> Found:
    if path.suffix == ".py":
        return from_script(path)
    if path.suffix == ".ipynb":
        return from_notebook(path)
    from workbench.definition.yaml_io import load_job  # noqa: PLC0415 - only here

    return Found(Draft.from_job(load_job(path)))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no file {str(path)!r}", "builder", f"The current folder is {Path.cwd()}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationException(f"cannot be read: {error}", str(path), "Give the path of a script") from None


def _value(option: Option) -> Any:
    if option.default is not None:
        return option.default
    if not option.is_required:
        return {"type": option.type.replace("path", "string"), "optional": True}
    is_folder = any(word in option.name.lower() for word in ("folder", "dir"))
    return {"type": ("uri_folder" if is_folder else "uri_file") if option.type == "path" else option.type}


def _calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Yield the calls of anything of these names, in the order of the text."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) in names]
    yield from sorted(found, key=lambda call: (call.lineno, call.col_offset))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _plain(node: ast.expr | None) -> Any:
    if node is None:
        return None
    try:
        return value_of(node)
    except ValidationException:
        return _NO_VALUE if isinstance(node, ast.Constant) else None


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {entry.arg: entry.value for entry in call.keywords if entry.arg}


def _of_argparse(tree: ast.AST) -> Iterator[Option]:
    for call in _calls(tree, "add_argument"):
        names = [value for argument in call.args if isinstance(value := _plain(argument), str)]
        given = _keywords(call)
        action = _plain(given.get("action")) or _name(given.get("action", ast.Constant(value="")))
        many = _plain(given.get("nargs"))
        if not names or action in _TELLING or isinstance(many, int):
            continue  # one value cannot be several
        option = _described(names, given)
        if action in _FLAGS:
            other = f"--no-{option.flag.removeprefix('--')}"
            is_on = action == "BooleanOptionalAction" and _plain(given.get("default")) is True
            yield replace(option, type="flag", flag=other if is_on else option.flag)
            continue
        is_positional = not names[0].startswith("-") and many not in ("?", "*")
        yield replace(option, is_required=is_positional or _plain(given.get("required")) is True)


def _of_click(tree: ast.AST) -> Iterator[Option]:
    for call in _calls(tree, "option"):
        names = [value for argument in call.args if isinstance(value := _plain(argument), str)]
        given = _keywords(call)
        flags = [name for name in names if name.startswith("-")]
        if not flags:
            continue
        option = _described(flags, given)
        named = next((name for name in names if name.isidentifier()), option.name)
        on, slash, off = option.flag.partition("/")
        if slash or _plain(given.get("is_flag")) is True or _plain(given.get("count")) is True:
            flag = off.strip() if slash and _plain(given.get("default")) is True else on.strip()
            name = _identifier(on.strip()) if named == option.name else named
            yield replace(option, name=name, type="flag", flag=flag)
        else:
            yield replace(option, name=named, is_required=_plain(given.get("required")) is True)


def _of_typer(tree: ast.AST) -> Iterator[Option]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or not _is_command(function, tree):
            continue
        arguments = function.args.args
        defaults = [None] * (len(arguments) - len(function.args.defaults)) + list(function.args.defaults)
        pairs = [
            *zip(arguments, defaults, strict=True),
            *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
        ]
        for argument, default in pairs:
            option = _of_argument(argument, default)
            if option is not None:
                yield option


def _is_command(function: ast.FunctionDef, tree: ast.AST) -> bool:
    """Return whether typer makes a command of a function: by decorator, or by ``typer.run``."""
    decorated = any(
        _name(node.func if isinstance(node, ast.Call) else node) == "command" for node in function.decorator_list
    )
    clicked = any(
        isinstance(node, ast.Call) and _name(node.func) in ("option", "argument") for node in function.decorator_list
    )
    run = any(call.args and _name(call.args[0]) == function.name for call in _calls(tree, "run"))
    return (decorated and not clicked) or run


def _of_argument(argument: ast.arg, default: ast.expr | None) -> Option | None:
    declared, annotation = default, argument.annotation
    if isinstance(annotation, ast.Subscript) and _name(annotation.value) == "Annotated":
        parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        annotation = parts[0]
        declared = next((part for part in parts[1:] if isinstance(part, ast.Call)), default)
    kind, choices = _declared(annotation)
    flag, text, flags = f"--{argument.arg.replace('_', '-')}", "", []
    if isinstance(declared, ast.Call) and _name(declared.func) in ("Option", "Argument"):
        given = _keywords(declared)
        flags = [name for part in declared.args if isinstance(name := _plain(part), str) and name.startswith("--")]
        flag = flags[0] if flags else flag
        text = str(_plain(given.get("help")) or "")
        if declared is default:
            default = declared.args[0] if declared.args else given.get("default")
        flag = "" if _name(declared.func) == "Argument" else flag
    elif default is None:
        flag = ""  # without a default it is positional
    if _name(annotation or ast.Constant(value="")) == "Context":
        return None
    is_required = default is None or (isinstance(default, ast.Constant) and default.value is ...)
    value = None if is_required else _plain(default)
    if kind == "boolean" and flag:
        on, _, off = flag.partition("/")
        off = off if flags else f"--no-{on.removeprefix('--')}"
        return Option(argument.arg, off if value is True and off else on, "flag", help=text)
    plain = value if isinstance(value, str | int | float) else None
    return Option(argument.arg, flag, kind, plain, text, choices, is_required)


def _declared(annotation: ast.expr | None) -> tuple[str, Sequence[Any]]:
    """Return what an annotation says: the type, and the values if they are listed; None is no type of its own."""
    if isinstance(annotation, ast.BinOp):
        sides = (annotation.left, annotation.right)
        return _declared(next((side for side in sides if not isinstance(side, ast.Constant)), None))
    if isinstance(annotation, ast.Subscript) and _name(annotation.value) == "Optional":
        return _declared(annotation.slice)
    if isinstance(annotation, ast.Subscript) and _name(annotation.value) == "Literal":
        listed = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return "string", [_plain(entry) for entry in listed]
    return _TYPES.get(_name(annotation).lower() if annotation is not None else "str", "string"), ()


def _of_plain(tree: ast.AST) -> Iterator[Option]:
    """Yield what looks like an option in a script that reads ``sys.argv`` itself."""
    if not any(isinstance(node, ast.Attribute) and node.attr == "argv" for node in ast.walk(tree)):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            flag = node.value.rstrip("=")
            if flag.startswith("--") and _identifier(flag).isidentifier():
                yield Option(_identifier(flag), flag, is_required=True)


def _described(names: Sequence[str], given: Mapping[str, ast.expr]) -> Option:
    long = next((name for name in names if name.startswith("--")), names[0])
    default = _plain(given.get("default"))
    declared = given.get("type")
    is_choice = isinstance(declared, ast.Call) and _name(declared.func) == "Choice"
    listed = declared.args[0] if isinstance(declared, ast.Call) and is_choice and declared.args else None
    choices = _plain(given.get("choices", listed))
    kind = ""
    if declared is not None and not is_choice:
        kind = _TYPES.get(_name(declared.func if isinstance(declared, ast.Call) else declared).lower(), "")
    if not kind:
        kind = {bool: "boolean", int: "integer", float: "number"}.get(type(default), "string")
    if kind == "number" and isinstance(default, int):
        default = float(default)
    name = _plain(given.get("dest")) or _identifier(long)
    return Option(
        name=str(name),
        flag=long if long.startswith("-") else "",
        type=kind,
        default=default if isinstance(default, str | int | float) else None,
        help=str(_plain(given.get("help")) or ""),
        choices=choices if isinstance(choices, list) else (),
    )


def _literal_type(name: str | None) -> str:
    return _TYPES.get((name or "str").lower(), "string").replace("path", "string")


def _identifier(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _metrics_of(cell: Mapping[str, Any]) -> Iterator[str]:
    source = cell.get("source", "")
    try:
        yield from _metrics(ast.parse(source if isinstance(source, str) else "".join(source)))
    except SyntaxError:
        return  # a cell that only IPython understands


def _metrics(tree: ast.AST) -> Iterator[str]:
    """Yield the names of metrics that code logs with MLflow or ``workbench.log``."""
    for call in _calls(tree, *_METRIC_CALLS):
        called = _name(call.func)
        if (
            called == "log"
            and isinstance(call.func, ast.Attribute)
            and _name(call.func.value) not in ("workbench", "wb")
        ):
            continue
        if called == "log":
            yield from (name for name in _keywords(call) if name != "step")
        elif call.args:
            named = _plain(call.args[0])
            yield from [named] if isinstance(named, str) and called == "log_metric" else []
            yield from named if isinstance(named, dict) else _keys(call.args[0])


def _keys(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Dict):
        yield from (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
