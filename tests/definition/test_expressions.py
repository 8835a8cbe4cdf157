from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.definition.expressions import Reference, as_text, references, swept_command, to_shell, variables
from workbench.errors import ValidationException

NASTY = [
    "",
    " ",
    "$(touch owned)",
    "`touch owned`",
    "; touch owned",
    "a\ntouch owned\n",
    "'; touch owned; '",
    '"; touch owned; "',
    "*",
    "~",
    "a  b",
    "\\",
    "-n",
    "$HOME ${HOME}",
    'it\'s "quoted"',
    "a[$(touch owned)]",
]
# Each prints its arguments one to a line, with an end mark, so that a split or a glob shows.
TEMPLATES = [
    "show ${{inputs.x}}",
    'show "${{inputs.x}}"',
    "show '${{inputs.x}}'",
    'show "it\'s ${{inputs.x}}"',
    "show 'say \"${{inputs.x}}\"'",
    "show --x=${{inputs.x}}/end",
    'show "$(show ${{inputs.x}})"',
    'show "`show ${{inputs.x}}`"',
    "show $(show a) ${{inputs.x}} # it's ${{inputs.x}}\nshow ${{inputs.x}}",
    "(show \\' ${{inputs.x}}; show \\\" '${{inputs.x}}')",
    "cat <<END\nit's ${{inputs.x}}\nEND\nshow ${{inputs.x}}",
    'if true; then y=${{inputs.x}}; show "$y" ${{ inputs.x }}; fi',
    "show a\\\\ ${{inputs.x}}",
    'show "a \\" ${{inputs.x}}"',
    "show $((1 + (2 * 3))) ${{inputs.x}} $( (show b) )",
]


def run(template: str, value: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = 'show() { for a in "$@"; do printf \'<%s>\\n\' "$a"; done; }\n' + to_shell(template, literals=["x"])
    assert value.strip() in ("", "*", "~", "\\", "-n") or value not in script
    environment = {**os.environ, **variables(literals={"x": value})}
    return subprocess.run(
        ["sh", "-c", script], env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("template", TEMPLATES)
def test_values_are_never_run_split_or_globbed(template: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for value in NASTY:
        result = run(template, value, tmp_path)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        if "$(" not in template and "`" not in template:
            assert f"{value}" in result.stdout
        plain = run(template, "PLAIN", tmp_path).stdout
        expected = plain.replace("PLAIN", value.rstrip("\n") if "$(" in template or "`" in template else value)
        assert result.stdout.rstrip("\n") == expected.rstrip("\n") or value.endswith("\n")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_any_text_arrives_as_one_argument(value: str, tmp_path: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", to_shell("printf '[%s]' ${{inputs.x}}", literals=["x"])],
        env={**os.environ, **variables(literals={"x": value})},
        capture_output=True,
        timeout=120,
        cwd=tmp_path,
        check=True,
    )
    assert result.stdout.decode() == f"[{value}]"


def test_quoting_follows_its_place() -> None:
    text = to_shell("a ${{inputs.x}} \"${{inputs.x}}\" '${{inputs.x}}'", literals=["x"])
    assert text == 'a "${AZUREML_PARAMETER_x}" "${AZUREML_PARAMETER_x}" \'\'"${AZUREML_PARAMETER_x}"\'\''


def test_each_kind_has_its_variable() -> None:
    text = to_shell(
        "${{inputs.a}} ${{inputs.d}} ${{outputs.o}} ${{ search_space.s }}",
        literals=["a"],
        data=["d"],
        outputs=["o"],
        search_space=["s"],
    )
    assert text == '"${AZUREML_PARAMETER_a}" "${AZURE_ML_INPUT_d}" "${AZURE_ML_OUTPUT_o}" "${AZUREML_SWEEP_s}"'
    assert variables(
        literals={"a": True, "n": None}, data={"d": "/d"}, outputs={"o": "/o"}, search_space={"s": 0.5}
    ) == {
        "AZUREML_PARAMETER_a": "True",
        "AZUREML_PARAMETER_s": "0.5",
        "AZUREML_SWEEP_s": "0.5",
        "AZURE_ML_INPUT_d": "/d",
        "AZURE_ML_OUTPUT_o": "/o",
    }


def test_optional_fragments_vanish_without_a_value() -> None:
    command = "run $[[--a ${{inputs.a}}]] $[[--b ${{inputs.a}} ${{inputs.b}}]] end"
    assert to_shell(command, literals=["a"]) == 'run --a "${AZUREML_PARAMETER_a}"  end'
    assert to_shell(command) == "run   end"
    assert references(command) == {Reference("inputs", "a", optional=True), Reference("inputs", "b", optional=True)}


def test_references_and_the_old_spelling() -> None:
    found = references("${{inputs.a}} ${{ outputs.b }} ${{search_space.c}} awk '{print $1}' ${x}")
    assert found == {Reference("inputs", "a"), Reference("outputs", "b"), Reference("search_space", "c")}
    with pytest.warns(DeprecationWarning, match=r"write \$\{\{inputs.x\}\}"):
        assert references("run {inputs.x}") == {Reference("inputs", "x")}
    with pytest.warns(DeprecationWarning, match="old spelling"):
        assert to_shell("run {inputs.x}", literals=["x"]) == 'run "${AZUREML_PARAMETER_x}"'


def test_swept_inputs_move_to_the_search_space() -> None:
    command = "${{inputs.a}} ${{ inputs.a }} ${{inputs.b}} $[[${{inputs.a}}]]"
    moved = "${{search_space.a}} ${{search_space.a}} ${{inputs.b}} $[[${{search_space.a}}]]"
    assert swept_command(command, {"a"}) == moved


def test_literals_as_text() -> None:
    assert [as_text(value) for value in (True, 2.5, 3, "x", {"a": 1})] == ["True", "2.5", "3", "x", '{"a": 1}']


@pytest.mark.parametrize(
    ("command", "what", "fix"),
    [
        ("a ${{inputs.y}}", r"has no value", "Add y to inputs"),
        ("a $((${{inputs.x}} + 1))", r"cannot stand in \$\(\(", "compute it in the program"),
        ("a \\${{inputs.x}}", "behind a backslash", "Remove the backslash"),
        ("a $${{inputs.x}}", r"behind a '\$'", "Put a space"),
        ("cat <<'E'\n${{inputs.x}}\nE\n", "here-document with a quoted end", "Remove the quotes"),
        ("echo $'it\\'s' ${{inputs.x}}", "shells do not agree", "instead"),
        ('a "$(case a in a) show ${{inputs.x}};; esac)"', "a case statement inside", "Move it into a script"),
        ("cat <<END\n${{inputs.x}}\n", "here-document 'END' has no end", "Add a line that holds only END"),
        ("a ${{inputs.x.y}}", "is not an expression", "Write"),
        ("a ${{parent.x}}", "is not an expression", "Write"),
    ],
)
def test_what_cannot_be_made_safe_is_refused(command: str, what: str, fix: str) -> None:
    with pytest.raises(ValidationException, match=rf"^command: .*{what}.*{fix}"):
        to_shell(command, literals=["x"])
