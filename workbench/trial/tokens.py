"""The token with which a trial calls MLflow over HTTP: which trial it is, and a secret.

Standard library only.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

__all__ = ["Token", "new_token", "read_token"]

_LONGEST = 4096


@dataclass(frozen=True)
class Token:
    """What a token claims.

    Args:
        folder: of the trial, relative to the workspace's ``runs``.
    """

    folder: str


def new_token(folder: str) -> str:
    """Return a token for the trial in ``folder``; it is written into its ``trial.json`` and into nothing else."""
    return f"{folder.encode().hex()}.{secrets.token_urlsafe(24)}"


def read_token(text: str) -> Token | None:
    """Return what a token claims, or None when it is none; whether the claim is true is another question."""
    name, dot, secret = text.partition(".")
    if not (dot and secret) or len(text) > _LONGEST:
        return None
    try:
        return Token(bytes.fromhex(name).decode())
    except ValueError:
        return None
