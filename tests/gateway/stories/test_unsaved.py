"""What could not be saved is not forgotten before it is told."""

from datetime import UTC, datetime, timedelta

from gateway.stories.unsaved import Outage, Unsaved

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=3)


def test_an_outage_counts_the_requests_that_were_turned_away():
    unsaved = Unsaved()
    assert unsaved.take() is None
    unsaved.note("locked", NOW)
    unsaved.note("disk full", LATER, requests=1)
    unsaved.note("disk full", LATER, requests=1)
    assert unsaved.take() == Outage(NOW, LATER, 2, "disk full")
    assert unsaved.take() is None


def test_what_could_not_be_told_is_joined_with_what_came_since():
    unsaved = Unsaved()
    unsaved.note("disk full", NOW, requests=1)
    outage = unsaved.take()
    assert outage is not None
    unsaved.note("locked", LATER, requests=2)
    unsaved.give_back(outage)
    assert unsaved.take() == Outage(NOW, LATER, 3, "locked")
