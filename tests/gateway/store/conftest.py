"""A real, empty database in a folder of its own."""

import pytest

from gateway.store.database import Database


@pytest.fixture
async def database(tmp_path):
    database = Database(tmp_path / "state" / "porter.db")
    database.open()
    yield database
    await database.close()
