"""A mail server goes wrong in every way in turn, while applicants go on asking."""

import asyncio
import itertools
import time
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

# A look-up of the mail server's name takes as long as a dead name server makes it take.
HANGING = (
    "import socket, time; real = socket.getaddrinfo;"
    " socket.getaddrinfo = lambda host, *more, **also:"
    " (host == 'localhost' and time.sleep(25)) or real(host, *more, **also); "
)
RATE, SECONDS = 20.0, 3.0
ROOM = 1000.0  # milliseconds of the p99: generous, for the machine may be busy with others


@pytest.mark.torture
async def test_a_hostile_mail_server_is_no_applicants_trouble(open_file_house: OpenHouse) -> None:
    figures: dict[str, object] = {}
    async with hostile_house(open_file_house) as (house, post):
        post.hangs_up = True  # so that faults of a connection befall every mail
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


@pytest.mark.torture
async def test_a_resolver_that_hangs_holds_up_neither_applicants_nor_bans(
    open_file_house: OpenHouse,
) -> None:
    async with hostile_house(open_file_house) as (house, _):
        house.config["smtp"]["timeout"] = "10s"
        gateway = await house.serve(first=HANGING)
        load = Load(house, RATE, Counter(), itertools.count())
        _, times = await load.go_on(25.0, "well")  # as many look-ups hang as ever will
        (house.folder / "bans" / "emails.txt").write_text("@spam.example\n")
        began = time.monotonic()
        while (await house.ask(f"n{time.monotonic_ns()}", "eve@spam.example")).status != 403:
            await asyncio.sleep(0.1)
        lasted = time.monotonic() - began
        assert p99(times) < ROOM and lasted < 8
        await gateway.kill()  # its threads sleep on
    tell("A resolver that hangs", {"p99": f"{p99(times):.0f} ms", "ban after": f"{lasted:.1f} s"})


def post_had_it(fault: str) -> bool:
    """Whether it took the mail and did not say so."""
    return fault in FAULTS and FAULTS[fault].step == "dot"
