"""Where servers listen: on this machine alone, at the first free port."""

from __future__ import annotations

import socket

from rl.errors import UserError

HOST = "127.0.0.1"
_TRIED = 100


def free_port(first: int, option: str) -> int:
    """`first`, or the next port after it that nobody listens on. Raises UserError, naming the option that asked for it,
    where it is no port or all are taken."""
    if not 0 < first < 65536:
        raise UserError(f"{option} {first}: must be from 1 to 65535")
    for port in range(first, min(first + _TRIED, 65536)):
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((HOST, port))
            except OSError:
                continue
            return port
    raise UserError(f"{option} {first}: it and the {_TRIED - 1} after it are taken")
