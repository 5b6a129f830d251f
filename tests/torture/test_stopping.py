"""A stop that nobody makes easy: it ends in time all the same, and what is owed stays owed."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.journeys.conftest import AUTHORITY, SMTP_PASSWORD, OpenHouse, until
from tests.journeys.test_stopping import SOON, slow_clients
from tests.stand_ins.hostile_post import Fault, HostilePost
from tests.torture.figures import tell

pytestmark = pytest.mark.torture


async def test_stop_and_stop_again_while_the_mail_server_drips_and_will_not_say_goodbye(
    open_file_house: OpenHouse, someone: Callable[[], str]
) -> None:
    post = HostilePost(AUTHORITY, SMTP_PASSWORD)
    # One takes the mail and never says so, one is at rest and answers no farewell.
    post.faults.extend([Fault("quit", "silence"), Fault("dot", "tarpit"), Fault("dot", "tarpit")])
    post.usual = Fault("quit", "silence")
    await post.start()
    try:
        house = await open_file_house(smtp={"port": post.port, "timeout": "60s"})
        porter = await house.serve("gateway")
        names = [someone() for _ in range(6)]
        for name in names:
            assert (await house.ask(name, f"{name}@example.net")).status == 200
        slow = slow_clients(house)
        await until(lambda: len(post.mails) > 1)
        began = time.monotonic()
        # From an impatient service manager.
        assert {*await asyncio.gather(*(porter.stop() for _ in range(3)))} == {0}
        took = time.monotonic() - began
        tell("A hard stop", {"seconds": f"{took:.1f}"})
        assert took < SOON
        assert "Traceback" not in porter.said
        assert "never awaited" not in porter.said
        for client in slow:
            client.close()
        # What was not said to be taken is still owed.
        sent = {row for (row,) in house.rows("SELECT status FROM mails")}
        assert sent <= {"sent", "queued"}
        assert house.rows("SELECT count(*) FROM mails") == [(len(names),)]
    finally:
        await post.stop()
