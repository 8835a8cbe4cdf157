"""The tracking store that MLflow gets inside a trial: metric calls write a line instead of a database.

Imports MLflow: import this module only where MLflow is needed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels.models import SqlMetric, SqlParam
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import (
    _validate_batch_log_limits,
    _validate_metric,
    _validate_param,
    _validate_param_keys_unique,
)
from sqlalchemy.dialects.sqlite import insert

from workbench.errors import TrackingError
from workbench.store.files import TrialFolder, WorkspaceFolder, read_json
from workbench.tracking.facts import facts_of_trial, trial_params
from workbench.tracking.workspace_store import WorkspaceStore, storable
from workbench.trial.report import FOLDER_VARIABLE, WAKE_VARIABLE, Line, read_points, report

__all__ = ["TrialStore"]

_Identity = tuple[str, int, int, bool, float]


class TrialStore(WorkspaceStore):
    """MLflow's store as a process of a trial sees it.

    A metric of the trial's own run becomes a line of ``metrics.jsonl``, which the supervisor brings to the store and
    to MLflow; whatever reads the own run first brings the lines so far to MLflow itself. All else, nested runs
    included, goes MLflow's way.

    Args:
        workspace: the workspace that the trial runs in.
        folder: the trial's folder; None outside a trial.
        wake: FIFO of the supervisor.

    Raises:
        TrackingError: the database cannot be made.
    """

    def __init__(self, workspace: WorkspaceFolder, folder: TrialFolder | None, wake: str | None) -> None:
        super().__init__(workspace)
        self._folder, self._wake = folder, wake
        self._flushed = 0
        self._flushing = threading.Lock()
        spec: Mapping[str, Any] | None = read_json(folder.spec) if folder else None
        self._own: str | None = None
        self._launched: dict[str, str] = {}
        if folder and spec:
            run = facts_of_trial(spec, folder)
            self.ensure_run(run)
            self._own, self._launched = run.run_id, trial_params(spec)

    @classmethod
    def at(cls, store_uri: str) -> TrialStore:
        """Open the store at ``store_uri`` for the trial that the environment variables name.

        Args:
            store_uri: ``workbench:///<absolute path of the workspace's mlflow.db>``.

        Raises:
            TrackingError: the address leads to no workspace.
        """
        database = Path(store_uri.partition("://")[2])
        workspace = WorkspaceFolder(database.parent.parent)
        if workspace.mlflow_database != database or not database.parent.is_dir():
            raise TrackingError(
                f"there is no workspace behind {store_uri!r}",
                where="MLFLOW_TRACKING_URI",
                fix=f"The address is workbench://, then the absolute path of {workspace.mlflow_database.name} "
                "in the workspace's hidden folder",
            )
        folder = os.environ.get(FOLDER_VARIABLE)
        return cls(workspace, TrialFolder(Path(folder)) if folder else None, os.environ.get(WAKE_VARIABLE))

    # Writing

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: Sequence[RunTag], run_name: str | None
    ) -> Run:
        """Create a run inside the trial's own: MLflow would put it beside all trials of the sweep."""
        within = list(tags or ())
        if self._own and not any(tag.key == MLFLOW_PARENT_RUN_ID for tag in within):
            within.append(RunTag(MLFLOW_PARENT_RUN_ID, self._own))
        return super().create_run(experiment_id, user_id, start_time, within, run_name)

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log one point, as MLflow's store does."""
        if run_id != self._own:
            super().log_metric(run_id, metric)
            return
        _validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
        self._log_own_metrics(run_id, [metric])

    def log_batch(
        self, run_id: str, metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[RunTag]
    ) -> None:
        """Log points, params and tags, as MLflow's store does."""
        if run_id != self._own:
            super().log_batch(run_id, metrics, params, tags)
            return
        for index, metric in enumerate(metrics):
            _validate_metric(metric.key, metric.value, metric.timestamp, metric.step, path=f"metrics[{index}]")
        _validate_batch_log_limits(metrics, params, tags)
        _validate_param_keys_unique(params)
        if params or tags:
            self._give_way(params)
            super().log_batch(run_id, [], params, tags)
        self._log_own_metrics(run_id, metrics)

    def log_param(self, run_id: str, param: Param) -> None:
        """Log a param, as MLflow's store does."""
        if run_id == self._own:
            self._give_way([param])
        super().log_param(run_id, param)

    def _log_own_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        points = {_identity(metric): metric for metric in metrics}
        if of_models := [metric for metric in metrics if metric.model_id is not None]:
            # MLflow logs the points of a run again for each model that it logs: those are not new.
            for identity in self._known(run_id, {_identity(metric) for metric in of_models}):
                points.pop(identity, None)
            experiment_id = super().get_run(run_id).info.experiment_id
            self._log_model_metrics(run_id, list(metrics), experiment_id=experiment_id)
        if points and self._folder:
            report(self._folder.root, [_line(metric) for metric in points.values()], self._wake)

    def _known(self, run_id: str, identities: set[_Identity]) -> set[_Identity]:
        self._flush()
        columns = (SqlMetric.key, SqlMetric.step, SqlMetric.timestamp, SqlMetric.is_nan, SqlMetric.value)
        with self.ManagedSessionMaker() as session:
            found = session.query(*columns).filter(
                SqlMetric.run_uuid == run_id,
                SqlMetric.key.in_(sorted({key for key, *_ in identities})),
                SqlMetric.timestamp.in_(sorted({time for _, _, time, *_ in identities})),
            )
            return identities & {(key, step, time, bool(is_nan), value) for key, step, time, is_nan, value in found}

    def _give_way(self, params: Iterable[Param]) -> None:
        """Let the user's words for a param replace those of the mirror.

        Without the workbench nobody would have written ``0.10`` before a script logs ``0.1``, and MLflow refuses a
        changed param by an exception that would end the script.
        """
        theirs = [_validate_param(p.key, p.value) for p in params if self._launched.get(p.key, p.value) != p.value]
        if not theirs:
            return
        put = insert(SqlParam.__table__)
        with self.ManagedSessionMaker(read_only=False) as session:
            for param in theirs:
                session.execute(
                    put.values(run_uuid=self._own, key=param.key, value=param.value).on_conflict_do_update(
                        index_elements=["key", "run_uuid"],
                        set_={"value": put.excluded.value},
                        where=SqlParam.__table__.c.value == self._launched[param.key],
                    )
                )

    # Reading

    def get_run(self, run_id: str) -> Run:
        """Return a run, with all that it has logged so far."""
        self._flush_for([run_id])
        return super().get_run(run_id)

    def get_metric_history(self, run_id: str, metric_key: str, *args: Any, **options: Any) -> Any:
        """Return the points of a metric."""
        self._flush_for([run_id])
        return super().get_metric_history(run_id, metric_key, *args, **options)

    def get_metric_history_bulk(self, run_ids: Sequence[str], *args: Any, **options: Any) -> Any:
        """Return the points of a metric in several runs."""
        self._flush_for(run_ids)
        return super().get_metric_history_bulk(run_ids, *args, **options)

    def get_max_step_for_metric(self, run_id: str, *args: Any, **options: Any) -> Any:
        """Return the largest step of a metric."""
        self._flush_for([run_id])
        return super().get_max_step_for_metric(run_id, *args, **options)

    def get_metric_history_bulk_interval(self, run_ids: Sequence[str], *args: Any, **options: Any) -> Any:
        """Return points of a metric in several runs, thinned out."""
        self._flush_for(run_ids)
        return super().get_metric_history_bulk_interval(run_ids, *args, **options)

    def get_metric_history_bulk_interval_from_steps(self, run_id: str, *args: Any, **options: Any) -> Any:
        """Return the points of a metric at given steps."""
        self._flush_for([run_id])
        return super().get_metric_history_bulk_interval_from_steps(run_id, *args, **options)

    def _search_runs(self, *args: Any, **options: Any) -> Any:
        self._flush()
        return super()._search_runs(*args, **options)

    def _flush_for(self, run_ids: Iterable[str]) -> None:
        if self._own is not None and self._own in run_ids:
            self._flush()

    def _flush(self) -> None:
        """Bring the lines so far to MLflow's tables, where the mirror's copies of them will find them."""
        if not (self._folder and self._own):
            return
        with self._flushing:
            points, offset = read_points(self._folder.metrics, self._flushed)
            self.add_points((self._own, *point) for point in points)
            self._flushed = offset


def _identity(metric: Metric) -> _Identity:
    return metric.key, int(metric.step), int(metric.timestamp), *storable(float(metric.value))


def _line(metric: Metric) -> Line:
    key, step, time, *_ = _identity(metric)
    if not (-(2**63) <= step < 2**63 and time < 2**63):
        raise MlflowException.invalid_parameter_value(
            f"Step and timestamp of metric '{key}' must be 64-bit integers, got step={step} and timestamp={time}"
        )
    return key, float(metric.value), step, time
