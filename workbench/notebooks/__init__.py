"""Notebook trials: parameters, and execution through papermill with live progress."""
