"""Showing a job while it runs: lines for what has happened and, in a terminal, one live line for what is going on."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Protocol, Self

from workbench.client.context import Context
from workbench.client.waiting import Lifeline, open_watch
from workbench.definition.status import JobStatus
from workbench.errors import JobException
from workbench.store.records import JobRecord, Point
from workbench.store.watch import Watch

__all__ = ["Sink", "TerminalSink", "TextSink", "stream_job"]

_PART = 1 << 20  # bytes of a log that are shown at once
_LOOK = 0.5  # seconds between redraws of the live line, and looks whether the supervisor lives


class Sink(Protocol):
    """Where a stream is shown."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, leaving what was printed."""

    def line(self, text: str) -> None:
        """Show a line that stays."""

    def text(self, text: str) -> None:
        """Show text as it came, without adding anything."""

    def status(self, text: str) -> None:
        """Show what is going on now, in the place of what was shown before."""


class TextSink:
    """Plain lines, for notebooks, files and pipes; what is going on now is not shown."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def line(self, text: str) -> None:
        """Print a line."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def text(self, text: str) -> None:
        """Print text as it came."""
        self._stream.write(text)
        self._stream.flush()

    def status(self, text: str) -> None:
        """Show nothing: a line that cannot be overwritten would be noise."""


class TerminalSink(TextSink):
    """A terminal: lines scroll by above a last line that is redrawn."""

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415
        from rich.status import Status  # noqa: PLC0415

        self._console = Console(highlight=False, soft_wrap=True, emoji=False)
        self._status = Status("", console=self._console)
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def line(self, text: str) -> None:
        """Print a line above the live one."""
        self._console.print(text, markup=False)

    def text(self, text: str) -> None:
        """Print text exactly as it came, progress bars and all, above the live line."""
        self._status.stop()
        sys.stdout.write(text)
        if not text.endswith("\n"):
            sys.stdout.write("\n")  # or the live line would be drawn over it
        sys.stdout.flush()
        self._status.start()

    def status(self, text: str) -> None:
        """Redraw the live line."""
        from rich.text import Text  # noqa: PLC0415

        self._status.update(Text(text, overflow="ellipsis", no_wrap=True))


def stream_job(record: JobRecord, context: Context, sink: Sink | None = None) -> None:
    """Show ``record`` until it ends.

    Raises:
        JobException: it failed; or the watching was interrupted, in which case the job runs on.
    """
    story: _Story = _SweepStory(record) if record.type == "sweep" else _LogStory(record, context)
    try:
        with sink or _default_sink() as shown, open_watch(context) as watch:
            shown.line(f"RunId: {record.name}")
            shown.line(f"Folder: {context.workspace.trial(record.folder).root}")
            shown.line("")
            _follow(record, context, story, shown, watch)
    except KeyboardInterrupt:
        raise JobException(
            f"no longer watching {record.name}; it is still running",
            fix=f"Watch it again with jobs.stream({record.name!r}), stop it with jobs.begin_cancel({record.name!r})",
        ) from None
    final = context.store.job(record.name) or record
    if final.status is JobStatus.FAILED:
        told = f"Its error:\n{final.error}" if record.type == "sweep" else None  # else it is in the log above
        raise JobException(f"{record.name} failed: {final.reason}", fix=told)


def _follow(record: JobRecord, context: Context, story: _Story, sink: Sink, watch: Watch) -> None:
    cursor = 0
    lifeline = Lifeline(context)
    while True:
        changes = context.store.changes(cursor, record.parent or record.name)
        cursor = changes.cursor
        story.tell(changes.jobs, changes.points, sink)
        now = next((job for job in reversed(changes.jobs) if job.name == record.name), None)
        if now is not None and now.status.is_finished:
            story.sum_up(now, sink)
            return
        sink.status(story.now())
        if not watch.wait(_LOOK):
            lifeline.check()


def _default_sink() -> Sink:
    return TerminalSink() if sys.stdout.isatty() else TextSink()


class _Story(Protocol):
    def tell(self, jobs: Iterable[JobRecord], points: Iterable[Point], sink: Sink) -> None: ...

    def now(self) -> str: ...

    def sum_up(self, final: JobRecord, sink: Sink) -> None: ...


class _LogStory:
    """A command job or one trial: its status, then its log as it grows, as Azure prints it."""

    def __init__(self, record: JobRecord, context: Context) -> None:
        self._name = record.name
        self._log = context.workspace.trial(record.folder).log
        self._read = 0
        self._pending = b""
        self._status: JobStatus = record.status
        self._reason = ""

    def tell(self, jobs: Iterable[JobRecord], points: Iterable[Point], sink: Sink) -> None:  # noqa: ARG002
        for job in jobs:
            if job.name == self._name:
                self._status, self._reason = job.status, job.reason or ""
        self._show_log(sink)

    def now(self) -> str:
        return f"{self._name}: {self._status} {self._reason}".rstrip()

    def sum_up(self, final: JobRecord, sink: Sink) -> None:
        self._show_log(sink)
        _summary(final, sink)

    def _show_log(self, sink: Sink) -> None:
        while part := self._next_part():
            if not self._read:
                title = f"Streaming user_logs/{self._log.name}"
                sink.line(f"{title}\n{'=' * len(title)}\n")
            self._read += len(part)
            sink.text(part.decode(errors="replace"))

    def _next_part(self) -> bytes:
        """Return what of the log can be shown now: whole lines, or an unfinished one that has stood for a while."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._read)
                fresh = file.read(_PART)
        except FileNotFoundError:
            return b""
        whole = fresh.rfind(b"\n") + 1
        stands_still = fresh == self._pending or self._status.is_finished or len(fresh) == _PART
        self._pending = fresh[whole:]
        return fresh[:whole] or (fresh if stands_still else b"")


@dataclass
class _SweepStory:
    """A sweep: each trial's start, end and reason, each new best, and a summary."""

    record: JobRecord
    trials: dict[str, JobRecord] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    best: str | None = None

    def __post_init__(self) -> None:
        import json  # noqa: PLC0415

        config = json.loads(self.record.properties["primary_metric_config"])
        limits = self.record.definition.get("limits") or {}
        self.metric = str(config["name"])
        self.total = limits.get("max_total_trials")

    def tell(self, jobs: Iterable[JobRecord], points: Iterable[Point], sink: Sink) -> None:
        for point in points:
            if point.key == self.metric and not math.isnan(point.value):
                self.last[point.job] = point.value
        for job in sorted(jobs, key=_by_time):
            if job.type == "sweep":
                self._tell_sweep(job, sink)
            else:
                self._tell_trial(job, sink)

    def now(self) -> str:
        ended = [trial for trial in self.trials.values() if trial.status.is_finished]
        running = [trial for trial in self.trials.values() if not trial.status.is_finished]
        elapsed = time.time() - (self.record.started or self.record.created)
        doing = "  ".join(f"{trial.number}:{self._value(self.last.get(trial.name))}" for trial in running)
        best = f"best {self.metric} {self._value(self.record.score)}" if self.record.score is not None else ""
        return (
            f"{len(ended)} of {self.total or '?'} trials  {elapsed:.0f} s  {best}  running {doing or 'none'}"
            f"{'' if self.record.status is JobStatus.RUNNING else f'  ({self.record.status})'}"
        )

    def sum_up(self, final: JobRecord, sink: Sink) -> None:
        counts: dict[JobStatus, int] = {}
        for trial in self.trials.values():
            counts[trial.status] = counts.get(trial.status, 0) + 1
        sink.line("")
        _summary(final, sink)
        sink.line("Trials: " + (", ".join(f"{count} {status}" for status, count in counts.items()) or "none"))
        best = self.trials.get(final.properties.get("best_child_run_id", ""))
        if best is not None:
            sink.line(f"Best: {best.name} with {self.metric} = {self._value(best.score)}  ({_params(best)})")

    def _tell_sweep(self, job: JobRecord, sink: Sink) -> None:
        self.record = job
        leader = job.properties.get("best_child_run_id")
        if leader != self.best and leader in self.trials and not job.status.is_finished:
            sink.line(f"  {self._label(self.trials[leader])} leads with {self.metric} = {self._value(job.score)}")
        self.best = leader

    def _tell_trial(self, job: JobRecord, sink: Sink) -> None:
        before = self.trials.get(job.name)
        self.trials[job.name] = job
        label = self._label(job)
        if before is None:
            sink.line(f"{label} starts  {_params(job)}")
        if job.status.is_finished and (before is None or not before.status.is_finished):
            took = "" if job.duration is None else f" in {job.duration:.1f} s"
            score = "no value" if job.score is None else f"{self._value(job.score)}"
            why = f"  {job.reason}" if job.reason else ""
            sink.line(f"{label} {job.status}{took}  {self.metric} {score}{why}")

    def _label(self, trial: JobRecord) -> str:
        return f"trial {trial.number:>3}"

    @staticmethod
    def _value(value: float | None) -> str:
        return "…" if value is None else f"{value:.5g}"


def _by_time(job: JobRecord) -> tuple[bool, float, int]:
    """Sort the trials of one answer as things happened, and their sweep after them."""
    return job.type == "sweep", job.ended or job.created, job.number or 0


def _params(trial: JobRecord) -> str:
    return "  ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in trial.params.items()
    )


def _summary(final: JobRecord, sink: Sink) -> None:
    sink.line("Execution Summary")
    sink.line("=================")
    sink.line(f"RunId: {final.name}")
    took = "" if final.duration is None else f" in {final.duration:.1f} s"
    sink.line(f"Status: {final.status}{took}{f' ({final.reason})' if final.reason else ''}")
