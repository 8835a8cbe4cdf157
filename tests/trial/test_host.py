"""The trial host against real processes: results, folders, and that stop means stopped."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import pytest

from workbench.store.files import TrialFolder, read_json
from workbench.trial.host import command_line
from workbench.trial.processes import Identity, is_alive, marked_processes

from .conftest import StartHost


def wait_for(path: Path) -> str:
    """Block on a FIFO that the trial writes to: an event, not a guess."""
    with path.open() as fifo:
        return fifo.read()


@pytest.fixture
def signal_pipe(tmp_path: Path) -> Path:
    path = tmp_path / "ready"
    os.mkfifo(path)
    return path


def test_a_command_that_succeeds(start_host: StartHost) -> None:
    run = start_host("echo out; echo err >&2; echo data > outputs/result.txt; echo log > logs/train.log")
    ending = run.wait()
    assert (ending.cause, ending.code, ending.message, ending.left) == ("exited", 0, "", [])
    assert run.log == "out\nerr\n"
    assert (run.folder.artifacts / "outputs" / "result.txt").read_text() == "data\n"
    assert (run.folder.artifacts / "logs" / "train.log").read_text() == "log\n"
    assert ending.started is not None
    assert ending.started <= ending.ended


def test_a_command_that_fails_says_its_last_lines(start_host: StartHost) -> None:
    ending = start_host("for i in $(seq 100); do echo line $i; done; exit 7").wait()
    assert (ending.cause, ending.code) == ("exited", 7)
    assert ending.message.splitlines()[-1] == "line 100"
    assert len(ending.message.splitlines()) == 20


def test_a_command_killed_by_a_signal_says_which(start_host: StartHost) -> None:
    ending = start_host("kill -SEGV $$").wait()
    assert (ending.code, ending.signal) == (None, "SIGSEGV")


def test_several_lines_are_several_shell_lines(start_host: StartHost) -> None:
    run = start_host("cd /\nx=1\npwd; echo $x")
    run.wait()
    assert run.log == "/\n1\n"


def test_the_working_directory_is_a_copy_of_the_code(start_host: StartHost, tmp_path: Path) -> None:
    code = tmp_path / "snapshot"
    (code / "sub").mkdir(parents=True)
    (code / "train.py").write_text("open('sub/helper.txt', 'a').write('changed'); open('new.txt', 'w').write('x')")
    (code / "sub" / "helper.txt").write_text("original ")
    (code / "big.bin").write_bytes(b"0" * (2 << 20))
    for path in (code / "train.py", code / "sub" / "helper.txt", code / "big.bin"):
        path.chmod(0o444)
    run = start_host("cat sub/helper.txt; python train.py; echo x >> big.bin", snapshot=str(code))
    assert run.wait().code == 0, run.log
    assert run.log == "original "
    assert (code / "big.bin").stat().st_size == 2 << 20
    assert (code / "sub" / "helper.txt").read_text() == "original "
    left = {
        path.relative_to(run.folder.work).as_posix() for path in run.folder.work.rglob("*") if not path.is_symlink()
    }
    assert left == {"new.txt", "sub", "sub/helper.txt", "big.bin"}, (
        "what the trial made or changed stays, the rest goes"
    )


def test_code_with_an_outputs_folder_keeps_it_as_output(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "code" / "outputs").mkdir(parents=True)
    (tmp_path / "code" / "outputs" / "old.txt").write_text("old")
    run = start_host("cat outputs/old.txt; echo new > outputs/new.txt", snapshot=str(tmp_path / "code"))
    assert run.wait().code == 0
    assert run.log == "old"
    assert {path.name for path in run.folder.outputs.iterdir()} == {"old.txt", "new.txt"}


def test_named_outputs_exist_before_the_command(start_host: StartHost, tmp_path: Path) -> None:
    places = {"AZURE_ML_OUTPUT_model": f"{tmp_path}/here/model", "AZURE_ML_OUTPUT_report": f"{tmp_path}/there/report"}
    run = start_host(f"ls {tmp_path}/here {tmp_path}/there", outputs={"model": True, "report": False}, variables=places)
    assert run.wait().code == 0
    assert run.log == f"{tmp_path}/here:\nmodel\n\n{tmp_path}/there:\n"


def test_the_environment_is_the_submitters_with_the_jobs_on_top(start_host: StartHost) -> None:
    run = start_host('echo "$HOME $MINE"', variables={"MINE": "a b"})
    run.wait()
    assert run.log == f"{os.environ['HOME']} a b\n"


def test_a_data_input_to_download_is_the_trials_own(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1")
    run = start_host("echo 2 > ../inputs/d/a.csv", copies={"inputs/d": str(tmp_path / "data")})
    assert run.wait().code == 0
    assert (tmp_path / "data" / "a.csv").read_text() == "1"


def test_a_timeout_ends_the_trial(start_host: StartHost) -> None:
    ending = start_host("sleep 1000", timeout=0.2, grace=60).wait()
    assert (ending.cause, ending.signal, ending.needed, ending.left) == ("timeout", "SIGTERM", "SIGTERM", [])


def test_what_ignores_the_polite_signal_is_killed(start_host: StartHost, signal_pipe: Path) -> None:
    # Not by a timeout: on a busy machine that could be over before the shell ignores anything.
    run = start_host(f"trap '' TERM; echo > {signal_pipe}; while true; do sleep 0.1; done", grace=0.3)
    wait_for(signal_pipe)
    run.process.terminate()
    ending = run.wait()
    assert (ending.cause, ending.signal, ending.needed) == ("terminated", "SIGKILL", "SIGKILL")


def test_a_trial_may_tidy_up_within_the_grace(start_host: StartHost, signal_pipe: Path) -> None:
    run = start_host(f"trap 'echo saved; exit 0' TERM; echo > {signal_pipe}; while true; do sleep 0.05; done", grace=60)
    wait_for(signal_pipe)
    run.process.terminate()
    ending = run.wait()
    assert (ending.cause, ending.needed) == ("terminated", "SIGTERM")
    assert "saved" in run.log.splitlines()


DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(1000)
"""


@pytest.mark.parametrize("how", ["stopped", "exits by itself"])
def test_double_forked_daemons_do_not_survive(
    start_host: StartHost, tmp_path: Path, signal_pipe: Path, how: str
) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    os.mkfifo(tmp_path / "daemon")
    os.mkfifo(tmp_path / "seen")
    after = "sleep 1000" if how == "stopped" else f"cat {tmp_path}/seen"
    start_it = f"python {tmp_path}/daemon.py {tmp_path}/daemon; pid=$(cat {tmp_path}/daemon); echo $pid > {signal_pipe}"
    run = start_host(f"{start_it}; {after}", variables={"MARK": str(tmp_path)}, grace=60)
    daemon = Identity.of(int(wait_for(signal_pipe)))
    assert daemon is not None
    assert is_alive(daemon)
    if how == "stopped":
        run.process.terminate()
    else:
        (tmp_path / "seen").write_text("")
    ending = run.wait()
    assert not is_alive(daemon)
    assert marked_processes("MARK", str(tmp_path)) == []
    assert (ending.needed, ending.left) == ("SIGTERM", [])


def test_a_request_to_stop_before_the_start_starts_nothing(start_host: StartHost, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    os.mkfifo(code / "gate")  # the host, which copies it, comes no further before somebody has written into it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as the supervisor starts it
    try:
        run = start_host("echo ran", snapshot=str(code))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    run.process.terminate()
    (code / "gate").write_text("")
    ending = run.wait()
    assert (ending.cause, ending.code) == ("terminated", None)
    assert not run.folder.log.exists() or run.log == ""


def test_the_host_says_who_it_is_and_wakes_the_supervisor(start_host: StartHost, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "wake")
    wake = os.open(tmp_path / "wake", os.O_RDWR | os.O_NONBLOCK)
    run = start_host("sleep 1000", grace=1)
    assert select.select([wake], [], [], 60)[0]
    record = read_json(run.folder.host)
    assert record is not None
    host = Identity.from_record(record["host"])
    assert host is not None
    assert host.pid == run.process.pid
    assert is_alive(host)
    assert record["child"]["pid"] != host.pid
    run.process.terminate()
    run.wait()
    assert not is_alive(host)
    os.close(wake)


def test_a_folder_that_cannot_be_made_is_the_hosts_error(start_host: StartHost, tmp_path: Path) -> None:
    ending = start_host("true", snapshot=str(tmp_path / "gone")).wait()
    assert (ending.cause, ending.code) == ("host_error", None)
    assert "gone" in ending.message


def test_the_host_runs_the_installed_package_whatever_the_current_folder(tmp_path: Path) -> None:
    command = command_line(TrialFolder(tmp_path))
    assert "-I" in command
    assert "-S" in command
