"""Ports that are chosen now and listened at later, perhaps again and again."""

from __future__ import annotations

import random
import socket

__all__ = ["is_free", "lasting_port"]

# Below those that Linux gives to outgoing connections and to whoever asks for any port (32768 to 60999), one of which
# may be taken at any moment; above those of most services.
_LASTING = range(20_000, 32_768)


def is_free(port: int) -> bool:
    """Return whether a server could listen at a port of this machine now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def lasting_port() -> int:
    """Return a port that is free and that nobody takes by chance.

    Raises:
        OSError: all are taken.
    """
    for port in random.sample(_LASTING, len(_LASTING)):
        if is_free(port):
            return port
    raise OSError(f"no port between {_LASTING.start} and {_LASTING.stop} is free")
