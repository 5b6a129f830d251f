"""A rush at the door, shortly; `make torture` has one of ten minutes."""

from tests.journeys.conftest import OpenHouse
from tests.torture.rush import Rush

RATE, SECONDS = 500, 2


async def test_each_request_of_a_rush_is_answered_and_those_heard_are_recorded(
    open_file_house: OpenHouse, seed: int
) -> None:
    async with Rush.on(open_file_house, seed) as rush:
        counts = await rush.bear(RATE, SECONDS)
        rows = rush.count("registrations")
    assert counts.total == RATE * SECONDS
    assert counts.statuses <= {200, 403, 409, 422, 503}
    assert not counts.broken
    heard = {key: spans.total() for key, spans in counts.times.items() if key[1] != 503}
    pages = sum(count for (kind, _), count in heard.items() if kind in ("front", "static"))
    assert rows == sum(heard.values()) - pages
