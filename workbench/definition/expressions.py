r"""The ``${{…}}`` expressions of a command line, turned into shell text that holds no values.

Each reference becomes the expansion of an environment variable, quoted for the place it stands in, so that
the shell can neither run nor split a value::

    python a.py --lr ${{inputs.lr}} "x=${{inputs.x}}" 'y=${{inputs.y}}'
    python a.py --lr "${AZUREML_PARAMETER_lr}" "x=${AZUREML_PARAMETER_x}" 'y='"${AZUREML_PARAMETER_y}"''

A command that hands a reference to another interpreter (``eval``, ``sh -c "… ${{inputs.x}}"``) asks for its
value to be read as code there; nothing in front of that interpreter can prevent it.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import ValidationException

__all__ = [
    "Reference",
    "as_text",
    "modernized",
    "references",
    "swept_command",
    "to_shell",
    "variable",
    "variables",
    "with_given",
]

_REFERENCE = re.compile(r"\$\{\{\s*(inputs|outputs|search_space)\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_OLD = re.compile(r"(?<![${])\{(inputs|outputs|search_space)\.([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_HEREDOC = re.compile(r"<<(-?)[ \t]*(\\?)(['\"]?)([A-Za-z0-9_.!-]+)\3")
_CASE = re.compile(r"\bcase\s+\S+\s+in\b")
_SPECIAL = re.compile(r"\$\{\{|\\|'|\"|`|\$\(\(|\$\(|\$'|[()#\n]|<<<|<<")


@dataclass(frozen=True)
class Reference:
    """One name that a command refers to.

    Args:
        kind: ``inputs``, ``outputs`` or ``search_space``.
        name: the name behind the dot.
        optional: True inside ``$[[ … ]]``.
    """

    kind: str
    name: str
    optional: bool = False

    def __str__(self) -> str:
        return f"${{{{{self.kind}.{self.name}}}}}"


def references(command: str) -> frozenset[Reference]:
    """Return all that a command refers to.

    Raises:
        ValidationException: an expression that is not of a known form.
    """
    command = modernized(command)
    optional = {
        Reference(kind, name, optional=True)
        for fragment in _OPTIONAL.findall(command)
        for kind, name in _found(fragment)
    }
    needed = {Reference(kind, name) for kind, name in _found(_OPTIONAL.sub(" ", command))}
    return frozenset(optional | needed)


def modernized(command: str) -> str:
    """Return the command with the old spelling ``{inputs.x}`` replaced, warning about it."""
    changed = _OLD.sub(r"${{\1.\2}}", command)
    if changed != command:
        warnings.warn(
            "{inputs.x} is an old spelling; write ${{inputs.x}} in the command", DeprecationWarning, stacklevel=3
        )
    return changed


def swept_command(command: str, names: Collection[str]) -> str:
    """Return the command with ``${{inputs.k}}`` replaced by ``${{search_space.k}}`` for the swept names."""

    def renamed(match: re.Match[str]) -> str:
        kind, name = match.groups()
        return f"${{{{search_space.{name}}}}}" if kind == "inputs" and name in names else match[0]

    return _REFERENCE.sub(renamed, modernized(command))


def variable(kind: str, name: str, *, data: bool = False) -> str:
    """Return the environment variable that carries a reference's value.

    Args:
        kind: ``inputs``, ``outputs`` or ``search_space``.
        name: the name behind the dot.
        data: True for an input that is a path rather than a literal.
    """
    if kind == "inputs":
        return f"AZURE_ML_INPUT_{name}" if data else f"AZUREML_PARAMETER_{name}"
    return f"AZURE_ML_OUTPUT_{name}" if kind == "outputs" else f"AZUREML_SWEEP_{name}"


def as_text(value: Any) -> str:
    """Return a literal as the process sees it: ``str(value)`` as in Azure, and JSON for nested parameters."""
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def variables(
    *,
    literals: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    search_space: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the environment variables for the values of a trial.

    Args:
        literals: values of literal inputs; those of None are left out.
        data: paths of data inputs.
        outputs: paths of outputs.
        search_space: values of swept parameters; a script may read them as ``AZUREML_PARAMETER_x`` too.
    """
    swept, given = search_space or {}, {**(search_space or {}), **(literals or {})}
    return {
        **{variable("inputs", name): as_text(value) for name, value in given.items() if value is not None},
        **{variable("search_space", name): as_text(value) for name, value in swept.items()},
        **{variable("inputs", name, data=True): str(path) for name, path in (data or {}).items()},
        **{variable("outputs", name): str(path) for name, path in (outputs or {}).items()},
    }


def to_shell(
    command: str,
    *,
    literals: Collection[str] = (),
    data: Collection[str] = (),
    outputs: Collection[str] = (),
    search_space: Collection[str] = (),
) -> str:
    """Return POSIX shell text in which each reference is a quoted variable and no value appears.

    Args:
        command: the command with its expressions.
        literals: names of the literal inputs that have a value.
        data: names of the data inputs that have a path.
        outputs: names of the outputs.
        search_space: names of the swept parameters.

    Raises:
        ValidationException: a reference without a value outside an optional fragment, or in a place where
            no quoting makes it safe.
    """
    given = {
        **{("inputs", name): variable("inputs", name) for name in literals},
        **{("inputs", name): variable("inputs", name, data=True) for name in data},
        **{("outputs", name): variable("outputs", name) for name in outputs},
        **{("search_space", name): variable("search_space", name) for name in search_space},
    }

    return _Scanner(with_given(command, given), given).shell()


def with_given(command: str, given: Collection[tuple[str, str]]) -> str:
    """Return the command without its ``$[[ … ]]``: what they hold stays where all that it refers to has a value.

    Args:
        command: the command with its expressions.
        given: kinds and names of what has a value, as in ``("inputs", "lr")``.
    """

    def kept(match: re.Match[str]) -> str:
        return match[1] if all(found in given for found in _found(match[1])) else ""

    return _OPTIONAL.sub(kept, modernized(command))


def _found(text: str) -> Iterator[tuple[str, str]]:
    start = 0
    while (start := text.find("${{", start)) >= 0:
        match = _matched(text, start)
        yield match[1], match[2]
        start = match.end()


def _matched(text: str, start: int) -> re.Match[str]:
    match = _REFERENCE.match(text, start)
    if match is None:
        end = text.find("}}", start)
        shown = text[start : end + 2 if 0 <= end < start + 60 else start + 30]
        raise ValidationException(
            f"'{shown}' is not an expression", "command", "Write ${{inputs.x}}, ${{outputs.x}} or ${{search_space.x}}"
        )
    return match


_PLAIN, _SINGLE, _DOUBLE, _BACKTICK, _SUBSTITUTION, _PAREN, _ARITHMETIC = (
    "plain text",
    "single quotes",
    "double quotes",
    "backticks",
    "$(…)",
    "(…)",
    "$((…))",
)
_CLOSED_BY = {_PLAIN: "", _PAREN: ")", _SUBSTITUTION: ")", _BACKTICK: "`", _DOUBLE: '"', _ARITHMETIC: ")"}


class _Scanner:
    """Reads shell text once, keeping the nesting of quotes, and writes it again with variables."""

    def __init__(self, text: str, given: Mapping[tuple[str, str], str]) -> None:
        self.text, self.given = text, given
        self.position = 0
        self.written: list[str] = []
        self.inside = [_PLAIN]
        self.heredocs: list[tuple[str, bool, bool]] = []

    def shell(self) -> str:
        while self.position < len(self.text):
            if self.inside[-1] == _SINGLE:
                self._single_quoted()
                continue
            match = _SPECIAL.search(self.text, self.position)
            if match is None:
                self._copy(len(self.text))
                break
            self._copy(match.start())
            self._special(match[0])
        return "".join(self.written)

    def _copy(self, end: int) -> None:
        self.written.append(self.text[self.position : end])
        self.position = end

    def _special(self, mark: str) -> None:
        if mark == "${{":
            self._reference()
        elif mark == "\\":
            self._backslash()
        elif mark in ("'", "$'", "#", "\n", "<<", "<<<"):
            self._outside_double_quotes(mark)
        else:
            self._nesting(mark)

    def _nesting(self, mark: str) -> None:
        inside = self.inside[-1]
        if mark == _CLOSED_BY[inside]:
            self.inside.pop()
        elif mark == "$(" and _DOUBLE in self.inside and _CASE.search(self.text, self.position):
            # The lone ")" of a case pattern would be taken for the end of the substitution.
            raise ValidationException(
                'a case statement inside "$(…)" cannot be followed', "command", "Move it into a script of its own"
            )
        elif mark == "$((":
            self.inside += [_ARITHMETIC, _ARITHMETIC]
        elif mark == "(":
            if inside == _ARITHMETIC:
                self.inside.append(_ARITHMETIC)
            elif inside != _DOUBLE:
                self.inside.append(_PAREN)
        elif mark != ")":
            self.inside.append({"$(": _SUBSTITUTION, "`": _BACKTICK, '"': _DOUBLE}[mark])
        self._copy(self.position + len(mark))

    def _outside_double_quotes(self, mark: str) -> None:
        if self.inside[-1] in (_DOUBLE, _ARITHMETIC):
            self._copy(self.position + len(mark))
        elif mark == "'":
            self.inside.append(_SINGLE)
            self._copy(self.position + 1)
        elif mark == "$'":
            self._dollar_quote()
        elif mark == "#":
            self._comment()
        elif mark == "<<":
            self._heredoc_begins()
        else:
            self._copy(self.position + len(mark))
            if mark == "\n":
                self._heredoc_bodies()

    def _single_quoted(self) -> None:
        quote = self.text.find("'", self.position)
        end = quote if quote >= 0 else len(self.text)
        while self.position < end:
            start = self.text.find("${{", self.position, end)
            if start < 0:
                self._copy(end)
            else:
                self._copy(start)
                self._reference()
        if quote >= 0:
            self.inside.pop()
            self._copy(quote + 1)

    def _reference(self, *, in_heredoc: bool = False) -> None:
        match = _matched(self.text, self.position)
        found = (match[1], match[2])
        if found not in self.given:
            raise ValidationException(
                f"'{match[0]}' has no value",
                "command",
                f"Add {match[2]} to {match[1]}, or put the text around it into $[[ … ]] to make it optional",
            )
        expansion = f"${{{self.given[found]}}}"
        inside = self.inside[-1]
        before = self.text[self.position - 1 : self.position]
        if inside == _ARITHMETIC:
            raise self._unsafe(match[0], inside, "Assign it to a variable first, or compute it in the program")
        if inside != _SINGLE and before == "$":
            raise self._unsafe(match[0], "text behind a '$'", "Put a space or quotes in between")
        if in_heredoc or inside == _DOUBLE:
            self.written.append(expansion)
        elif inside == _SINGLE:
            self.written.append(f"'\"{expansion}\"'")
        else:
            self.written.append(f'"{expansion}"')
        self.position = match.end()

    def _backslash(self) -> None:
        if self.text.startswith("${{", self.position + 1):
            match = _matched(self.text, self.position + 1)
            raise self._unsafe(match[0], "text behind a backslash", "Remove the backslash")
        self._copy(min(self.position + 2, len(self.text)))

    def _comment(self) -> None:
        begins_word = self.position == 0 or self.text[self.position - 1] in " \t\n;&|()`"
        line_end = self.text.find("\n", self.position)
        if begins_word:
            self._copy(line_end if line_end >= 0 else len(self.text))
        else:
            self._copy(self.position + 1)

    def _dollar_quote(self) -> None:
        # bash reads $'it\'s' as one string, plain sh as two: the state behind it would be a guess.
        end = self.text.find("'", self.position + 2)
        content = self.text[self.position + 2 : end if end >= 0 else len(self.text)]
        if "\\" in content or "${{" in content:
            raise ValidationException(
                "shells do not agree on $'…' with a backslash or an expression", "command", "Use '…' or \"…\" instead"
            )
        self._copy(self.position + 2 + len(content) + (end >= 0))

    def _heredoc_begins(self) -> None:
        match = _HEREDOC.match(self.text, self.position)
        if match is None:
            self._copy(self.position + 2)
            return
        quoted = bool(match[2] or match[3])
        self.heredocs.append((match[4], bool(match[1]), quoted))
        self._copy(match.end())

    def _heredoc_bodies(self) -> None:
        for word, tabs, quoted in self.heredocs:
            while self.position < len(self.text):
                newline = self.text.find("\n", self.position)
                end = newline + 1 if newline >= 0 else len(self.text)
                line = self.text[self.position : end].rstrip("\n")
                if (line.lstrip("\t") if tabs else line) == word:
                    self._copy(end)
                    break
                self._heredoc_line(end, quoted=quoted)
            else:
                raise ValidationException(
                    f"the here-document '{word}' has no end", "command", f"Add a line that holds only {word}"
                )
        self.heredocs.clear()

    def _heredoc_line(self, end: int, *, quoted: bool) -> None:
        while (start := self.text.find("${{", self.position, end)) >= 0:
            match = _matched(self.text, start)
            if quoted:
                raise self._unsafe(
                    match[0], "a here-document with a quoted end word", "Remove the quotes around the word"
                )
            if self.text[start - 1 : start] == "\\":
                raise self._unsafe(match[0], "text behind a backslash", "Remove the backslash")
            self._copy(start)
            self._reference(in_heredoc=True)
        self._copy(end)

    def _unsafe(self, shown: str, place: str, fix: str) -> ValidationException:
        return ValidationException(f"'{shown}' cannot stand in {place}", "command", fix)
