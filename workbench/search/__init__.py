"""Which parameters to try next, and which trials must stop."""
