"""From an environment to something that can run: a cached virtual environment or a cached image."""
