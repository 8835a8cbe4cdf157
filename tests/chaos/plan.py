"""What one round of chaos runs and kills, all of it decided by a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from workbench import command, notebook
from workbench.definition.command import Command
from workbench.definition.notebook import Notebook
from workbench.definition.sweep import Sweep
from workbench.entities import Environment
from workbench.sweep import BanditPolicy, RandomSamplingAlgorithm, Uniform

__all__ = ["KINDS", "Plan", "make_plan"]

KINDS = ("client", "supervisor", "mirror", "warm", "host", "user", "all")
_WEIGHTS = (1, 4, 1, 1, 3, 3, 1)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep and its misfortunes.

    Args:
        name: of the sweep.
        seed: of its draws.
        code: the folder of its code.
        ran: the folder in which each start of a trial is written down.
        trials: how many.
        steps: points that each trial logs.
        pace: seconds between two points.
        runs: what its trials are: a ``script`` or a ``notebook``, which may be forks of a process that is ready, or a
            ``shell`` script, which cannot.
        bandit: whether trials that fall behind are stopped.
        retries: how often a trial is tried again whose host was lost.
        cancel_after: seconds after which the sweep is canceled; None for never.
        kills: pairs of seconds to wait and of what to kill then.
        image: what the trials run in; None for the Python that submits.
    """

    name: str
    seed: int
    code: str
    ran: str
    trials: int
    steps: int
    pace: float
    runs: str
    bandit: bool
    retries: int
    cancel_after: float | None
    kills: list[tuple[float, str]]
    image: str | None = None

    def sweep(self) -> Sweep:
        """Return the sweep."""
        python = (
            f"python{'3' if self.image else ''} trial.py "
            "${{inputs.x}} ${{inputs.steps}} ${{inputs.pace}} ${{inputs.ran}}"
        )
        inputs = {"x": 0, "steps": self.steps, "pace": self.pace, "ran": self.ran}
        environment = Environment(image=self.image) if self.image else None
        job: Command | Notebook
        if self.runs == "notebook":
            job = notebook("trial.ipynb", code=self.code, inputs=inputs, experiment_name="chaos")
        else:
            text = python if self.runs == "script" else f"sleep 1000 & {python}"
            job = command(code=self.code, command=text, inputs=inputs, experiment_name="chaos", environment=environment)
        sweep = job(x=Uniform(0, 1)).sweep(
            primary_metric="score",
            goal="maximize",
            sampling_algorithm=RandomSamplingAlgorithm(seed=self.seed),
            max_total_trials=self.trials,
            max_concurrent_trials=2,
            early_termination_policy=BanditPolicy(slack_amount=0.3, evaluation_interval=1) if self.bandit else None,
        )
        sweep.name = self.name
        sweep.set_resources(cpus=0.5, docker_args=["-v", f"{self.ran}:{self.ran}"] if self.image else None)
        sweep.retries = {"host_lost": self.retries} if self.retries else {}
        return sweep


def make_plan(random: Random, number: int, code: str, ran: str, image: str | None = None) -> Plan:
    """Return the plan of round ``number``."""
    return Plan(
        name=f"chaos{number:04d}",
        seed=random.randrange(2**31),
        code=code,
        ran=ran,
        trials=random.randint(4, 6),
        steps=random.randint(3, 6),
        pace=round(random.uniform(0.02, 0.25), 3),
        runs=random.choices(("script", "shell", "notebook"), (2, 2, 0 if image else 1))[
            0
        ],  # the image has no papermill
        bandit=random.random() < 0.3,
        retries=random.choice((0, 0, 1, 2)),
        cancel_after=random.uniform(0.2, 3) if random.random() < 0.15 else None,
        kills=[(random.expovariate(1.4), random.choices(KINDS, _WEIGHTS)[0]) for _ in range(random.randint(4, 9))],
        image=image,
    )
