"""A desk before a homeserver that lists its accounts."""

import pytest

from tests.gateway.conftest import ToldDirectory
from tests.gateway.stories.accounts.test_account_list import settled


@pytest.fixture
def directory(clock):
    return ToldDirectory(clock, lists=True)


@pytest.fixture
async def listing(open_house, directory):
    house = await open_house(directory=directory)
    await settled(house)
    return house
