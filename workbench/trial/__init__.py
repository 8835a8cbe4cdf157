"""The trial host: runs one trial in its folder, whatever happens to everybody else."""
