"""Questions to a Matrix Authentication Service: who may ask, and what its answers are worth."""

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from gateway.homeserver.homeserver import HomeserverError
from tests.stand_ins.mas import Mas

GRANT = "POST /oauth2/token"


async def listed(api: Any, **filters: str) -> list[str]:
    return [
        each.text("token")
        async for each in api.newest_first("/user-registration-tokens", **filters)
    ]


async def test_a_token_that_ended_early_is_renewed_once(service: Mas, edge: Any) -> None:
    api = edge.api()
    await api.ask("GET", "/users")
    service.ahead = timedelta(hours=1)  # its clock was set
    assert (await api.ask("GET", "/users")).status == 200
    assert service.asked.count(GRANT) == 2
    service.sessions.clear()  # it was restored from a backup
    assert (await api.ask("GET", "/users")).status == 200
    assert service.asked.count(GRANT) == 3


async def test_a_service_that_refuses_its_own_token_is_not_asked_for_ever(
    service: Mas, edge: Any
) -> None:
    service.life = -1
    api = edge.api()
    answer = await api.ask("GET", "/users")
    assert answer.status == 401 and service.asked.count(GRANT) == 2
    assert "homeserver.auth_url" in str(api.refusal("list", answer))


async def test_a_listener_without_the_admin_api_is_named(edge: Any) -> None:
    bare = Mas(serves_admin_api=False)
    await bare.start()
    try:
        with pytest.raises(HomeserverError, match="add `adminapi` to the resources"):
            await edge.api(url=bare.url).ask("GET", "/users")
    finally:
        await bare.stop()


async def test_a_prefix_of_the_address_is_kept(service: Mas, edge: Any) -> None:
    assert (await edge.api(url=f"{service.url}/").ask("GET", "/users")).status == 200
    with pytest.raises(HomeserverError):
        await edge.api(url=f"{service.url}/auth").ask("GET", "/users")
    assert service.asked[-1] == "GET /auth/.well-known/openid-configuration"


async def test_a_list_is_read_page_by_page_newest_first(
    service: Mas, edge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.homeserver.mas_api._PAGE", 3)
    for number in range(8):
        at = service.now + timedelta(seconds=number)
        service.add_token(f"t{number}", created_at=at, revoked_at=at if number == 5 else None)
    assert await listed(edge.api()) == [f"t{number}" for number in reversed(range(8))]
    assert await listed(edge.api(), revoked="false") == ["t7", "t6", "t4", "t3", "t2", "t1", "t0"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None, "links": {}},
        {"data": [], "links": None},
        {"data": ["x"], "links": {}},
        {"data": [{"id": "../../users", "attributes": {}}], "links": {}},
        {"data": [{"id": "0" * 26, "attributes": []}], "links": {}},
    ],
)
async def test_a_strange_list_is_none(serve: Any, edge: Any, body: Any) -> None:
    api = edge.api(url=await serve(_always(body)))
    with pytest.raises(HomeserverError, match="none of MAS' admin API"):
        await listed(api)


async def test_a_list_that_repeats_itself_ends(serve: Any, edge: Any) -> None:
    body = {"data": [{"id": "0" * 26, "attributes": {"token": "t"}}], "links": {"prev": "/more"}}
    api = edge.api(url=await serve(_always(body)))
    with pytest.raises(HomeserverError, match="none of MAS' admin API"):
        await listed(api)


def _always(body: Any) -> Any:
    async def answer(request: web.Request) -> web.Response:
        known = {"token_endpoint": f"{request.url.origin()}/token", "access_token": "mat_x"}
        return web.json_response(known | body if isinstance(body, dict) else body)

    return answer
