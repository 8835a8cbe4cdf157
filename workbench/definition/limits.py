"""How long and how much a job may run; all times in seconds, and small ones are taken as they are."""

from __future__ import annotations

from workbench.definition.checking import Checked, Count, Positive

__all__ = ["CommandJobLimits", "SweepJobLimits"]


class CommandJobLimits(Checked):
    """Limits of a command job.

    Args:
        timeout: seconds after which the job is stopped. Azure raises values under 60 to 60; here they hold.
    """

    timeout: Positive | None = None


class SweepJobLimits(Checked):
    """Limits of a sweep.

    Args:
        max_total_trials: how many trials to start at most; 1000 if unset.
        max_concurrent_trials: how many run at once; more than ``max_total_trials`` does no harm.
        timeout: seconds for the whole sweep. Azure raises values under 60 to 60; here they hold.
        trial_timeout: seconds for each trial.
    """

    max_total_trials: Count | None = None
    max_concurrent_trials: Count | None = None
    timeout: Positive | None = None
    trial_timeout: Positive | None = None
