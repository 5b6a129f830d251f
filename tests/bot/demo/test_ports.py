"""Free ports are free."""

import socket

from bot.demo.ports import free_port


def test_a_taken_port_is_replaced() -> None:
    wanted = free_port()
    assert free_port(wanted) == wanted
    with socket.create_server(("127.0.0.1", wanted)):
        other = free_port(wanted)
        assert other != wanted
        socket.create_server(("127.0.0.1", other)).close()
