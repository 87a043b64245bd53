"""Whether anybody listens at an address, told at once: TVM and Ray themselves try for minutes."""

from __future__ import annotations

import socket

_SECONDS = 10.0


def reach(host: str, port: int) -> None:
    """Raise OSError when no connection to the port of the host comes about."""
    socket.create_connection((host, port), _SECONDS).close()
