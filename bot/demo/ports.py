"""Ports of this machine that nobody listens on."""

import socket


def free_port(wanted: int = 0, host: str = "127.0.0.1") -> int:
    """`wanted` when nobody listens on it, else a free port chosen by the system.

    The port is free at the moment of the call; whoever wants it should take it soon.
    """
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # A port that lately served an earlier run is still good to listen on.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"{host} has no free port left")
