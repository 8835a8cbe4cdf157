"""Rounds of small sweeps in one workspace, while randomly chosen parts of it are killed -9 at random moments.

All randomness comes from one seed. After each round the store, the trial folders, the processes and the leases are
compared with what was planned; at the end of all of them, MLflow.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random

from tests.chaos.invariants import Evidence, check_mlflow, check_round
from tests.chaos.plan import KINDS, Plan, make_plan
from tests.chaos.processes import Host, fork_servers, kill, living_hosts, running_module
from tests.conftest import stop_everything, supervisor_of
from tests.notebook.books import write_notebook
from workbench.client.ml_client import MLClient
from workbench.client.waiting import wait_until
from workbench.store.workspace import open_workspace
from workbench.trial.processes import Identity, is_alive
from workbench.trial.report import poke

__all__ = ["RECOVERY", "Harness"]

RECOVERY = 5.0  # seconds from the death of a supervisor until work goes on
_PATIENCE = 120.0  # seconds in which a round must have ended, whatever is killed
_APPEARANCE = 1.5  # seconds in which a victim may appear that is not there yet


class Harness:
    """One workspace and what happens to it.

    Args:
        root: of the workspace, made here.
        seed: decides everything but the scheduling of the machine.
        mlflow: a folder with an empty MLflow database, so that its migrations are not waited for; None to wait.
        say: told one line for each round.
        image: what the trials run in; None for the Python that submits.
    """

    def __init__(
        self,
        root: Path,
        seed: int,
        mlflow: Path | None = None,
        say: Callable[[str], None] = print,
        image: str | None = None,
    ) -> None:
        self._image = image
        self._seed = seed
        self._say = say
        self._root = root
        self._code = root.with_name("code")
        self._code.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("trial.py"), self._code)
        write_notebook(
            self._code / "trial.ipynb",
            "import pathlib, trial",
            "trial.main(x, steps, pace, pathlib.Path(ran))",
            parameters="x: float\nsteps: int\npace: float\nran: str",
        )
        self._ran = root.with_name("ran")
        self._ran.mkdir()
        self.leases = root.with_name("leases")
        self.leases.mkdir()
        os.environ["WORKBENCH_LEASES"] = str(self.leases)
        workspace = open_workspace(root)
        for file in mlflow.iterdir() if mlflow else ():
            shutil.copy(file, workspace.hidden)
        (workspace.settings).write_text("grace = 2\n")
        self._client = MLClient(path=root)
        self._context = self._client.context
        self.kills: Counter[str] = Counter()
        self.violations: list[str] = []
        self.recoveries: list[float] = []
        self.rounds = 0

    def run(self, kills: int) -> None:
        """Run rounds until there were so many kills, then look at MLflow."""
        try:
            while self.kills.total() < kills:
                self._round(kills)
            self._note("mlflow", check_mlflow(self._context))
        finally:
            self._client.context.store.close()
            stop_everything(self._context.workspace)

    def table(self) -> str:
        """Return the figures of all rounds."""
        lines = [f"{'killed':<12} times", *(f"{kind:<12} {times:5}" for kind, times in sorted(self.kills.items()))]
        slowest = max(self.recoveries, default=0.0)
        mean = sum(self.recoveries) / max(1, len(self.recoveries))
        return "\n".join(
            [
                *lines,
                f"{'together':<12} {self.kills.total():5} in {self.rounds} rounds",
                f"supervisors replaced: {len(self.recoveries)}, after {mean:.2f} s on average, {slowest:.2f} s at most",
                f"violations: {len(self.violations)}",
                *(f"  {violation}" for violation in self.violations),
            ]
        )

    # One round

    def _round(self, kills: int) -> None:
        random = Random(f"{self._seed}/{self.rounds}")  # so that a round can be told from seed and number alone
        plan = make_plan(random, self.rounds, str(self._code), str(self._ran), self._image)
        self.rounds += 1
        began = time.monotonic()
        round_ = _Round(self, plan, random, kills - self.kills.total())
        round_.play()
        found = check_round(self._context, plan, round_.evidence, self.leases, self._ran)
        self._note(plan.name, found)
        record = self._client.jobs.record(plan.name)
        children = self._context.store.children(plan.name)
        ends = Counter(child.status.value for child in children)
        self._say(
            f"{plan.name}: {plan.runs}, {record.status}, "
            + ", ".join(f"{number} {status}" for status, number in sorted(ends.items()))
            + f"; killed {' '.join(round_.killed) or 'nothing'}; {time.monotonic() - began:.1f} s"
            + "".join(f"\n  VIOLATION {violation}" for violation in found)
        )

    def _note(self, where: str, found: list[str]) -> None:
        self.violations += [f"{where}: {violation}" for violation in found]


class _Round:
    """One sweep and its kills."""

    def __init__(self, harness: Harness, plan: Plan, random: Random, most: int) -> None:
        self._harness = harness
        self._plan = plan
        self._context = harness._context
        self._workspace = harness._context.workspace
        self._random = random
        self._most = most
        self._client: subprocess.Popen[bytes] | None = None
        self._dead: tuple[Identity, float] | None = None
        self.killed: list[str] = []
        self.evidence = Evidence()

    def play(self) -> None:
        """Submit, kill, and see it to its end."""
        self._submit()
        try:
            self._misfortunes()
            if not self._wait(self._finished, _PATIENCE):
                self.evidence.violations.append(f"has not ended {_PATIENCE:g} s after the last kill")
        finally:
            self._end_client()

    def _submit(self) -> None:
        plan = self._harness._root.with_name(f"{self._plan.name}.json")
        plan.write_text(json.dumps(asdict(self._plan)))
        errors = self._harness._root.with_name("client.log").open("wb")
        self._client = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.client", str(self._harness._root), str(plan)],
            stdout=errors,
            stderr=errors,
            cwd=Path(__file__).parents[2],
        )
        errors.close()

    def _misfortunes(self) -> None:
        cancel_at = None
        for wait, kind in self._plan.kills[: self._most]:
            if self._plan.cancel_after is not None and cancel_at is None and self._submitted():
                cancel_at = time.monotonic() + self._plan.cancel_after
            self._sleep(wait)
            if cancel_at is not None and time.monotonic() > cancel_at and not self.evidence.canceled:
                self._harness._client.jobs.begin_cancel(self._plan.name)
                self.evidence.canceled = True
            if self._finished():
                return
            self._kill(kind)

    def _sleep(self, seconds: float) -> None:
        """Let time pass, as anybody does who looks now and then; who looks revives what must live."""
        until = time.monotonic() + seconds
        while not self._finished() and (left := until - time.monotonic()) > 0:
            self._wait(self._finished, left)

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        def look() -> bool:
            self._note_recovery()
            return done()

        return wait_until(look, self._context, seconds)

    def _submitted(self) -> bool:
        return self._context.store.job(self._plan.name) is not None

    def _finished(self) -> bool:
        if self._client is not None and self._client.poll() is not None and not self._submitted():
            self._submit()  # the client was killed before it had said anything: its user says it again
        record = self._context.store.job(self._plan.name)
        return record is not None and record.status.is_finished

    # Killing

    def _kill(self, kind: str) -> None:
        if kind == "client" and not self._exists(kind):
            self._submit()  # its user comes back and waits again
        if kind != "all":
            self._wait(lambda: self._exists(kind) or self._finished(), _APPEARANCE)
        parts = [one for one in KINDS if one != "all" and self._exists(one)]
        if not parts or self._finished():
            return
        if kind != "all" and kind not in parts:
            kind = self._random.choice([one for one in parts if one != "supervisor"] or parts)
        self.killed.append(kind)
        self._harness.kills[kind] += 1
        self._kill_parts(tuple(parts) if kind == "all" else (kind,), kind)

    def _exists(self, kind: str) -> bool:
        match kind:
            case "client":
                return self._client is not None and self._client.poll() is None
            case "supervisor":
                return supervisor_of(self._workspace) is not None
            case "mirror":
                return bool(running_module("workbench.tracking", self._harness._root))
            case "warm":
                supervisor = supervisor_of(self._workspace)
                return supervisor is not None and bool(fork_servers(supervisor.pid))
            case "host":
                return bool(living_hosts(self._context))
            case _:
                return any(host.users() for host in living_hosts(self._context))

    def _kill_parts(self, parts: tuple[str, ...], kind: str) -> None:
        hosts = living_hosts(self._context)
        supervisor = supervisor_of(self._workspace)
        pids: list[int] = []
        if "client" in parts and self._client is not None:
            pids.append(self._client.pid)
        if "supervisor" in parts and supervisor:
            pids.append(supervisor.pid)
        if "mirror" in parts:
            pids += running_module("workbench.tracking", self._harness._root)
        if "warm" in parts and supervisor:
            pids += fork_servers(supervisor.pid)
        victims = hosts if kind == "all" else hosts[:1] if not hosts else [self._random.choice(hosts)]
        if "user" in parts:
            for host in victims:
                users = host.users()
                pids += users if kind == "all" else self._random.sample(users, min(1, len(users)))
        if "host" in parts:
            pids += [host.identity.pid for host in victims]
        running = [host for host in victims if host.has_container]
        kill(*pids)
        if "supervisor" in parts and supervisor:
            self._dead = (supervisor, time.time())
        if "host" in parts:
            self._note_lost(victims, running)

    def _note_lost(self, victims: list[Host], running: list[Host]) -> None:
        for host in victims:
            while is_alive(host.identity):  # it has been sent a signal that it cannot refuse
                time.sleep(0.001)
            if host in running:
                self.evidence.orphaned.append((host.trial, host.attempt))
            elif host.lost and not self._plan.image:  # one whose container was just about to start may have started it
                self.evidence.lost.append((host.trial, host.attempt))

    def _note_recovery(self) -> None:
        if self._dead is None:
            return
        before, at = self._dead
        now = supervisor_of(self._workspace)
        if now is not None and now != before and poke(self._workspace.wake):
            # It wrote its lock just before it listened; this process may see that long after.
            took = self._workspace.supervisor_lock.stat().st_mtime - at
            self._harness.recoveries.append(took)
            self._dead = None
            if took > RECOVERY:
                self.evidence.violations.append(f"a new supervisor listened only {took:.2f} s after the last one died")

    def _end_client(self) -> None:
        if self._client is None:
            return
        try:
            code = self._client.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self.evidence.violations.append("its client still waits after its end")
            kill(self._client.pid)
            self._client.wait()
            return
        if code not in (0, -9):
            told = self._harness._root.with_name("client.log").read_text()
            self.evidence.violations.append(f"its client ended with {code}: {told[-2000:]}")
