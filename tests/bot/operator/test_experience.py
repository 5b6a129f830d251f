"""Many mailed tokens and not one account are told of, for nothing else may show that they fail."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bot.operator.experience import recall
from gateway.settings.config import parse
from gateway.settings.settings import Settings
from gateway.store.database import Database
from gateway.store.registrations import Status
from gateway.store.schema import registrations

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def settings_at(folder: Path) -> Settings:
    return parse(
        """
        server_name: example.org
        state: .
        bans: bans
        homeserver: {kind: conduwuit, url: "http://x", token_file: token}
        smtp: {host: mail.example.org, from: desk@example.org}
        """,
        folder,
        {},
    )


async def write_down(path: Path, rows: dict[Status, int], at: datetime) -> None:
    """A desk's database that is left as a running desk leaves it."""
    database = Database(path)
    database.open()
    words = dict.fromkeys(("name", "email", "email_key", "ip", "network", "language"), "x")
    values = {"refusals": "[]", "name_checked": True, "held_until": at, "created_at": at} | words

    def add(connection):
        for status, count in rows.items():
            for _ in range(count):
                connection.execute(registrations.insert().values(values | {"status": status}))

    await database.write(add)
    await database.close()


@pytest.mark.parametrize(
    ("rows", "at", "is_told"),
    [
        ({Status.MAILED: 10}, NOW - 2 * DAY, True),
        ({Status.MAILED: 9}, NOW - 2 * DAY, False),
        ({Status.MAILED: 30, Status.REGISTERED: 1}, NOW - 2 * DAY, False),
        ({Status.REFUSED: 30, Status.PENDING: 30}, NOW - 2 * DAY, False),
        ({Status.MAILED: 30}, NOW, False),
        ({Status.MAILED: 30}, NOW - 40 * DAY, False),
    ],
)
async def test_tokens_of_which_no_account_came_are_a_warning(
    tmp_path: Path, rows: dict[Status, int], at: datetime, is_told: bool
) -> None:
    path = tmp_path / "porter.db"
    await write_down(path, rows, at)
    before = path.read_bytes()
    found = await recall(settings_at(tmp_path), NOW)
    assert [each.is_warning for each in found] == [True] * is_told
    words = "homeserver.token_file: 10 people were mailed a token within 30 days, and no account"
    assert all(words in each.text for each in found)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if "lock" not in each.name] == ["porter.db"]


async def test_a_desk_that_has_not_begun_has_seen_nothing(tmp_path: Path) -> None:
    assert await recall(settings_at(tmp_path), NOW) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_database_that_is_none_is_told_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "porter.db").write_text("this is no database")
    assert await recall(settings_at(tmp_path), NOW) == []


@pytest.mark.parametrize(
    ("people", "places", "is_told"), [(20, 1, True), (19, 1, False), (20, 2, False), (150, 1, True)]
)
async def test_people_who_all_seem_to_be_in_one_place_are_a_warning(
    tmp_path: Path, people: int, places: int, is_told: bool
) -> None:
    await write_down(tmp_path / "porter.db", {Status.REFUSED: people}, NOW)
    database = Database(tmp_path / "porter.db")
    database.open()

    def spread(connection: Connection) -> None:
        for number in range(1, people + 1):
            connection.execute(
                registrations.update()
                .where(registrations.c.id == number)
                .values(email_key=f"{number}@x.org", ip=f"127.0.0.{number % places}")
            )

    await database.write(spread)
    await database.close()
    found = await recall(settings_at(tmp_path), NOW)
    assert [each.text.partition(":")[0] for each in found] == ["web.trusted_proxies"] * is_told
