"""The disk is full: nothing is promised that is not kept, and all goes on once there is room."""

import resource
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.journeys.conftest import House, OpenHouse, Porter, Post, until
from tests.journeys.small_disk import NoDisk, SmallDisk

OFTEN = "from gateway.stories import vigil; vigil.EVERY = 0.5; "
ON_DISK = {"state": "disk/state", "bans": "disk/bans"}


class Asked:
    """Who asked, and what the desk answered."""

    def __init__(self, house: House, someone: Callable[[], str]) -> None:
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self.house, self._someone = house, someone

    async def one(self) -> bool:
        """Whether the desk took one more request."""
        name = self._someone()
        reply = await self.house.ask(name, f"{name}@example.net")
        if reply.status == 200:
            self.accepted.append(f"{name}@example.net")
            return True
        assert reply.status == 503
        assert int(reply.headers["Retry-After"]) > 0
        self.refused.append(f"{name}@example.net")
        return False


async def fills_up_and_has_room_again(
    asked: Asked,
    porter: Porter,
    rows: Callable[..., list[Any]],
    post: Post,
    fill: Callable[[], None],
    empty: Callable[[], None],
) -> None:
    assert await asked.one()
    await post.mail_to(asked.accepted[0])
    fill()
    # The log of the database has room in itself for a while.
    while await asked.one():
        assert len(asked.accepted) < 500
    for _ in range(5):
        await asked.one()
    assert (await asked.house.look()).status == 200
    assert (await asked.house.look("/readyz")).status == 503
    empty()
    assert await asked.one()
    assert (await asked.house.look("/readyz")).status == 200

    # Every promise has its row and its mail, and nobody else has one.
    await until(lambda: {str(mail["To"]) for mail in post.mails} >= set(asked.accepted))
    assert {str(mail["To"]) for mail in post.mails} == set(asked.accepted)
    assert {email for (email,) in rows("SELECT email FROM registrations")} == set(asked.accepted)
    assert rows("PRAGMA integrity_check") == [("ok",)]
    query = "SELECT text FROM alerts WHERE cause = 'saving'"
    ((told,),) = await until(lambda: rows(query))
    assert f"{len(asked.refused)} requests were turned away" in told
    assert await porter.stop() == 0
    assert "Traceback" not in porter.said


async def on_a_full_disk(house: House, disk: SmallDisk, asked: Asked, post: Post) -> None:
    rows = partial(disk.rows, house.database)
    porter = await house.serve("gateway", within=disk.within, first=OFTEN)
    await fills_up_and_has_room_again(asked, porter, rows, post, disk.fill, disk.empty)


async def on_files_that_cannot_grow(house: House, asked: Asked, post: Post) -> None:
    """What needs no rights: the same errors reach the desk, as a limit of its process."""
    porter = await house.serve("gateway", first=OFTEN)
    soft, hard = resource.prlimit(porter.pid, resource.RLIMIT_FSIZE)

    def fill() -> None:
        resource.prlimit(porter.pid, resource.RLIMIT_FSIZE, (house.database.stat().st_size, hard))

    def empty() -> None:
        resource.prlimit(porter.pid, resource.RLIMIT_FSIZE, (soft, hard))

    await fills_up_and_has_room_again(asked, porter, house.rows, post, fill, empty)


async def test_a_full_disk_keeps_every_promise_and_is_told_without_a_restart(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_file_house(**ON_DISK)
    (house.folder / "disk").mkdir()
    disk, asked = SmallDisk(house.folder / "disk", 4), Asked(house, someone)
    try:
        try:
            await disk.mount()
        except NoDisk:
            await on_files_that_cannot_grow(house, asked, post)
        else:
            await on_a_full_disk(house, disk, asked, post)
    finally:
        for each in house.processes:
            await each.kill()
        await disk.unmount()
