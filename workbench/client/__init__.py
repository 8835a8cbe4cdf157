"""``MLClient`` with Azure's operations, acting on this machine."""
