"""Ten minutes of twice what the desk can bear: many are turned away at once, none waits long."""

import pytest

from tests.journeys.conftest import OpenHouse
from tests.torture.figures import tell
from tests.torture.rush import Rush

SECONDS = 600
FACTOR = 2.0  # times the rate of POST /register that was measured just before
P99 = 250  # milliseconds for those who were let in
GROWTH = 40  # MiB that the desk may grow by after its first two minutes


@pytest.mark.torture
async def test_a_rush_is_borne(open_file_house: OpenHouse, seed: int) -> None:
    async with Rush.on(open_file_house, seed) as rush:
        rate = await rush.measure()
        counts = await rush.bear(FACTOR * rate, SECONDS)
    tell("Load", rush.figures)
    assert counts.statuses <= {200, 403, 409, 422, 429, 503}
    assert not counts.broken
    assert not counts.unanswered
    assert counts.accepted(0.99) < P99
    assert rush.growth < GROWTH
