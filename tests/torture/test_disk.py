"""Files that cannot grow, which needs no rights, also where a full disk can be had."""

from collections.abc import Callable

import pytest

from tests.journeys.conftest import OpenHouse, Post
from tests.journeys.test_disk import Asked, on_files_that_cannot_grow

pytestmark = pytest.mark.torture


async def test_files_that_cannot_grow_keep_every_promise(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_file_house()
    await on_files_that_cannot_grow(house, Asked(house, someone), post)
