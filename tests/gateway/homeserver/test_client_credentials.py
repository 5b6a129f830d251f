"""How an access token is fetched, kept and renewed, and what is said when there is none."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.homeserver.client_credentials import ClientCredentials
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.question import Answer
from tests.stand_ins.mas import CLIENT_SECRET, Mas

GRANT = "POST /oauth2/token"


async def refusal(credentials: ClientCredentials) -> str:
    with pytest.raises(HomeserverError) as caught:
        await credentials.token()
    said = str(caught.value)
    assert CLIENT_SECRET not in said and "\n" not in said and "mat_" not in said
    return said


async def test_questions_at_the_same_time_fetch_one_token(service: Mas, edge: Any) -> None:
    credentials = edge.credentials()
    tokens = {*await asyncio.gather(*(credentials.token() for _ in range(20)))}
    assert len(tokens) == 1 and service.asked.count(GRANT) == 1


async def test_a_token_is_renewed_before_it_ends(
    service: Mas, edge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("gateway.homeserver.client_credentials.time", clock)
    credentials = edge.credentials()
    first = await credentials.token()
    now += service.life * 0.79
    assert await credentials.token() == first
    now += service.life * 0.02
    assert await credentials.token() != first
    assert service.asked.count(GRANT) == 2


async def test_a_token_that_was_refused_is_fetched_anew_once(service: Mas, edge: Any) -> None:
    credentials = edge.credentials()
    first = await credentials.token()
    for _ in range(3):  # as many questions were refused with it
        credentials.forget(first)
        assert await credentials.token() != first
    assert service.asked.count(GRANT) == 2


async def test_a_failure_is_no_token_for_whoever_asks_next(service: Mas, edge: Any) -> None:
    credentials = edge.credentials()
    service.clients.clear()
    await refusal(credentials)
    service.clients = Mas().clients
    assert await credentials.token()


async def test_a_wrong_secret_names_both_settings(edge: Any) -> None:
    said = await refusal(edge.credentials(secret="wrong"))
    assert "homeserver.client_id and homeserver.client_secret" in said
    assert "client_secret_basic" in said and "wrong" not in said


async def test_a_client_that_may_not_administer_is_told_where_to_be_named(
    service: Mas, edge: Any
) -> None:
    service.admin_clients.clear()
    said = await refusal(edge.credentials())
    assert "policy.data.admin_clients" in said and "homeserver.client_id" in said


async def test_an_address_that_is_no_service_says_what_it_must_be(serve: Any, edge: Any) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    said = await refusal(edge.credentials(url=await serve(page)))
    assert "homeserver.auth_url must lead to a listener" in said and "<html>" not in said


@pytest.mark.parametrize(
    "named", [None, 7, "", "/oauth2/token", "ftp://x/token", "http://[", "http://a:b@x/token", {}]
)
async def test_a_service_that_names_no_token_endpoint_gets_no_secret(
    serve: Any, edge: Any, named: Any
) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers
        return web.json_response({"token_endpoint": named})

    said = await refusal(edge.credentials(url=await serve(answer)))
    assert "named no token endpoint; homeserver.auth_url must" in said


async def test_the_secret_never_leaves_tls(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def ask(session: Any, method: str, url: Any, **more: Any) -> Any:
        asked.append(str(url))
        return Answer(200, {"token_endpoint": "http://auth.example.org/oauth2/token"})

    monkeypatch.setattr("gateway.homeserver.client_credentials.ask", ask)
    limit = timedelta(seconds=1)
    there = ClientCredentials(session, "https://auth.example.org", "c", CLIENT_SECRET, limit)
    assert "without TLS" in await refusal(there)
    assert asked == ["https://auth.example.org/.well-known/openid-configuration"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": "unauthorized_client"}, "needs a client_secret"),
        (429, {"error": "slow_down"}, "asks to slow down"),
        (500, {"error": "server_error"}, "it answered 500 server_error"),
        (200, {"token_type": "Bearer"}, "it answered 200"),
        (200, {"access_token": 7}, "it answered 200"),
        (200, {"access_token": "mat_x\r\nX-Evil: y"}, "it answered 200"),
        (200, {"access_token": "mat_x", "scope": "openid"}, "policy.data.admin_clients"),
    ],
)
async def test_other_answers_are_no_token(
    serve: Any, edge: Any, status: int, body: dict[str, Any], said: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"token_endpoint": f"{request.url.origin()}/oauth2/token"})
        return web.json_response(body, status=status)

    assert said in await refusal(edge.credentials(url=await serve(answer)))


@pytest.mark.parametrize("life", [None, "soon", -1, True, 10**400, float("nan")])
async def test_a_token_of_untold_life_is_kept_for_a_while(serve: Any, edge: Any, life: Any) -> None:
    grants = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal grants
        if request.method == "GET":
            return web.json_response({"token_endpoint": f"{request.url.origin()}/oauth2/token"})
        grants += 1
        return web.json_response({"access_token": f"mat_{grants}", "expires_in": life})

    credentials = edge.credentials(url=await serve(answer))
    assert {await credentials.token() for _ in range(3)} == {"mat_1"}
