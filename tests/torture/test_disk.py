"""Files that cannot grow, which needs no rights, also where a full disk can be had."""

from collections.abc import Callable

import pytest

from tests.journeys.conftest import OpenHouse, Post
from tests.journeys.small_disk import NoDisk, SmallDisk
from tests.journeys.test_disk import ON_DISK, Asked, on_files_that_cannot_grow

pytestmark = pytest.mark.torture


async def test_files_that_cannot_grow_keep_every_promise(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_file_house()
    await on_files_that_cannot_grow(house, Asked(house, someone), post)


async def test_a_ban_on_a_full_disk_is_refused_in_a_sentence_and_works_once_there_is_room(
    open_file_house: OpenHouse,
) -> None:
    house = await open_file_house(**ON_DISK)
    (house.folder / "disk").mkdir()
    disk = SmallDisk(house.folder / "disk", 4)
    try:
        try:
            await disk.mount()
        except NoDisk as error:
            pytest.skip(str(error))
        await house.serve("gateway", within=disk.within)
        ban = ("ban", "198.51.100.1")
        disk.fill()
        said = [await house.start(*ban, within=disk.within) for _ in range(3)]
        for each in said:
            assert await each.wait() == 1
            assert "Traceback" not in each.said
        assert any("Not done" in each.said for each in said), [each.said for each in said]
        ips = disk.path / "bans" / "ips.txt"
        assert not ips.exists() or ips.read_text() == ""
        disk.empty()
        again = await house.start(*ban, within=disk.within)
        assert await again.wait() == 0, again.said
        assert ips.read_text().count("198.51.100.1") == 1
    finally:
        for each in house.processes:
            await each.kill()
        await disk.unmount()
