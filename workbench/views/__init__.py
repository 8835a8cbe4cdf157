"""What people see of jobs and sweeps: facts, figures, and the sessions that keep a view up to date."""

__all__: list[str] = []
