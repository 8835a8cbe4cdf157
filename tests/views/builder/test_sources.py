"""A look at scripts and notebooks finds what they can be given, and runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebook.books import write_notebook
from workbench import MLClient, command
from workbench.errors import NotFoundError, ValidationException
from workbench.sweep import LogUniform
from workbench.views.builder.sources import from_source

ARGPARSE = """
import argparse, mlflow
raise SystemExit("must not run")
parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", "-l", type=float, default=1, help="step size")
parser.add_argument("-n", type=int, default=-3)
parser.add_argument("--data-dir", type=Path, required=True)
parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--resume")
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
    rate: float = 0.1,
    layers: Annotated[int, typer.Option("--n-layers", help="depth")] = 2,
    name: str = typer.Option("net", help="a name"),
    fast: bool = False,
    note: str | None = None,
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
@click.option("--count", required=True, type=int)
def main(rate, shout, count): ...
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
                "--optimizer ${{inputs.optimizer}} ${{inputs.size}}"
            ),
            {
                "learning_rate": 1.0,
                "n": -3,
                "data_dir": {"type": "uri_folder"},
                "optimizer": "adam",
                "size": {"type": "integer"},
            },
            ["accuracy", "loss", "f1"],
        ),
        (
            TYPER,
            "--rate ${{inputs.rate}} --n-layers ${{inputs.layers}} --name ${{inputs.name}} ${{inputs.path}}",
            {"rate": 0.1, "layers": 2, "name": "net", "path": {"type": "string"}},
            ["score"],
        ),
        (
            CLICK,
            "--rate ${{inputs.rate}} --count ${{inputs.count}}",
            {"rate": 0.1, "count": {"type": "integer"}},
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


def test_a_notebooks_parameters_are_found(tmp_path: Path, shared_client: MLClient) -> None:
    path = write_notebook(
        tmp_path / "t.ipynb",
        "import workbench\nworkbench.log(score=rate)",
        parameters="rate = 0.1  # step size\nepochs: int = 3\nlayers = [1]\nneeded: float = ...",
    )
    found = from_source(path, shared_client)
    assert found.draft.fields["inputs"] == {"rate": 0.1, "epochs": 3, "needed": {"type": "number"}}
    assert (list(found.metrics), list(found.whole)) == (["score"], ["epochs"])
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
