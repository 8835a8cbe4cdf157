"""Leases against real processes, real users and the real kernel: never more than there is, never one left over."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import StoreError
from workbench.trial import leases
from workbench.trial.leases import Lease, Resource, acquire, folder, free_units, keep_private

GPU = Resource("gpu-GPU-0", 840)
CORES = Resource("cores", 200)
NOBODY = 65534
USERS = [os.getuid(), *([NOBODY] if os.getuid() == 0 else [])]

READY_THEN_WAIT = "print('ready', flush=True); import sys; sys.stdin.read()"


@pytest.fixture(autouse=True)
def _no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(leases.FOLDER_VARIABLE, raising=False)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        where = Path(root) / "leases"
        where.mkdir()
        where.chmod(0o1777)
        yield where


def take(resource: Resource, units: int, where: Path) -> Lease:
    lease = acquire([(resource, units)], where)
    assert lease is not None
    return lease


def start(code: str, *arguments: object, fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
    """Start a Python process that says a line when it is ready; its standard input keeps it waiting."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=fds,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    finish(process)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def in_child(user: int, do: Callable[[], None]) -> None:
    """Run ``do`` in a forked child as ``user`` and expect it to return."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if user != os.getuid():
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            do()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# What is free


def test_a_lease_takes_units_and_gives_them_back(tmp_path: Path) -> None:
    with take(GPU, 420, tmp_path):
        assert free_units(GPU, tmp_path) == 420
        with take(GPU, 420, tmp_path):
            assert free_units(GPU, tmp_path) == 0
            assert acquire([(GPU, 1)], tmp_path) is None
        assert free_units(GPU, tmp_path) == 420
    assert free_units(GPU, tmp_path) == 840


def test_asking_what_is_free_makes_nothing(tmp_path: Path) -> None:
    assert free_units(GPU, tmp_path) == 840
    assert list(tmp_path.iterdir()) == []


def test_more_than_there_is_is_never_free(tmp_path: Path) -> None:
    assert acquire([(CORES, 201)], tmp_path) is None
    assert free_units(CORES, tmp_path) == 200


def test_a_lease_of_nothing_holds_nothing(tmp_path: Path) -> None:
    lease = acquire([(GPU, 0)], tmp_path)
    assert lease is not None
    assert lease.fds == ()
    with pytest.raises(ValueError, match="less than nothing"):
        acquire([(GPU, -1)], tmp_path)


def test_releasing_twice_closes_nobody_elses_descriptor(tmp_path: Path) -> None:
    lease = take(GPU, 1, tmp_path)
    number = lease.fds[-1]
    lease.release()
    with (tmp_path / "other").open("w") as other:
        assert other.fileno() <= number
        lease.release()
        other.write("still open")


def test_a_lease_may_lie_in_pieces(tmp_path: Path) -> None:
    parts = [take(GPU, 168, tmp_path) for _ in range(5)]
    parts[1].release()
    parts[3].release()
    assert free_units(GPU, tmp_path) == 336
    assert acquire([(GPU, 337)], tmp_path) is None
    assert free_units(GPU, tmp_path) == 336, "what was tried in vain is free again"
    with take(GPU, 300, tmp_path):
        assert free_units(GPU, tmp_path) == 36
    for part in parts:
        part.release()
    assert free_units(GPU, tmp_path) == 840


def test_all_or_nothing(tmp_path: Path) -> None:
    with take(GPU, 840, tmp_path):
        open_before = open_descriptors()
        assert acquire([(CORES, 100), (GPU, 1)], tmp_path) is None
        assert free_units(CORES, tmp_path) == 200
        assert open_descriptors() == open_before


def test_one_resource_asked_for_twice_counts_twice(tmp_path: Path) -> None:
    assert acquire([(CORES, 150), (CORES, 100)], tmp_path) is None
    with acquire([(CORES, 100), (CORES, 100)], tmp_path) or Lease():
        assert free_units(CORES, tmp_path) == 0


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.integers(0, 12), st.integers(0, 5)),
            st.integers(0, 9),
        ),
        max_size=25,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_leases_gives_out_more_than_there_is(steps: list[Any]) -> None:
    first, second = Resource("first", 12), Resource("second", 5)
    held: list[tuple[Lease, tuple[int, int]]] = []
    with tempfile.TemporaryDirectory() as root:
        where = Path(root)
        for step in steps:
            if isinstance(step, int):
                if held:
                    held.pop(step % len(held))[0].release()
            else:
                fits = all(
                    sum(units[i] for _, units in held) + step[i] <= resource.units
                    for i, resource in enumerate((first, second))
                )
                lease = acquire([(first, step[0]), (second, step[1])], where)
                assert (lease is not None) == fits
                if lease is not None:
                    held.append((lease, step))
            for i, resource in enumerate((first, second)):
                assert free_units(resource, where) == resource.units - sum(units[i] for _, units in held)
        for lease, _ in held:
            lease.release()


# Who holds it

PARENT = """
import subprocess, sys
from pathlib import Path
from workbench.trial.leases import Resource, acquire
lease = acquire([(Resource("gpu-GPU-0", 840), 840)], Path(sys.argv[1]))
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         pass_fds=lease.fds)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_lease_lives_with_the_child_that_inherited_it(tmp_path: Path) -> None:
    lease = take(GPU, 840, tmp_path)
    child = start(READY_THEN_WAIT, fds=lease.fds)
    assert line_of(child) == "ready"
    lease.release()
    assert free_units(GPU, tmp_path) == 0
    kill(child)
    assert free_units(GPU, tmp_path) == 840


def test_a_lease_survives_the_death_of_who_took_it(tmp_path: Path) -> None:
    waits_for_a_signal = "import signal; print('ready', flush=True); signal.pause()"
    parent = start(PARENT, tmp_path, waits_for_a_signal)
    child = int(line_of(parent))
    watch = os.pidfd_open(child)
    try:
        kill(parent)
        assert free_units(GPU, tmp_path) == 0
    finally:
        os.kill(child, signal.SIGKILL)
    select.select([watch], [], [], 60)
    os.close(watch)
    assert free_units(GPU, tmp_path) == 840


def test_who_spawns_a_host_can_hand_over_the_descriptors_by_their_numbers(tmp_path: Path) -> None:
    lease = take(GPU, 840, tmp_path)
    into, out = os.pipe()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", READY_THEN_WAIT],
        {},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, into, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            *((os.POSIX_SPAWN_DUP2, fd, fd) for fd in lease.fds),
        ],
    )
    os.close(into)
    lease.release()
    assert free_units(GPU, tmp_path) == 0
    os.close(out)
    os.waitpid(child, 0)
    assert free_units(GPU, tmp_path) == 840


def test_nothing_inherits_a_lease_by_accident(tmp_path: Path) -> None:
    lease = take(GPU, 840, tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", READY_THEN_WAIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        close_fds=False,
    )
    assert line_of(child) == "ready"
    lease.release()
    assert free_units(GPU, tmp_path) == 840
    finish(child)


HOST = """
import subprocess, sys
from workbench.trial.leases import keep_private
fds = [int(number) for number in sys.argv[2:]]
if sys.argv[1] == "private":
    keep_private(fds)
child = subprocess.Popen([sys.executable, "-c", "print('ready', flush=True); import signal; signal.pause()"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, close_fds=False)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("how", "free"), [("private", 840), ("careless", 0)])
def test_the_command_of_a_private_host_does_not_inherit_the_lease(tmp_path: Path, how: str, free: int) -> None:
    lease = take(GPU, 840, tmp_path)
    host = start(HOST, how, *lease.fds, fds=lease.fds)
    command = int(line_of(host))
    lease.release()
    try:
        assert free_units(GPU, tmp_path) == 0
        kill(host)
        assert free_units(GPU, tmp_path) == free
    finally:
        os.kill(command, signal.SIGKILL)


def test_only_open_descriptors_can_be_kept_private(tmp_path: Path) -> None:
    lease = take(GPU, 840, tmp_path)
    fds = lease.fds
    lease.release()
    with pytest.raises(OSError, match="Bad file descriptor"):
        keep_private(fds)


RACE = """
import os, sys
from pathlib import Path
from workbench.trial.leases import Resource, acquire
where, holders = Path(sys.argv[1]), Path(sys.argv[2])
gate_in, gate_out = os.pipe()
children = []
for number in range(20):
    if (child := os.fork()) == 0:
        os.close(gate_out)
        os.read(gate_in, 1)
        most = taken = 0
        for _ in range(40):
            if lease := acquire([(Resource("gpu-GPU-0", 840), 280), (Resource("cores", 2000), 100)], where):
                mine = holders / str(number)
                mine.touch()
                os.sched_yield()
                most = max(most, len(os.listdir(holders)))
                taken += 1
                mine.unlink()
                lease.release()
        os.write(1, f"{most} {taken}\\n".encode())
        os._exit(0)
    children.append(child)
os.close(gate_out)
for child in children:
    os.waitpid(child, 0)
"""


def test_a_race_for_three_shares_has_at_most_three_winners_at_a_time(tmp_path: Path) -> None:
    where, holders = tmp_path / "leases", tmp_path / "holders"
    where.mkdir()
    holders.mkdir()
    racers = subprocess.run(
        [sys.executable, "-c", RACE, where, holders], capture_output=True, text=True, check=True, timeout=120
    )
    results = [tuple(map(int, line.split())) for line in racers.stdout.splitlines()]
    assert len(results) == 20
    assert max(most for most, _ in results) <= 3
    assert sum(taken for _, taken in results) > 0
    assert free_units(GPU, where) == 840


# Where it is kept


@pytest.mark.parametrize("second", USERS)
@pytest.mark.parametrize("first", USERS)
def test_users_share_the_files(shared: Path, first: int, second: int, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def as_a_hardened_kernel(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        """Do what fs.protected_regular=1 does in a folder like this."""
        forbidden = flags & os.O_CREAT and not flags & os.O_EXCL
        if forbidden and Path(path).exists() and Path(path).stat().st_uid != os.geteuid():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return really_open(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", as_a_hardened_kernel)

    def take_and_look() -> None:
        os.umask(0o077)
        with take(GPU, 840, shared):
            assert acquire([(GPU, 1)], shared) is None
        assert free_units(GPU, shared) == 840

    in_child(first, take_and_look)
    in_child(second, take_and_look)
    (file,) = shared.iterdir()
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_uid, file.stat().st_size) == (0o666, first, 0)


@pytest.mark.parametrize("user", USERS)
def test_a_lease_of_one_user_counts_for_another(shared: Path, user: int) -> None:
    with take(GPU, 420, shared):

        def look() -> None:
            assert free_units(GPU, shared) == 420
            assert acquire([(GPU, 421)], shared) is None
            take(GPU, 420, shared)

        in_child(user, look)


@pytest.mark.parametrize("use", [lambda where: take(GPU, 1, where), lambda where: free_units(GPU, where)])
def test_a_planted_link_is_refused(tmp_path: Path, use: Callable[[Path], object]) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / GPU.name).symlink_to("precious")
    with pytest.raises(StoreError, match=r"gpu-GPU-0: a symbolic link stands where leases are kept\. Remove it"):
        use(tmp_path)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_planted_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / GPU.name)
    with pytest.raises(StoreError, match="not a regular file"):
        take(GPU, 1, tmp_path)


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"No such file or directory.*WORKBENCH_LEASES"):
        take(GPU, 1, tmp_path / "missing")


def test_cleaners_of_old_files_leave_leases_alone(tmp_path: Path) -> None:
    where = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    with take(GPU, 1, tmp_path), take(CORES, 1, tmp_path), pytest.raises(BlockingIOError):
        fcntl.flock(where, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(where, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with take(GPU, 1, tmp_path):
        os.close(where)


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    take(GPU, 1, tmp_path).release()
    (tmp_path / GPU.name).unlink()
    with take(GPU, 1, tmp_path):
        assert free_units(GPU, tmp_path) == 839


def test_a_name_with_slashes_is_one_file(tmp_path: Path) -> None:
    with take(Resource("gpu-MIG-GPU-0/1/0", 840), 1, tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == ["gpu-MIG-GPU-0:1:0"]


def test_the_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_LEASES", str(tmp_path / "a" / "b"))
    assert folder() == tmp_path / "a" / "b"
    assert stat.S_IMODE(folder().stat().st_mode) == 0o1777
    assert folder() == tmp_path / "a" / "b"
    monkeypatch.setenv("WORKBENCH_LEASES", "/proc/leases")
    with pytest.raises(StoreError, match=r"^/proc/leases: leases cannot be kept there"):
        folder()


@pytest.fixture
def candidates(shared: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    found = (shared / "run" / "workbench", shared / "tmp" / "leases")
    for path, mode in zip(found, (0o1777, 0o1777), strict=True):
        path.parent.mkdir()
        path.parent.chmod(mode)
    monkeypatch.setattr(leases, "_CANDIDATES", found)
    return found


@pytest.mark.parametrize("user", USERS)
def test_the_folder_is_made_for_everybody(candidates: tuple[Path, Path], user: int) -> None:
    def look() -> None:
        os.umask(0o077)
        assert folder() == candidates[0]

    in_child(user, look)
    assert folder() == candidates[0]
    assert stat.S_IMODE(candidates[0].stat().st_mode) == 0o1777
    assert [path.name for path in candidates[0].parent.iterdir()] == ["workbench"]


@pytest.mark.parametrize("user", USERS)
def test_all_users_agree_on_the_folder(candidates: tuple[Path, Path], user: int) -> None:
    candidates[0].parent.chmod(0o755)

    def expect(chosen: Path) -> None:
        assert folder() == chosen

    in_child(user, lambda: expect(candidates[1]))
    assert folder() == candidates[1], "also who could write to the first"
    candidates[0].mkdir()
    candidates[0].chmod(0o1777)
    in_child(user, lambda: expect(candidates[0]))
    assert folder() == candidates[0], "an administrator made it"


def test_a_folder_that_is_not_for_everybody_is_passed_over(candidates: tuple[Path, Path], tmp_path: Path) -> None:
    candidates[0].mkdir(mode=0o700)
    assert folder() == candidates[1]
    candidates[1].rmdir()
    candidates[1].symlink_to(tmp_path)
    with pytest.raises(StoreError, match=r"no folder for leases can be made.*mode 1777"):
        folder()
