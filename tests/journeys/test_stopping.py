"""The service manager says stop: the desk ends soon, in order, and loses nothing."""

import socket
import time
from collections.abc import Callable

from tests.journeys.conftest import House, OpenHouse, Post, until

SOON = 8.0  # seconds; a service manager grants 90 before it kills


def slow_clients(house: House) -> list[socket.socket]:
    """One that says nothing, one in the middle of its headers, one in the middle of its body."""
    head = b"POST /register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    clients = []
    for words in (b"", head, head + b"Content-Length: 100\r\n\r\n{"):
        clients.append(socket.create_connection(("127.0.0.1", house.config["web"]["port"])))
        clients[-1].sendall(words)
    return clients


async def test_stop_while_mails_are_on_their_way_and_a_client_is_slow(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_file_house(smtp={"timeout": "30s"})
    porter = await house.serve("run")
    assert "the gateway runs alone" in porter.said
    names = [someone() for _ in range(12)]
    post.pause = 0.5
    post.stuck = f"{names[0]}@example.net"
    for name in names:
        assert (await house.ask(name, f"{name}@example.net")).status == 200
    slow = slow_clients(house)
    await until(lambda: post.under_way > 1)

    began = time.monotonic()
    assert await porter.stop() == 0
    assert time.monotonic() - began < SOON
    assert "Traceback" not in porter.said
    assert {each["event"] for each in porter.events} <= {
        "alone_at_work",
        "page_served",
        "mail_sent",
        "token_in_force",
    }
    for client in slow:
        client.close()

    post.stuck = ""
    porter = await house.serve("gateway")
    await house.until_nothing_is_owed()
    assert sorted(mail["To"] for mail in post.mails) == sorted(f"{n}@example.net" for n in names)
    assert await porter.stop() == 0
