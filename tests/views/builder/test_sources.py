"""A look at scripts and notebooks finds what they can be given, and runs nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.notebook.books import write_notebook
from workbench import MLClient, command
from workbench.client.submission import prepare
from workbench.definition.expressions import to_shell, variables
from workbench.errors import NotFoundError, ValidationException
from workbench.sweep import LogUniform
from workbench.views.builder.sources import from_script, from_source

ARGPARSE = """
import argparse, mlflow
raise SystemExit("must not run")
parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", "-l", type=float, default=1, help="step size")
parser.add_argument("-n", type=int, default=-3)
parser.add_argument("--data-dir", type=Path, required=True)
parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--cache", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--resume")
parser.add_argument("--momentum", type=float, choices=[0.5, 0.9], default=None)
parser.add_argument("--betas", type=float, nargs=2)
parser.add_argument("--version", action="version")
group.add_argument("size", type=int)
mlflow.log_metric("accuracy", 1.0)
mlflow.log_metrics({"loss": 1.0, "f1": x})
logger.log("no metric")
"""
TYPER = """
import typer
from typing import Annotated
app = typer.Typer()
@app.command()
def train(
    kind: Annotated[Literal["a", "b"], typer.Option()],
    rate: float = 0.1,
    layers: Annotated[int, typer.Option("--n-layers", help="depth")] = 2,
    name: str = typer.Option("net", help="a name"),
    fast: bool = False,
    cache: Annotated[bool, typer.Option("--cache/--no-cache")] = True,
    seed: int | None = None,
    path: str = typer.Argument(...),
):
    import workbench
    workbench.log(step=1, score=rate)
def helper(x: int = 1): ...
"""
CLICK = """
import click
@click.command()
@click.option("--rate", default=0.1, type=float)
@click.option("--shout/--no-shout", default=False)
@click.option("--count", required=True, type=click.IntRange(1, 9))
@click.option("--solver", type=click.Choice(["lu", "qr"]))
@click.option("--quiet", is_flag=True)
def main(rate, shout, count, solver, quiet): ...
"""
PLAIN = """
import sys
rate = float(sys.argv[sys.argv.index("--rate") + 1])
"""


@pytest.mark.parametrize(
    ("script", "words", "inputs", "metrics"),
    [
        (
            ARGPARSE,
            (
                "--learning-rate ${{inputs.learning_rate}} -n ${{inputs.n}} --data-dir ${{inputs.data_dir}} "
                "--optimizer ${{inputs.optimizer}} $[[--resume ${{inputs.resume}}]] "
                "$[[--momentum ${{inputs.momentum}}]] ${{inputs.size}}"
            ),
            {
                "learning_rate": 1.0,
                "n": -3,
                "data_dir": {"type": "uri_folder"},
                "optimizer": "adam",
                "resume": {"type": "string", "optional": True},
                "momentum": {"type": "number", "optional": True},
                "size": {"type": "integer"},
            },
            ["accuracy", "loss", "f1"],
        ),
        (
            TYPER,
            (
                "--kind ${{inputs.kind}} --rate ${{inputs.rate}} --n-layers ${{inputs.layers}} "
                "--name ${{inputs.name}} $[[--seed ${{inputs.seed}}]] ${{inputs.path}}"
            ),
            {
                "kind": {"type": "string"},
                "rate": 0.1,
                "layers": 2,
                "name": "net",
                "seed": {"type": "integer", "optional": True},
                "path": {"type": "string"},
            },
            ["score"],
        ),
        (
            CLICK,
            "--rate ${{inputs.rate}} --count ${{inputs.count}} $[[--solver ${{inputs.solver}}]]",
            {"rate": 0.1, "count": {"type": "integer"}, "solver": {"type": "string", "optional": True}},
            [],
        ),
        (PLAIN, "--rate ${{inputs.rate}}", {"rate": {"type": "string"}}, []),
    ],
    ids=["argparse", "typer", "click", "plain"],
)
def test_a_scripts_options_are_found(
    script: str,
    words: str,
    inputs: dict[str, object],
    metrics: list[str],
    tmp_path: Path,
    shared_client: MLClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/my train.py").write_text(script)
    found = from_source("src/my train.py", shared_client)
    assert found.draft.fields == {"code": "./src", "command": f"python 'my train.py' {words}", "inputs": inputs}
    assert list(found.metrics) == metrics


@pytest.mark.parametrize(
    ("script", "choices", "flags"),
    [
        (ARGPARSE, {"optimizer": ["adam", "sgd"], "momentum": [0.5, 0.9]}, ["--verbose", "--no-cache"]),
        (TYPER, {"kind": ["a", "b"]}, ["--fast", "--no-cache"]),
        (CLICK, {"solver": ["lu", "qr"]}, ["--shout", "--quiet"]),
    ],
    ids=["argparse", "typer", "click"],
)
def test_values_that_are_listed_and_flags_are_found(
    script: str, choices: dict[str, object], flags: list[str], tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(script)
    found = from_script(tmp_path / "train.py")
    assert found.choices == choices
    assert [flag.flag for flag in found.flags] == flags


@pytest.mark.parametrize(
    ("given", "told"),
    [({}, []), ({"resume": "a b", "verbose": True}, ["--resume", "a b", "--verbose"]), ({"verbose": False}, [])],
)
def test_what_may_be_left_out_is_given_only_where_it_has_a_value(
    given: dict[str, object], told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "t.py").write_text("import argparse\n" + "\n".join(ARGPARSE.splitlines()[7:11]))
    found = from_script(tmp_path / "t.py")
    assert isinstance(found.draft.fields["command"], str)
    flag = found.flags[0].words if "verbose" in given else ""
    command = f"{found.draft.fields['command']} {flag}".replace("python", "printf '%s\\n'", 1)
    shell = to_shell(command, literals=["optimizer", *given])
    known = {"PATH": os.environ["PATH"], **variables(literals={"optimizer": "adam", **given})}
    printed = subprocess.check_output(["sh", "-c", shell], env=known, text=True)
    assert printed.splitlines() == ["t.py", "--optimizer", "adam", *told]


def test_a_script_with_options_that_are_left_out_still_starts_warm(
    tmp_path: Path, shared_client: MLClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.py").write_text('import argparse\np.add_argument("--lr", type=float)\np.add_argument("--n", type=int)\n')
    draft = from_script(Path("t.py")).draft.put("inputs.n", 3)
    record, _ = prepare(draft.to_job(), shared_client.context)
    assert record.launch["words"] == [["python"], ["t.py"], ["--n"], [{"variable": "AZUREML_PARAMETER_n"}]]


def test_a_notebooks_parameters_are_found(tmp_path: Path, shared_client: MLClient) -> None:
    path = write_notebook(
        tmp_path / "t.ipynb",
        "import workbench\nworkbench.log(score=rate)",
        parameters="rate = 0.1  # step size\nepochs: int = 3\nlayers = [1]\nneeded: float = ...\nseed: int = None",
    )
    found = from_source(path, shared_client)
    assert found.draft.fields["inputs"] == {
        "rate": 0.1,
        "epochs": 3,
        "needed": {"type": "number"},
        "seed": {"type": "integer", "optional": True},
    }
    assert (list(found.metrics), list(found.whole)) == (["score"], ["epochs", "seed"])
    assert found.helps == {"rate": "step size"}


def test_a_job_by_name_object_yaml_file_and_text_is_the_same_draft(tmp_path: Path, shared_client: MLClient) -> None:
    (tmp_path / "train.py").write_text("import sys; print(sys.argv)")
    job = command(code=str(tmp_path), command="python train.py ${{inputs.x}}", inputs={"x": 1}, tags={"a": "b"})
    sweep = job(x=LogUniform(-3, 0)).sweep(primary_metric="m", goal="maximize", max_total_trials=1)
    draft = from_source(sweep, shared_client).draft
    (tmp_path / "job.yml").write_text(draft.to_yaml())
    submitted = shared_client.jobs.create_or_update(sweep)
    for source in (draft.to_yaml(), tmp_path / "job.yml", submitted, submitted.name):
        assert from_source(source, shared_client).draft == draft


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("none.py", NotFoundError, "there is no file 'none.py'"),
        ("none.ipynb", NotFoundError, "there is no notebook 'none.ipynb'"),
        ("no_job", NotFoundError, "'no_job' is no file with the ending .py, .ipynb, .yml, .yaml, and no job"),
        ("bad.py", ValidationException, "bad.py, line 1: is no Python"),
        ("a: 1\n b: 2\n", ValidationException, "YAML, line 2"),
    ],
)
def test_what_cannot_be_read_says_so(
    source: str,
    kind: type[Exception],
    message: str,
    tmp_path: Path,
    shared_client: MLClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.py").write_text("def (")
    with pytest.raises(kind, match=message.replace("(", r"\(")):
        from_source(source, shared_client)
