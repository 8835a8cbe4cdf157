"""The loop that runs a workspace: queue, search, stopping, adoption, requests; one process, outside every kernel."""
