"""More requests than the desk can hear: a short word at once, instead of a long wait."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient

TYPED = {"requested_username": "ann", "email": "ann@example.net"}


@pytest.fixture(autouse=True)
def busy(desk: Any) -> None:
    desk.is_busy = True


async def test_an_applicant_is_asked_to_come_again(client: TestClient, desk: Any) -> None:
    answer = await client.post("/register", data=TYPED)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Very busy" in await answer.text()
    assert not desk.applications


async def test_a_script_is_told_so_in_json(client: TestClient) -> None:
    for _ in range(2):
        answer = await client.post("/register", json=TYPED)
        data = await answer.json()
        assert answer.status == 503
        assert [error["code"] for error in data["errors"]] == ["busy"]
        assert data["retry_after"] == int(answer.headers["Retry-After"]) == 5


async def test_the_page_is_shown_all_the_same(client: TestClient) -> None:
    for path in ("/", "/healthz", "/static/porter.css"):
        assert (await client.get(path)).status == 200


async def test_the_next_one_is_heard(client: TestClient, desk: Any) -> None:
    assert (await client.post("/register", data=TYPED)).status == 503
    desk.is_busy = False
    assert (await client.post("/register", data=TYPED)).status == 200
