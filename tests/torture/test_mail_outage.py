"""A mail server goes wrong in every way in turn, while applicants go on asking."""

import itertools
from collections import Counter

import pytest

from tests.journeys.conftest import OpenHouse, until
from tests.torture.figures import tell
from tests.torture.mail_outage import (
    FAULTS,
    Load,
    copies,
    heal,
    hostile_house,
    p99,
    sockets,
)

RATE, SECONDS = 20.0, 6.0
ROOM = 1000.0  # milliseconds of the p99: generous, for the machine may be busy with others


@pytest.mark.torture
async def test_a_hostile_mail_server_is_no_applicants_trouble(open_file_house: OpenHouse) -> None:
    figures: dict[str, object] = {}
    async with hostile_house(open_file_house) as (house, post):
        gateway = await house.serve()
        load = Load(house, RATE, Counter(), itertools.count())
        await load.go_on(2.0, "warm")
        emails, times = await load.go_on(SECONDS, "well")
        await heal(house, post, emails)
        figures["well"] = f"p99 {p99(times):.0f} ms"
        at_rest = sockets(gateway)
        down = ["is down", *FAULTS]
        for number, name in enumerate(down):
            if name == "is down":
                await post.stop()
            post.usual = FAULTS.get(name)
            emails, times = await load.go_on(SECONDS, f"f{number}x")
            during = sockets(gateway)
            if name == "is down":
                await post.start()
            healed = await heal(house, post, emails)
            mails = copies(post, emails)
            may_repeat = post_had_it(name)
            assert max(mails) <= (2 if may_repeat else 1), (name, mails)
            assert p99(times) < ROOM, (name, p99(times))
            figures[name] = (
                f"p99 {p99(times):.0f} ms, well again after {healed:.1f} s,"
                f" {mails[2]} of {len(emails)} twice, {during} sockets in it"
            )
        await until(lambda: sockets(gateway) <= at_rest + 2)
        figures["sockets at rest"] = f"{at_rest} before, {sockets(gateway)} after"
        assert await gateway.stop() == 0
        assert "Traceback" not in gateway.said
    tell("The mail server", figures)


def post_had_it(fault: str) -> bool:
    """Whether it took the mail and did not say so."""
    return fault in FAULTS and FAULTS[fault].step == "dot"
