"""``ml_client.jobs``: submit, look, wait, stop, fetch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

from workbench.client.context import Context
from workbench.client.entities import job_entity, trial_entities
from workbench.client.notebooks import notebook_source
from workbench.client.poller import LROPoller
from workbench.client.preview import Preview, preview_of
from workbench.client.rerun import Rerun, prepare_rerun
from workbench.client.streaming import Sink, stream_job
from workbench.client.submission import check_here, local_code, prepare
from workbench.client.waiting import wait_until
from workbench.definition.checks import check
from workbench.definition.records import AnyJob
from workbench.definition.sweep import Sweep
from workbench.errors import JobException, NotFoundError, StoreError, ValidationException
from workbench.store.records import JobRecord
from workbench.supervisor.launch import output_path
from workbench.supervisor.start import ensure_supervisor

__all__ = ["JobOperations", "ListViewType"]

ListViewType = Literal["ACTIVE_ONLY", "ARCHIVED_ONLY", "ALL"]
_ARCHIVED: Mapping[str, bool | None] = {"ACTIVE_ONLY": False, "ARCHIVED_ONLY": True, "ALL": None}


class JobOperations:
    """The jobs of a workspace.

    Args:
        context: the workspace.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def create_or_update(
        self,
        job: AnyJob,
        *,
        description: str | None = None,
        compute: str | None = None,
        tags: Mapping[str, str] | None = None,
        experiment_name: str | None = None,
        skip_validation: bool = False,
    ) -> AnyJob:
        """Submit ``job`` and return it as stored; the calling process may end at once.

        A job that came from the workspace is not submitted again: its display name, description and tags are changed.

        Args:
            job: a command job or a sweep.
            description: put in the place of the job's own.
            compute: likewise.
            tags: likewise.
            experiment_name: likewise.
            skip_validation: accepted for Azure's code; a job that cannot run is refused all the same.

        Raises:
            ValidationException: something in the job is wrong; nothing was submitted.
            StoreError: the workspace is gone, or cannot be written.
        """
        del skip_validation
        given = {
            "description": description,
            "compute": compute,
            "tags": None if tags is None else dict(tags),
            "experiment_name": experiment_name,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if job.status is not None:
            return self._patch(job, changes)
        self._check_there()
        record, diff = prepare(job.with_fields(**changes), self._context)
        with self._context.store.write() as writer:
            writer.add_job(record)
        if diff:
            folder = self._context.workspace.trial(record.folder).artifacts
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "git.diff").write_text(diff)
        ensure_supervisor(self._context.workspace)
        return job_entity(record, self._context)

    def get(self, name: str) -> AnyJob:
        """Return the job, sweep or trial called ``name``.

        Raises:
            NotFoundError: there is none; the message names the nearest ones.
        """
        return job_entity(self.record(name), self._context)

    def list(
        self,
        *,
        parent_job_name: str | None = None,
        list_view_type: ListViewType = "ACTIVE_ONLY",
        max_results: int | None = None,
    ) -> Iterator[AnyJob]:
        """Yield the jobs, newest first; with a parent, its trials with parameters and score, in order.

        Args:
            parent_job_name: a sweep.
            list_view_type: which of them: not archived, archived, or both.
            max_results: the most to yield.

        Raises:
            NotFoundError: there is no such parent.
        """
        if parent_job_name is not None:
            parent = self.record(parent_job_name)
            records = self._context.store.children(parent.name)
            yield from trial_entities(parent, records[:max_results], self._context) if records else ()
            return
        for record in self._context.store.jobs(archived=_ARCHIVED[list_view_type])[:max_results]:
            yield job_entity(record, self._context)

    def stream(self, name: str, *, sink: Sink | None = None) -> None:
        """Show what a job does until it ends.

        Args:
            name: a job, a sweep or a trial.
            sink: where to show it; the terminal or cell this is called from by default.

        Raises:
            JobException: the job failed; or the watching was interrupted, in which case the job runs on.
            NotFoundError: there is no such job.
        """
        stream_job(self.record(name), self._context, sink)

    def begin_cancel(self, name: str) -> LROPoller[None]:
        """Ask for a job, sweep or trial to be stopped; its whole process tree ends.

        Raises:
            NotFoundError: there is no such job.
        """
        record = self.record(name)
        if not record.status.is_finished:
            self._context.store.request(name, "cancel", {"reason": "canceled by request"})
            ensure_supervisor(self._context.workspace)
        return LROPoller(lambda timeout: self._wait(name, timeout), lambda: None)

    def rerun(self, name: str) -> Rerun:
        """Run a job, sweep or trial again: the same code, inputs, seed and environment, as a new job.

        Returns:
            The new job's name, and what is not as it was: packages, data, driver, git.

        Raises:
            NotFoundError: there is no such job, or its code is gone.
        """
        record, again = prepare_rerun(self.record(name), self._context)
        with self._context.store.write() as writer:
            writer.add_job(record)
        ensure_supervisor(self._context.workspace)
        return again

    def update(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> AnyJob:
        """Change what people read of a job; tags and properties are merged into those it has.

        Raises:
            NotFoundError: there is no such job.
        """
        record = self.record(name)
        given = {"display_name": display_name, "description": description}
        with self._context.store.write() as writer:
            writer.update_job(record.name, **{key: value for key, value in given.items() if value is not None})
            writer.patch_tags(record.name, tags or {})
            writer.patch_properties(record.name, properties or {})
        return self.get(name)

    def download(
        self,
        name: str,
        *,
        download_path: str | PathLike[str] = ".",
        output_name: str | None = None,
        all: bool = False,  # noqa: A002 - Azure's name
    ) -> None:
        """Copy what a finished job has made; of a sweep, what its best trial has made.

        Args:
            name: the job.
            download_path: where to; artifacts go to ``artifacts/`` in it, a named output to ``named-outputs/<name>/``.
            output_name: only this named output.
            all: artifacts and named outputs.

        Raises:
            JobException: the job has not finished, or the sweep has no best trial.
            NotFoundError: there is no such job or output; the message lists the outputs.
        """
        record = self.record(name)
        if not record.status.is_finished:
            raise JobException(f"{name} is {record.status}", "download", "Wait for its end: jobs.stream(name)")
        target = Path(download_path)
        best = self._best_child(record) if record.type == "sweep" else record
        folder = self._context.workspace.trial(best.folder)
        if output_name is not None:
            _copy(self._output(record, best, output_name), target / "named-outputs" / output_name)
            return
        _copy(folder.artifacts, target / "artifacts", leave_out=folder.named_outputs.name)
        if record.type == "sweep":
            _copy(self._context.workspace.trial(record.folder).artifacts, target / "hd-artifacts", optional=True)
        if all:
            for output in self._job_of(best).launch.get("outputs", ()):
                _copy(self._output(record, best, output), target / "named-outputs" / output, optional=True)

    def validate(self, job: AnyJob, *, raise_on_failure: bool = False) -> Sequence[str]:
        """Return what is wrong or doubtful about a job, without submitting it; empty when nothing is.

        Args:
            job: a command job or a sweep.
            raise_on_failure: raise what would keep it from being submitted.

        Raises:
            ValidationException: it cannot be submitted, and ``raise_on_failure`` is set.
        """
        try:
            part = job.trial if isinstance(job, Sweep) else job
            warnings = check(job)
            source = notebook_source(job, local_code(part.code, self._context.folder))
            check_here(job, self._context)
            return [*warnings, *(source.warnings if source else ())]
        except (ValidationException, NotFoundError) as error:
            if raise_on_failure:
                raise
            return [str(error)]

    def preview(self, job: AnyJob, *, trials: int = 10) -> Preview:
        """Return what a job would do if it were submitted: its first trials' parameters, and what it would cost.

        Args:
            job: a job or a sweep.
            trials: of how many trials to choose the parameters.

        Raises:
            ValidationException: it cannot be submitted.
            NotFoundError: it names something that does not exist.
        """
        self.validate(job, raise_on_failure=True)
        return preview_of(job, self._context, trials)

    def archive(self, name: str) -> None:
        """Hide a job from lists; it can still be reached by name."""
        self._set_archived(name, archived=True)

    def restore(self, name: str) -> None:
        """Show an archived job in lists again."""
        self._set_archived(name, archived=False)

    def record(self, name: str) -> JobRecord:
        """Return the row of the job called ``name``: plain facts, for views.

        Raises:
            NotFoundError: there is none; the message names the newest ones.
        """
        if not isinstance(name, str):
            raise ValidationException(f"a job's name is text, not {type(name).__name__}", "name", "Pass job.name")
        record = self._context.store.job(name)
        if record is None:
            recent = ", ".join(job.name for job in self._context.store.jobs()[:5]) or "none"
            raise NotFoundError(
                f"no job named {name!r}", str(self._context.workspace.root), f"The newest ones here: {recent}"
            )
        return record

    def _check_there(self) -> None:
        if not self._context.store.is_current:
            raise StoreError(
                "the workspace was moved, deleted or made anew since this client was made",
                str(self._context.workspace.root),
                "Make a new client: MLClient()",
            )

    def _patch(self, job: AnyJob, changes: Mapping[str, object]) -> AnyJob:
        record = self.record(job.name or "")
        columns = {
            "display_name": job.display_name or record.display_name,
            "description": changes.get("description", job.description),
            "tags": changes.get("tags", dict(job.tags)),
        }
        with self._context.store.write() as writer:
            writer.update_job(record.name, **columns)
        return self.get(record.name)

    def _wait(self, name: str, timeout: float | None) -> bool:
        return wait_until(lambda: self.record(name).status.is_finished, self._context, timeout)

    def _job_of(self, record: JobRecord) -> JobRecord:
        return self.record(record.parent) if record.parent else record

    def _output(self, asked: JobRecord, record: JobRecord, name: str) -> Path:
        """Return where a named output of a job or trial lies.

        Raises:
            NotFoundError: it has none of that name.
        """
        launch = self._job_of(record).launch
        if name not in launch.get("outputs", ()):
            has = ", ".join(launch.get("outputs", ())) or "none"
            raise NotFoundError(f"{asked.name} has no output {name!r}", "output_name", f"It has: {has}")
        return output_path(name, record, launch, self._context.workspace.trial(record.folder))

    def _best_child(self, record: JobRecord) -> JobRecord:
        best = record.properties.get("best_child_run_id")
        if best is None:
            raise JobException(f"{record.name} has no best trial", "download", "No trial has logged the primary metric")
        return self.record(best)

    def _set_archived(self, name: str, *, archived: bool) -> None:
        with self._context.store.write() as writer:
            writer.update_job(self.record(name).name, archived=archived)


def _copy(source: Path, target: Path, *, leave_out: str | None = None, optional: bool = False) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    elif source.is_dir():
        shutil.copytree(
            source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(leave_out) if leave_out else None
        )
    elif not optional:
        raise NotFoundError(f"the job has not written {source.name!r}", str(source), "Its log may say why")
