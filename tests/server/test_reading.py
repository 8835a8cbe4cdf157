"""What is shown of jobs, and what that costs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest

from tests.server.serving import TOKEN, Space
from tests.views.past import past_sweep
from workbench import MLClient
from workbench.definition.status import JobStatus


@pytest.fixture(scope="module")
def sweep(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return past_sweep(client, tmp_path_factory.mktemp("code"), 30)


@pytest.fixture(scope="module")
def others(client: MLClient, sweep: str) -> list[str]:
    """Jobs in several states, made out of the sweep's row: older ones first."""
    model = client.jobs.record(sweep)
    rows = {
        "old_failed": JobStatus.FAILED,
        "old_running": JobStatus.RUNNING,
        "waiting": JobStatus.QUEUED,
        "newest_done": JobStatus.COMPLETED,
        "put_away": JobStatus.COMPLETED,
    }
    with client.context.store.write() as writer:
        for number, (name, status) in enumerate(rows.items()):
            writer.add_job(
                replace(
                    model,
                    name=name,
                    display_name=f"Display of {name}",
                    status=status,
                    experiment_name="other",
                    folder=name,
                    held=True,
                    archived=name == "put_away",
                    created=model.created + number + 1,
                    tags={"team": "blue" if number % 2 else "green"},
                    properties={},
                    type="command",
                )
            )
    return list(rows)


def names(listing: dict[str, Any]) -> list[str]:
    return [job["name"] for job in listing["jobs"]]


def test_what_runs_comes_first_then_what_waits_then_the_newest(space: Space, sweep: str, others: list[str]) -> None:
    assert names(space.get("jobs")) == ["old_running", "waiting", "newest_done", "old_failed", sweep]
    assert names(space.get("jobs", order="newest")) == ["newest_done", "waiting", "old_running", "old_failed", sweep]


def test_filters_and_pages(space: Space, sweep: str, others: list[str]) -> None:
    assert names(space.get("jobs", archived="true")) == ["put_away"]
    assert space.get("jobs", archived="all")["total"] == 6
    assert names(space.get("jobs", experiment="other", status="Failed,Queued")) == ["waiting", "old_failed"]
    assert names(space.get("jobs", search="DISPLAY of old")) == ["old_running", "old_failed"]
    assert names(space.get("jobs", search="green")) == ["waiting", "old_failed"]
    page = space.get("jobs", limit=2, offset=1)
    assert (names(page), page["total"]) == (["waiting", "newest_done"], 5)
    assert space.ask("jobs", status="Sleeping").json["todo"].startswith("There are: NotStarted")
    assert space.ask("jobs", limit="many").json["problems"][0]["field"] == "limit"


def test_a_sweep_tells_its_counts_and_its_best(space: Space, client: MLClient, sweep: str) -> None:
    found = space.get(f"jobs/{sweep}")
    scores = {trial.name: trial.score for trial in client.jobs.list(parent_job_name=sweep) if trial.score is not None}
    best = max(scores, key=lambda name: scores[name])
    assert found["counts"] == {"Completed": 26, "Failed": 4}
    assert (found["total"], found["metric"]) == (30, {"name": "accuracy", "goal": "maximize"})
    assert (found["best"]["name"], found["score"]) == (best, pytest.approx(scores[best], rel=1e-6))
    assert f"{sweep}_{found['best']['number']}" == best
    assert found["folder"] == f"{space.folder}/runs/{sweep}"
    assert [axis["name"] for axis in found["header"]["axes"]] == ["lr", "units", "drop"]
    assert "primary_metric: accuracy" in found["definition"]


def test_trials_come_by_number_or_the_best_first(space: Space, sweep: str) -> None:
    trials = space.get(f"jobs/{sweep}/children")["jobs"]
    assert [trial["number"] for trial in trials] == list(range(30))
    assert {trial["type"] for trial in trials} == {"trial"}
    assert trials[0]["params"].keys() == {"lr", "units", "drop"}
    best = space.get(f"jobs/{sweep}/children", order="best", limit=5)["jobs"]
    scores = sorted((trial["score"] for trial in trials if trial["score"] is not None), reverse=True)
    assert [trial["score"] for trial in best] == scores[:5]
    worst = space.get(f"jobs/{sweep}/children", order="worst", limit=1)["jobs"]
    assert worst[0]["score"] == scores[-1]
    assert space.get("jobs", parent=sweep, status="Failed")["total"] == 4
    assert space.ask("jobs/nobody/children").status == 404


def test_changes_since_a_cursor(space: Space, client: MLClient, sweep: str, others: list[str]) -> None:
    cursor = space.get("jobs")["cursor"]
    assert space.get("changes", since=cursor) == {"cursor": cursor, "more": False, "jobs": []}
    client.jobs.update(f"{sweep}_3", display_name="renamed")
    client.jobs.update("waiting", description="a reason")
    changed = space.get("changes", since=cursor)
    assert [one["displayName"] for one in changed["jobs"] if one["name"] == f"{sweep}_3"] == ["renamed"]
    assert changed["jobs"][1]["description"] == "a reason"
    assert changed["cursor"] > cursor
    seen, since, more = set(), 0, True
    while more:
        page = space.get("changes", since=since, limit=3)
        seen |= set(names(page))
        since, more = page["cursor"], page["more"]
    assert seen == {sweep, *others, *(f"{sweep}_{number}" for number in range(30))}


def test_figures_are_plotlys_and_take_their_options(space: Space, sweep: str) -> None:
    for kind in ("parallel", "curves", "progress", "scatter", "importance"):
        figure = space.get(f"jobs/{sweep}/figures/{kind}")
        assert figure["data"], kind
    top = space.get(f"jobs/{sweep}/figures/parallel", top=5, params=["units", "lr"])
    assert [axis["name"] for axis in top["axes"]] == ["trial", "units", "lr", "accuracy"]
    assert len(top["trials"]) == 5
    timed = space.get(f"jobs/{sweep}/figures/curves", over="time", selected=[2, 4], log="true")
    assert timed["layout"]["yaxis"]["type"] == "log"
    assert space.ask(f"jobs/{sweep}/figures/pie").status == 404
    assert space.ask(f"jobs/{sweep}/figures/scatter", param="nothing").status == 400
    assert space.ask(f"jobs/{sweep}/figures/progress", top=5).status == 400


def test_texts_for_notebooks_and_files(space: Space, sweep: str) -> None:
    assert space.get(f"jobs/{sweep}/yaml")["text"].startswith("type: sweep")
    assert "command: python train.py" in space.get(f"jobs/{sweep}_2/yaml")["text"]
    code = space.get(f"jobs/{sweep}/code")["text"]
    compile(code, "cell", "exec")
    assert f'MLClient(path="{space.path}")' in code  # not the server's own workspace
    assert f'jobs.get("{sweep}")' in code
    assert space.ask(f"jobs/{sweep}/code", language="r").status == 400
    code = space.get(f"jobs/{sweep}/code", opens="builder")["text"]
    assert code == f'import workbench\n\nworkbench.builder("{sweep}", client=workbench.MLClient(path="{space.path}"))'
    assert space.get(f"jobs/{sweep}/events") == {"total": 0, "events": []}


def test_a_log_comes_in_ranges(space: Space, client: MLClient, sweep: str) -> None:
    folder = client.context.workspace.trial(client.jobs.record(f"{sweep}_0").folder)
    where = f"jobs/{sweep}_0/log"
    for headers in ({}, {"Range": "bytes=-100"}, {"Range": "bytes=0-100"}):  # what is still to come is no failure
        answer = space.ask(where, "GET", None, headers)
        assert (answer.status, answer.body) == (200, b"")
    folder.log.parent.mkdir(parents=True)
    folder.log.write_bytes(b"0123456789")
    whole = space.ask(where)
    assert (whole.status, whole.body, whole.headers["Accept-Ranges"]) == (200, b"0123456789", "bytes")
    for asked, status, body, said in (
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=2-3", 206, b"23", "bytes 2-3/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-2", 416, b"", "bytes */10"),
        ("lines=1-2", 200, b"0123456789", None),
    ):
        answer = space.ask(where, "GET", None, {"Range": asked})
        assert (answer.status, answer.body, answer.headers.get("Content-Range")) == (status, body, said), asked
    with folder.log.open("ab") as file:
        file.write(b"ab" * (1 << 20))
    assert len(space.ask(where).body) == 10 + (1 << 21)
    assert space.ask(where, "GET", None, {"Range": "bytes=10-13"}).body == b"abab"
    assert "has no log" in space.ask(f"jobs/{sweep}/log").json["message"]


def test_a_log_that_is_cut_while_it_is_sent_ends_early(space: Space, client: MLClient, sweep: str) -> None:
    log = client.context.workspace.trial(client.jobs.record(f"{sweep}_3").folder).log
    log.parent.mkdir(parents=True)
    with log.open("wb") as file:
        file.truncate(1 << 28)
    url = urlsplit(space.server.address)
    with socket.create_connection((str(url.hostname), int(url.port or 0)), 60) as line:
        where = f"{url.path}/workbench/api/jobs/{sweep}_3/log?workspace={space.folder}"
        line.sendall(f"GET {where} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: token {TOKEN}\r\n\r\n".encode())
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 200")
        os.truncate(log, 10)  # what is on the way still comes: more than the buffers of both sides do not hold
        got = 0
        while part := line.recv(1 << 20):
            got += len(part)
    assert got < 1 << 28


def test_artifacts_are_listed_and_saved_and_nothing_else_is(
    space: Space, client: MLClient, sweep: str, tmp_path: Path
) -> None:
    folder = client.context.workspace.trial(client.jobs.record(f"{sweep}_1").folder)
    assert space.get(f"jobs/{sweep}_1/artifacts")["files"] == []
    (folder.outputs / "näh er").mkdir(parents=True)
    (folder.outputs / "näh er" / "page.html").write_text("<script>alert(1)</script>")
    (tmp_path / "secret.txt").write_text("secret")
    (folder.outputs / "leak.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(folder.outputs / "pipe")
    listed = space.get(f"jobs/{sweep}_1/artifacts")
    assert [file["path"] for file in listed["files"]] == ["outputs/näh er/page.html"]
    assert space.server.root.joinpath(listed["folder"]) == folder.artifacts
    saved = space.ask(f"jobs/{sweep}_1/artifacts/outputs/näh er/page.html")
    assert (saved.status, saved.body) == (200, b"<script>alert(1)</script>")
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert saved.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in saved.headers["Content-Security-Policy"]
    for outside in ("outputs/leak.txt", "../trial.json", "../../../../.workbench/workbench.db", "/etc/passwd"):
        answer = space.ask(f"jobs/{sweep}_1/artifacts/{outside}")
        assert (answer.status, b"secret" in answer.body) == (403, False), outside


def test_what_a_trial_makes_a_link_to_elsewhere_is_not_shown(
    space: Space, client: MLClient, sweep: str, tmp_path: Path
) -> None:
    folder = client.context.workspace.trial(client.jobs.record(f"{sweep}_4").folder)
    secret = tmp_path / "user_logs" / "std_log.txt"
    secret.parent.mkdir()
    secret.write_text("secret")

    def shown() -> list[tuple[int, bool]]:
        answers = [space.ask(f"jobs/{sweep}_4/{what}") for what in ("log", "artifacts/user_logs/std_log.txt")]
        return [(answer.status, b"secret" in answer.body) for answer in answers]

    folder.log.parent.mkdir(parents=True)
    folder.log.symlink_to(secret)
    assert shown() == [(404, False), (403, False)]
    shutil.rmtree(folder.artifacts)
    folder.artifacts.symlink_to(tmp_path)
    assert shown() == [(404, False), (404, False)]
    assert space.ask(f"jobs/{sweep}_4/artifacts").status == 404
    folder.artifacts.unlink()
    folder.log.parent.mkdir(parents=True)
    (folder.artifacts / "log.txt").write_text("its own")
    folder.log.symlink_to(folder.artifacts / "log.txt")
    assert space.ask(f"jobs/{sweep}_4/log").body == b"its own"
    for nothing in ("outputs/pipe", "outputs", "nothing"):
        assert space.ask(f"jobs/{sweep}_1/artifacts/{nothing}").status == 404, nothing


def test_artifacts_are_listed_while_they_come_and_go(space: Space, client: MLClient, sweep: str) -> None:
    outputs = client.context.workspace.trial(client.jobs.record(f"{sweep}_4").folder).outputs
    outputs.mkdir(parents=True)
    for number in range(300):
        (outputs / f"kept_{number}").write_text("x")
    over = threading.Event()

    def churn() -> None:  # as a training that writes checkpoints aside and gives them their names
        while not over.is_set():
            for number in range(50):
                (outputs / f"aside_{number}").write_text("x")
            for number in range(50):
                (outputs / f"aside_{number}").unlink()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(40):
            listed = space.get(f"jobs/{sweep}_4/artifacts")
            assert sum(file["path"].startswith("outputs/kept_") for file in listed["files"]) == 300
    finally:
        over.set()
        thread.join()


def test_the_queue_says_what_waits_for_what(space: Space, client: MLClient, others: list[str]) -> None:
    client.jobs.record("waiting")
    with client.context.store.write() as writer:
        writer.update_job("waiting", reason="behind others")
    queue = space.get("queue")
    assert queue["slots"] == {"used": 1, "total": max(4, 2 * len(os.sched_getaffinity(0)))}
    assert [(one["name"], one["trials"]) for one in queue["running"]] == [("old_running", 1)]
    assert [(one["name"], one["position"], one["waitsFor"], one["held"]) for one in queue["queued"]] == [
        ("waiting", 1, "behind others", True)
    ]
    assert queue["cores"]["total"] == os.sysconf("SC_NPROCESSORS_ONLN")


def test_the_queue_shows_gpus_and_who_is_on_them(space: Space, client: MLClient, others: list[str]) -> None:
    gib = 1 << 30
    gpu = {"uuid": "GPU-1", "index": 0, "name": "H1", "memory": 80 * gib, "processes": {"1": 3 * gib}}
    file = space.path / "devices.json"
    file.write_text(json.dumps({"gpus": [gpu]}))
    client.context.workspace.settings.write_text(f'devices = "{file}"\n')
    client.jobs.update("old_running", properties={"workbench.gpus": "GPU-1"})
    try:
        assert space.get("queue")["gpus"] == [
            {
                "name": "H1",
                "label": "GPU 0",
                "index": 0,
                "memoryUsed": 3 * gib,
                "memoryTotal": 80 * gib,
                "holders": ["old_running"],
            }
        ]
    finally:
        client.context.workspace.settings.unlink()


def write_notebook(path: Path, *sources: str, tag: str | None = "parameters") -> None:
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if tag:
        book.cells[0].metadata["tags"] = [tag]
    nbformat.write(book, path)


def test_the_parameters_of_a_notebook_fill_a_form(space: Space, client: MLClient) -> None:
    write_notebook(
        space.path / "train.ipynb",
        "lr: float = 1e-3  # learning rate\nepochs = 5\nname = 'a'\nlayers = [1, 2]\nseed: int\n"
        "when = now()\nfast = True",
    )
    form = space.get("notebooks/parameters", path=f"{space.folder}/train.ipynb")
    assert (form["tagged"], form["readable"], form["kernel"], form["problems"]) == (True, True, "python3", [])
    found = {one["name"]: one for one in form["parameters"]}
    assert (found["lr"]["kind"], found["lr"]["value"], found["lr"]["help"]) == ("float", 0.001, "learning rate")
    assert (found["seed"]["kind"], found["seed"]["required"], found["seed"]["value"]) == ("int", True, None)
    assert (found["when"]["kind"], found["when"]["default"], found["when"]["value"]) == ("other", "now()", None)
    assert {name: found[name]["kind"] for name in ("epochs", "name", "layers", "fast")} == {
        "epochs": "int",
        "name": "str",
        "layers": "list",
        "fast": "bool",
    }
    write_notebook(space.path / "bare.ipynb", "print(1)", tag=None)
    bare = space.get("notebooks/parameters", path=f"{space.folder}/bare.ipynb")
    assert (bare["tagged"], bare["parameters"]) == (False, [])
    (space.path / "broken.ipynb").write_text("{")
    assert "is no notebook" in space.get("notebooks/parameters", path=f"{space.folder}/broken.ipynb")["problems"][0]
    assert space.ask("notebooks/parameters", path=f"{space.folder}/none.ipynb").status == 404
    assert space.ask("notebooks/parameters").status == 400
