"""MLflow: every job is a run, a metric call costs microseconds, and models are registered with their lineage."""
