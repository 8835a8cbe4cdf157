"""From a form to a registered model: every button, with a real supervisor behind it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.books import write_notebook
from tests.server.serving import HUB_TOKEN, TOKEN, Server, Space
from tests.supervisor.gates import Gate, until
from workbench import MLClient
from workbench.definition.status import JobStatus
from workbench.sweep import Uniform

# A model as any flavor of MLflow would save it, without the seconds that importing one takes.
_TRAIN = '''
import pathlib, sys, workbench
kind = sys.argv[1]
workbench.log(accuracy={"good": 0.9, "bad": 0.1}[kind])
if kind == "good":
    model = pathlib.Path("outputs/model")
    (model / "code").mkdir(parents=True)
    (model / "code" / "loads_the_model.py").write_text("""
class Model:
    def predict(self, rows):
        return [1 for _ in rows]
def _load_pyfunc(path):
    return Model()
""")
    (model / "MLmodel").write_text("""
flavors:
  python_function:
    loader_module: loads_the_model
    code: code
    python_version: 3.11.0
model_uuid: 0123456789abcdef0123456789abcdef
utc_time_created: '2026-01-01 00:00:00.000000'
""")
'''

_SWEEP = """
type: sweep
trial:
  code: ./code
  command: python train.py ${{search_space.kind}}
search_space:
  kind: {type: choice, values: [good, bad]}
objective: {goal: maximize, primary_metric: accuracy}
sampling_algorithm: grid
limits: {max_concurrent_trials: 2}
"""


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open(100)
    gate.close()


def ended(space: Space, client: MLClient, name: str) -> dict[str, Any]:
    until(client, lambda: client.jobs.record(name).status.is_finished, lambda: space.get(f"jobs/{name}"))
    found: dict[str, Any] = space.get(f"jobs/{name}")
    return found


def running(client: MLClient, name: str, count: int) -> None:
    def done() -> bool:
        trials = client.context.store.children(name)
        return sum(trial.status is JobStatus.RUNNING for trial in trials) == count

    until(client, done, lambda: client.context.store.children(name))


def sweep_of(gate: Gate, client: MLClient, trials: int, side_by_side: int) -> str:
    sweep = gate.job()(x=Uniform(0, 1)).sweep(
        primary_metric="score", goal="maximize", max_total_trials=trials, max_concurrent_trials=side_by_side
    )
    name = client.jobs.create_or_update(sweep).name
    assert name is not None
    running(client, name, side_by_side)
    return name


# Submitting


def test_a_job_as_yaml_runs_where_its_folder_is(space: Space, client: MLClient) -> None:
    (space.path / "project" / "code").mkdir(parents=True)
    (space.path / "project" / "code" / "hello.txt").write_text("hello from the code")
    text = "type: command\ncode: ./code\ncommand: cat hello.txt; env > outputs/env.txt\n"
    folder = f"{space.folder}/project"
    checked = space.post("jobs", {"yaml": text, "folder": folder}, 200, check="true")
    assert (checked["name"], checked["summary"]) == (None, None)
    assert space.get("jobs")["total"] == 0
    made = space.post("jobs", {"yaml": text, "folder": folder}, 201)
    assert (made["summary"]["type"], made["summary"]["experiment"]) == ("command", "project")
    done = ended(space, client, made["name"])
    assert done["status"] == "Completed"
    assert space.ask(f"jobs/{made['name']}/log").body.strip() == b"hello from the code"
    environment = space.ask(f"jobs/{made['name']}/artifacts/outputs/env.txt").body.decode()
    assert "PATH=" in environment
    assert TOKEN not in environment
    assert HUB_TOKEN not in environment
    launch = client.jobs.record(made["name"]).launch
    assert launch["folder"] == str(space.path / "project")


def test_a_job_as_yaml_beside_the_workspace_is_meant_from_there(server: Server, space: Space) -> None:
    (server.root / "beside").mkdir()
    space.path.mkdir(exist_ok=True)
    text = "type: command\ncode: ./beside\ncommand: 'true'\n"
    assert space.post("jobs", {"yaml": text, "folder": ""}, 200, check="true")["problems"] == []
    (problem,) = space.post("jobs", {"yaml": text}, 200, check="true")["problems"]
    assert str(space.path / "beside") in problem["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"yaml": "type: command\n"}, "command"),
        ({"yaml": "type: ["}, "line 1"),
        ({"yaml": "type: command\ncommand: id\ncode: ./nowhere\n"}, "code"),
        ({"yaml": "type: command\ncommand: id\nresources: {cpus: 5000}\n"}, "resources"),
        ({"notebook": {"path": "test_acting/nowhere.ipynb"}}, "notebook.path"),
        ({"notebook": {}}, "notebook.path"),
        ({"notebook": {"path": "test_acting/book.ipynb", "inputs": {"z": 1}}}, "notebook.inputs.z"),
        ({"notebook": {"path": "test_acting/book.ipynb", "inputs": {"x": "no number"}}}, "notebook.inputs.x"),
        (
            {
                "notebook": {
                    "path": "test_acting/book.ipynb",
                    "inputs": {"x": {"type": "uniform", "min_value": 2, "max_value": 1}},
                    "sweep": {"metric": "score", "goal": "maximize"},
                }
            },
            "notebook.inputs.x",
        ),
        (
            {
                "notebook": {
                    "path": "test_acting/book.ipynb",
                    "inputs": {"x": {"type": "uniform", "min_value": 1, "max_value": 2}},
                    "sweep": {"metric": "score", "goal": "upwards"},
                }
            },
            "notebook.sweep.goal",
        ),
        ({"notebook": {"path": "test_acting/book.ipynb", "colour": "red"}}, "notebook.colour"),
        ({}, "body"),
        ({"yaml": "type: command\ncommand: id\n", "notebook": {"path": "x"}}, "body"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(space: Space, client: MLClient, body: dict[str, Any], field: str) -> None:
    write_notebook(space.path / "book.ipynb", "print(x)", parameters="x = 1")
    before = client.context.store.now()
    refused = space.ask("jobs", "POST", body)
    told = refused.json.get("problems", [{"field": refused.json["where"]}])
    assert (refused.status, told[0]["field"][: len(field)]) == (400, field), told
    checked = space.ask("jobs", "POST", body, check="true")
    if checked.status != 400:  # it can be read at all
        assert (checked.status, checked.json["problems"], checked.json["name"]) == (200, told, None)
    assert client.context.store.now() == before


def test_a_notebook_runs_as_a_job_with_its_inputs(space: Space, client: MLClient) -> None:
    (space.path / "books").mkdir()
    write_notebook(
        space.path / "books" / "train.ipynb",
        "import helper, workbench\nworkbench.log(score=helper.twice(x))\nprint('x is', x)",
        parameters="x = 1.0",
    )
    (space.path / "books" / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    form = {
        "path": f"{space.folder}/books/train.ipynb",
        "code": f"{space.folder}/books",
        "inputs": {"x": 4},
        "displayName": "four",
        "timeout": 100,
    }
    made = space.post("jobs", {"notebook": form}, 201)
    assert (made["summary"]["type"], made["summary"]["displayName"]) == ("notebook", "four")
    assert made["summary"]["params"] == {"x": "4"}
    done = ended(space, client, made["name"])
    assert (done["status"], done["experiment"]) == ("Completed", "books")
    assert (space.server.root / done["notebook"]).is_file()
    figure = space.get(f"jobs/{made['name']}/figures/curves")
    assert figure["data"][0]["y"] == [8]


def test_a_notebook_is_swept_with_no_kernel(space: Space, client: MLClient) -> None:
    write_notebook(
        space.path / "swept.ipynb", "import workbench\nworkbench.log(score=x * y)", parameters="x = 1\ny = 2"
    )
    form = {
        "path": f"{space.folder}/swept.ipynb",
        "inputs": {"x": {"type": "choice", "values": [1, 3]}, "y": 5},
        "sweep": {"metric": "score", "goal": "maximize", "trials": 2, "concurrent": 2, "sampler": "grid"},
        "experiment": "from a form",
        "resources": {"cpus": 0.5},
    }
    checked = space.post("jobs", {"notebook": form}, 200, check="true")
    assert "primary_metric: score" in checked["yaml"]
    made = space.post("jobs", {"notebook": form}, 201)
    assert made["summary"]["type"] == "sweep"
    assert made["summary"]["runs"] == "notebook"
    done = ended(space, client, made["name"])
    assert (done["counts"], done["best"]["score"], done["experiment"]) == ({"Completed": 2}, 15, "from a form")
    trials = space.get(f"jobs/{made['name']}/children", order="best")["jobs"]
    assert [trial["params"] for trial in trials] == [{"x": 3}, {"x": 1}]
    assert all((space.server.root / trial["notebook"]).is_file() for trial in trials)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ("command: cat ${{inputs.data}}\ninputs: {data: {type: uri_file, path: ./nowhere.csv}}\n", "inputs.data.path"),
        ("command: id\ncode: ./nowhere\n", "code"),
    ],
)
def test_what_is_not_there_is_looked_for_in_the_folder_of_the_job(space: Space, fields: str, field: str) -> None:
    (space.path / "elsewhere").mkdir(parents=True, exist_ok=True)
    body = {"yaml": f"type: command\n{fields}", "folder": f"{space.folder}/elsewhere"}
    todo = f"Paths are relative to {space.path / 'elsewhere'}"
    refused = space.post("jobs", body, 400)
    (problem,) = refused["problems"]
    assert (problem["field"], problem["todo"], refused["todo"]) == (field, todo, todo)
    assert str(space.path / "elsewhere" / "nowhere") in refused["message"]
    assert space.post("jobs", body, 200, check="true")["problems"] == [problem]


def test_an_environments_file_that_is_not_there_is_told_without_the_servers_own_folder(space: Space) -> None:
    body = {"yaml": "type: command\ncommand: id\nenvironment: {requirements: ./nowhere.txt}\n", "folder": space.folder}
    refused = space.post("jobs", body, 400)
    assert (refused["todo"], str(space.path / "nowhere.txt") in refused["message"]) == ("Check the path", True)


# Buttons


def test_a_sweep_is_paused_changed_resumed_and_stopped(space: Space, client: MLClient, gate: Gate) -> None:
    name = sweep_of(gate, client, 20, 2)
    paused = space.post(f"jobs/{name}/pause")
    assert (paused["job"]["held"], paused["job"]["status"]) == (True, "Running")
    edited = space.post(
        f"jobs/{name}/edit",
        {
            "maxTrials": 6,
            "maxConcurrent": 1,
            "displayName": "edited",
            "description": "by hand",
            "tags": {"by": "hand"},
            "priority": "high",
            "narrow": {"space": {"x": {"type": "uniform", "min_value": 0.4, "max_value": 0.5}}},
            "enqueue": {"x": 0.45},
        },
    )
    assert (edited["job"]["total"], edited["job"]["displayName"], edited["job"]["tags"]) == (
        6,
        "edited",
        {"by": "hand"},
    )
    assert client.jobs.record(name).priority == 10
    brushed = space.post(f"jobs/{name}/edit", {"narrow": {"ranges": {"x": [[0.42, 0.44]], "score": [[0, 1]]}}})
    assert "0.42" in brushed["told"]
    told = [event["text"] for event in space.get(f"jobs/{name}/events")["events"] if event["kind"] == "edit"]
    assert len(told) == 6, told
    gate.open(2)
    until(client, lambda: client.context.store.children(name)[1].status.is_finished)
    assert space.post(f"jobs/{name}/resume")["job"]["held"] is False
    until(client, lambda: len(client.context.store.children(name)) > 2)
    assert client.context.store.children(name)[2].params == {"x": 0.45}
    stopped = space.post(f"jobs/{name}/cancel")
    assert stopped["told"] == "asked to stop"
    assert ended(space, client, name)["status"] == "Canceled"
    refused = space.ask(f"jobs/{name}/pause", "POST", {})
    assert (refused.status, "Canceled" in refused.json["message"]) == (409, True)


def test_an_edit_of_which_a_part_is_refused_changes_nothing(space: Space, client: MLClient, gate: Gate) -> None:
    name = sweep_of(gate, client, 8, 1)
    until(client, lambda: client.jobs.record(name).score is not None)  # the last that its trial changes of it by itself
    before, told = client.jobs.record(name), space.get(f"jobs/{name}/events")["total"]
    good = {
        "displayName": "half",
        "tags": {"half": "done"},
        "priority": "high",
        "maxTrials": 5,
        "maxConcurrent": 4,
        "narrow": {"space": {"x": {"type": "uniform", "min_value": 0.4, "max_value": 0.5}}},
        "extend": 3,
    }
    for bad, status in (
        ({"before": "nobody"}, 400),  # seen before anything is asked
        ({"enqueue": {"y": 1}}, 409),  # seen by the supervisor, after it has done what comes before
        ({"retryFailed": True}, 409),
    ):
        refused = space.ask(f"jobs/{name}/edit", "POST", {**good, **bad})
        assert (refused.status, bool(refused.json["message"])) == (status, True), refused.body
        assert client.jobs.record(name) == before
        assert space.get(f"jobs/{name}/events")["total"] == told
    gate.open()  # nor has the supervisor kept anything of it in mind
    until(client, lambda: client.context.store.children(name)[0].status.is_finished)
    running(client, name, 1)
    assert len(client.context.store.children(name)) == 2
    edited = space.post(f"jobs/{name}/edit", good)
    job = edited["job"]
    assert (job["total"], job["displayName"], job["tags"]) == (8, "half", {"half": "done"})
    running(client, name, 4)
    assert all(0.4 <= trial.params["x"] <= 0.5 for trial in client.context.store.children(name)[2:])
    gate.open(8)
    assert ended(space, client, name)["counts"] == {"Completed": 8}


def test_a_sweep_that_has_ended_is_not_reopened_by_half(space: Space, client: MLClient, gate: Gate) -> None:
    name = sweep_of(gate, client, 1, 1)
    gate.open()
    before = ended(space, client, name)
    refused = space.ask(f"jobs/{name}/edit", "POST", {"extend": 2, "retryFailed": True})
    assert (refused.status, refused.json["message"]) == (409, f"{name} has no failed trial")
    after = space.get(f"jobs/{name}")
    assert (after["status"], after["total"], after["ended"]) == ("Completed", 1, before["ended"])
    space.post(f"jobs/{name}/edit", {"extend": 2, "enqueue": {"x": 0.5}})
    gate.open(2)
    assert ended(space, client, name)["counts"] == {"Completed": 3}


def test_a_parameter_may_be_called_as_an_argument_is(space: Space, client: MLClient) -> None:
    write_notebook(space.path / "named.ipynb", "import time\ntime.sleep(100)", parameters="name = 1\nself = 2")
    form = {
        "path": f"{space.folder}/named.ipynb",
        "inputs": {one: {"type": "uniform", "min_value": 0, "max_value": 1} for one in ("name", "self")},
        "sweep": {"metric": "score", "goal": "maximize", "trials": 3, "concurrent": 1},
    }
    name = space.post("jobs", {"notebook": form}, 201)["name"]
    space.post(f"jobs/{name}/edit", {"narrow": {"ranges": {"name": [[0.2, 0.3]]}}, "enqueue": {"name": 1, "self": 2}})
    client.sweeps.enqueue(name, name=0.1, self=0.2)
    space.post(f"jobs/{name}/cancel")
    ended(space, client, name)


def test_one_trial_is_stopped_failed_ones_are_tried_again_and_a_sweep_is_extended(
    space: Space, client: MLClient, gate: Gate
) -> None:
    name = sweep_of(gate, client, 2, 2)
    space.post(f"jobs/{name}_0/cancel")
    until(client, lambda: client.jobs.record(f"{name}_0").status.is_finished)
    assert space.get(f"jobs/{name}_0")["status"] == "Canceled"
    gate.open(fail=True)
    assert ended(space, client, name)["counts"] == {"Canceled": 1, "Failed": 1}
    again = space.post(f"jobs/{name}/edit", {"retryFailed": True})
    assert again["job"]["status"] == "Running"
    gate.open()
    assert ended(space, client, name)["counts"] == {"Canceled": 1, "Completed": 1}
    longer = space.post(f"jobs/{name}/edit", {"extend": 1})
    assert longer["job"]["total"] == 3
    gate.open()
    assert ended(space, client, name)["counts"] == {"Canceled": 1, "Completed": 2}


def test_a_job_runs_again_and_is_put_away(space: Space, client: MLClient) -> None:
    first = space.post("jobs", {"yaml": "type: command\ncommand: echo again\n"}, 201)["name"]
    ended(space, client, first)
    again = space.post(f"jobs/{first}/rerun", {}, 201)
    assert (again["name"] != first, again["drift"]) == (True, [])
    assert ended(space, client, again["name"])["status"] == "Completed"
    assert space.post(f"jobs/{first}/archive")["job"]["archived"] is True
    assert first not in [job["name"] for job in space.get("jobs")["jobs"]]
    assert space.post(f"jobs/{first}/restore")["job"]["archived"] is False
    assert first in [job["name"] for job in space.get("jobs")["jobs"]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"maxTrials": "many"}, 400),
        ({"colour": "red"}, 400),
        ({"priority": "urgent"}, 400),
        ({"extend": 0}, 400),
        ({"narrow": {}}, 400),
        ({"maxTrials": 3}, 409),
    ],
)
def test_an_edit_that_cannot_be_is_refused(space: Space, client: MLClient, body: dict[str, Any], status: int) -> None:
    name = next(job["name"] for job in space.get("jobs")["jobs"] if job["type"] == "command")
    answer = space.ask(f"jobs/{name}/edit", "POST", body)
    assert (answer.status, bool(answer.json["message"])) == (status, True)
    assert space.ask("jobs/nobody/edit", "POST", body or {"extend": 1}).status in (400, 404)


# Models


def test_the_best_trial_becomes_a_registered_model(space: Space, client: MLClient) -> None:
    (space.path / "code").mkdir(exist_ok=True)
    (space.path / "code" / "train.py").write_text(_TRAIN)
    assert space.get("models") == {"models": []}
    name = space.post("jobs", {"yaml": _SWEEP}, 201)["name"]
    done = ended(space, client, name)
    good = done["best"]["name"]
    candidate = space.get(f"jobs/{name}/candidate")
    assert (candidate["trial"], [model["path"] for model in candidate["models"]]) == (good, ["outputs/model"])
    bad = next(trial["name"] for trial in space.get(f"jobs/{name}/children")["jobs"] if trial["name"] != good)
    assert space.get(f"jobs/{name}/candidate", trial=bad)["howToLog"]
    assert space.ask(f"jobs/{name}/candidate", trial="nobody").status == 404
    assert space.ask(f"jobs/{name}/register", "POST", {"trial": bad, "name": "digits"}).status == 404
    checked = space.post(f"jobs/{good}/check-model")
    assert checked["ok"], checked
    made = space.post(f"jobs/{name}/register", {"name": "digits", "alias": "champion", "tags": {"for": "tests"}}, 201)
    assert (made["version"], made["address"]) == ("1", "models:/digits/1")
    refused = space.ask(f"jobs/{name}/register", "POST", {"name": "digits"})
    assert (refused.status, "already" in refused.json["message"]) == (400, True)
    assert space.post(f"jobs/{good}/register", {"name": "digits", "again": True}, 201)["version"] == "2"

    (model,) = space.get("models")["models"]
    second, first = model["versions"]
    assert (model["name"], second["version"], first["aliases"]) == ("digits", "2", ["champion"])
    assert (first["job"], first["sweep"], first["runId"]) == (good, name, good)
    assert f"{name}_{first['trial']}" == good
    assert (first["metric"], first["tags"]) == ({"name": "accuracy", "value": 0.9}, {"for": "tests"})
    assert first["loadCode"] == made["load"]
    assert space.get("models/digits") == model

    moved = space.ask("models/digits/aliases/champion", "PUT", {"version": 2}).json
    assert [version["aliases"] for version in moved["versions"]] == [["champion"], []]
    removed = space.ask("models/digits/aliases/champion", "DELETE").json
    assert [version["aliases"] for version in removed["versions"]] == [[], []]
    assert space.ask("models/digits/aliases/champion", "PUT", {"version": 7}).status == 404
    assert space.ask("models/digits/aliases/champion", "PUT", {}).status == 400
    assert space.ask("models/nothing").status == 404


def test_who_waits_keeps_nobody_else_waiting(space: Space, client: MLClient) -> None:
    name = next(job["name"] for job in space.get("jobs")["jobs"])
    lock = sqlite3.connect(client.context.workspace.database, isolation_level=None)
    with ThreadPoolExecutor(12) as threads:
        lock.execute("BEGIN IMMEDIATE")  # as somebody who writes for long: nobody else can
        stuck = [threads.submit(space.post, f"jobs/{name}/archive") for _ in range(12)]
        try:
            for _ in range(20):
                space.get("jobs")
                space.server.fetch("api/status")
            assert not any(one.done() for one in stuck)
        finally:
            lock.execute("ROLLBACK")
            lock.close()
        assert all(one.result()["job"]["archived"] for one in stuck)
    space.post(f"jobs/{name}/restore")
