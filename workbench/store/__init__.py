"""The SQLite file and the trial folder: where everything that must survive is written down."""
