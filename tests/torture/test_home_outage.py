"""A real homeserver that answers wrongly, falls silent, and is put back to an earlier state; and a
desk that is. What is mailed works, and nobody is mailed twice what he has used."""

import asyncio
import itertools
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from bot.demo.applicant import Applicant
from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from tests.journeys.conftest import House, OpenHouse, Post, token_of, until
from tests.stand_ins.bad_line import BadLine
from tests.torture.figures import tell
from tests.torture.mail_outage import Load, p99

# Looks that are taken every ten minutes.
OFTEN = (
    "from gateway.stories.tokens import roll_call, shared_token;"
    " roll_call._EVERY = roll_call._AGAIN = shared_token._EVERY = 0.5; "
)
FAULTS = ("html", "half", "limit", "lost", "slow", "astray")
RATE, SECONDS = 4.0, 5.0
# Milliseconds of the p99: the word on a name is waited for up to two seconds, and a Synapse makes
# all but the first questions of a second wait for one (UsernameAvailabilityRestServlet, 1.163).
ROOM = 3000.0


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Synapse]:
    """A Synapse of this test's own, to be stopped and put back."""
    home = Synapse(tmp_path / "home", "porter.localhost", free_port())
    await home.start()
    yield home
    await home.stop()


async def desk_before(home: Synapse, url: str, open_house: OpenHouse) -> House:
    house = await open_house(homeserver={"url": url, "timeout": "2s"})
    admin = await home.register_user("operator", "pass-word-1", admin=True)
    (house.folder / "secrets" / "admin").write_text(admin)
    house.secrets.add(admin)
    return house


async def mailed(house: House, post: Post, name: str) -> str:
    assert (await house.ask(name, f"{name}@example.net")).status == 200
    return token_of(await post.mail_to(f"{name}@example.net"))


async def opens(session: aiohttp.ClientSession, home: Synapse, name: str, token: str) -> bool:
    status, _ = await Applicant(session, "", home.url, "203.0.113.7").open_account(name, token)
    return status == 200


@pytest.mark.torture
async def test_a_homeserver_that_answers_wrongly_delays_mails_and_loses_none(
    open_house: OpenHouse, home: Synapse, post: Post, session: aiohttp.ClientSession
) -> None:
    line = BadLine(home.url)
    await line.start()
    figures: dict[str, object] = {}
    try:
        house = await desk_before(home, line.url, open_house)
        gateway = await house.serve()
        load = Load(house, RATE, Counter(), itertools.count())
        await load.go_on(2.0, "warm")
        for fault in ("", *FAULTS):
            line.faults.extend([fault] * 1000 if fault else [])
            emails, times = await load.go_on(SECONDS, f"{fault or 'well'}-")
            line.faults.clear()
            await house.until_nothing_is_owed(pause=1.5, limit=90.0)
            assert {len(post.to(email)) for email in emails} == {1}
            assert p99(times) < ROOM, (fault, p99(times))
            figures[fault or "well"] = f"p99 {p99(times):.0f} ms, {len(emails)} mails, each once"
            token = token_of(post.to(emails[-1])[0])
            assert await opens(session, home, emails[-1].partition("@")[0], token)
        assert await gateway.stop() == 0
        assert "Traceback" not in gateway.said
    finally:
        await line.stop()
    tell("The homeserver", figures)


@pytest.mark.torture
async def test_a_homeserver_put_back_to_a_backup_has_the_tokens_again_that_people_have(
    open_house: OpenHouse, home: Synapse, post: Post, session: aiohttp.ClientSession
) -> None:
    house = await desk_before(home, home.url, open_house)
    gateway = await house.serve(first=OFTEN)
    early, gone = await mailed(house, post, "early"), await mailed(house, post, "gone")
    file, backup = home.folder / "homeserver.db", home.folder / "backup.db"
    await home.stop()
    shutil.copy(file, backup)
    await home.start()
    # The look for accounts reads what is new: somebody comes whose account the backup has not.
    lost = {name: await mailed(house, post, name) for name in ("cid", "dan", "eve")}
    assert await opens(session, home, "cid", lost["cid"])
    await until(lambda: house.statuses("cid@example.net") == ["registered"])
    said = await house.run("token", "revoke", "registration", "2")  # it has leaked
    assert not await opens(session, home, "thief", gone), said
    await post.stop()
    assert (await house.ask("late", "late@example.net")).status == 200
    await gateway.until_said("mail_failed")  # its token was issued, and is in no mail yet

    await home.stop()
    shutil.copy(backup, file)
    await home.start()
    began = asyncio.get_running_loop().time()
    await gateway.until_said("tokens_put_back")
    lasted = asyncio.get_running_loop().time() - began
    await post.start()
    await house.until_nothing_is_owed(pause=1.5)
    late = token_of(await post.mail_to("late@example.net"))
    tokens = {"early": early, "dan": lost["dan"], "eve": lost["eve"], "late": late}
    for name, token in tokens.items():
        assert len(post.to(f"{name}@example.net")) == 1
        assert await opens(session, home, name, token), name
        await until(lambda name=name: house.statuses(f"{name}@example.net") == ["registered"])
    await until(
        lambda: (
            not house.rows(
                "SELECT 1 FROM tokens WHERE withdraw_at <= datetime() AND withdrawn_at IS NULL"
            )
        )
    )
    assert not await opens(session, home, "thief", gone), "what was revoked is alive again"
    assert house.rows("SELECT 1 FROM alerts WHERE cause = 'tokens lost'")
    assert await gateway.stop() == 0
    assert "Traceback" not in gateway.said
    tell("The homeserver put back", {"tokens in force again after": f"{lasted:.1f} s"})


@pytest.mark.torture
async def test_a_desk_put_back_to_a_backup_mails_nobody_what_he_has_used(
    open_house: OpenHouse,
    home: Synapse,
    post: Post,
    session: aiohttp.ClientSession,
    someone: Callable[[], str],
) -> None:
    house = await desk_before(home, home.url, open_house)
    gateway = await house.serve()
    await post.stop()
    assert (await house.ask("hal", "hal@example.net")).status == 200
    await gateway.until_said("mail_failed")
    backup = house.folder / "backup.db"
    await house.run("backup", str(backup))
    await post.start()
    await house.until_nothing_is_owed(pause=0.5)
    assert await opens(session, home, "hal", token_of(await post.mail_to("hal@example.net")))
    since = await mailed(house, post, "ida")  # of whom the backup knows nothing
    assert await gateway.stop() == 0
    for each in house.database.parent.glob("porter.db*"):
        each.unlink()
    shutil.copy(backup, house.database)
    gateway = await house.serve()
    house.hurry()
    await until(lambda: house.statuses("hal@example.net") == ["registered"])
    await house.until_nothing_is_owed()
    assert len(post.to("hal@example.net")) == 1
    # Her token is none of ours any more, and opens her account all the same.
    assert await opens(session, home, "ida", since)
    assert await mailed(house, post, someone())
    assert await gateway.stop() == 0
    assert "Traceback" not in gateway.said
