"""The terminal's side of the workbench: the same verbs as the client, with ``--json`` where they read."""
