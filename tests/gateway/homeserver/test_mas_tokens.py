"""Registration tokens of a Matrix Authentication Service."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from gateway.homeserver.homeserver import HomeserverError, Token, TokenState
from gateway.homeserver.mas_tokens import MasTokens
from tests.stand_ins.mas import Mas

PATH = "/api/admin/v1/user-registration-tokens"
LIST = f"GET {PATH}"


@pytest.fixture
def tokens(edge: Any) -> MasTokens:
    return MasTokens(edge.api())


def hour(value: str, uses: int = 1) -> Token:
    return Token(value, uses, datetime.now(UTC) + timedelta(hours=1))


async def test_a_token_is_made_as_it_was_wished_for(service: Mas, tokens: MasTokens) -> None:
    wish = hour("porter1", 3)
    assert (await tokens.issue(wish)).value == "porter1"
    (made,) = service.tokens.values()
    assert (made["token"], made["usage_limit"], made["expires_at"]) == (
        "porter1",
        3,
        wish.expires_at,
    )
    assert (await tokens.issue(Token("endless"))).value == "endless"
    limits = {each["token"]: each["usage_limit"] for each in service.tokens.values()}
    assert limits == {"porter1": 3, "endless": None}


async def test_a_revocation_and_a_state_are_one_question(service: Mas, tokens: MasTokens) -> None:
    await tokens.issue(hour("known"))
    (ulid,) = service.tokens
    service.asked.clear()
    assert await tokens.state("known") == TokenState(0)
    await tokens.revoke("known")
    assert service.asked == [f"GET {PATH}/{ulid}", f"POST {PATH}/{ulid}/revoke"]


async def test_a_token_of_an_earlier_attempt_gets_what_was_wished_for(
    service: Mas, tokens: MasTokens
) -> None:
    past = service.now - timedelta(days=1)
    service.add_token("again", usage_limit=9, expires_at=past, revoked_at=past)
    assert service.valid() == set()
    wish = hour("again")
    assert (await tokens.issue(wish)).value == "again"
    (made,) = service.tokens.values()
    assert (made["usage_limit"], made["expires_at"]) == (1, wish.expires_at)
    assert service.valid() == {"again"}
    assert (await tokens.issue(Token("again"))).value == "again"
    assert (made["usage_limit"], made["expires_at"]) == (None, None)


async def test_a_token_that_opens_no_account_is_not_issued(tokens: MasTokens) -> None:
    wish = Token("over", 1, datetime(2020, 1, 1, tzinfo=UTC))
    for _ in range(2):
        with pytest.raises(HomeserverError, match="its expiry is past") as caught:
            await tokens.issue(wish)
        assert "over" not in str(caught.value)


async def test_an_answer_about_another_token_issues_nothing(serve: Any, edge: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        token = {"id": "0" * 26, "attributes": {"token": "foreign1", "valid": True}}
        known = {"token_endpoint": f"{request.url.origin()}/token", "access_token": "mat_x"}
        asks = request.path.endswith("user-registration-tokens")
        return web.json_response(known | {"data": token}, status=201 if asks else 200)

    with pytest.raises(HomeserverError) as caught:
        await MasTokens(edge.api(url=await serve(answer))).issue(hour("wanted"))
    assert "wanted" not in str(caught.value) and "foreign1" not in str(caught.value)


async def test_a_yes_that_revoked_nothing_is_none(
    service: Mas, edge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = edge.api()
    tokens, ask = MasTokens(api), api.ask
    await tokens.issue(hour("stays123"))

    async def pretend(method: str, path: str, **more: Any) -> Any:
        return await ask("GET", path.removesuffix("/revoke"), **more)

    monkeypatch.setattr(api, "ask", pretend)
    with pytest.raises(HomeserverError, match="did not revoke a token"):
        await tokens.revoke("stays123")


async def test_a_token_is_found_again_after_a_restart(
    service: Mas, tokens: MasTokens, edge: Any
) -> None:
    await tokens.issue(hour("kept"))
    await tokens.issue(hour("given"))
    restarted = MasTokens(edge.api())
    service.open_account("alice", "kept")
    assert await restarted.state("kept") == TokenState(1, True)
    await restarted.revoke("given")
    assert service.valid() == set()
    assert service.asked.count(LIST) == 1


async def test_ten_thousand_tokens_are_listed_once(
    service: Mas, tokens: MasTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.homeserver.mas_api._PAGE", 20)  # as 10,000 by 200
    for number in range(1000):
        made_at = service.now - timedelta(days=1, minutes=-number)
        service.add_token(f"t{number}", created_at=made_at)
    await tokens.revoke("t0")
    assert service.asked.count(LIST) == 50
    for number in range(1, 6):
        await tokens.revoke(f"t{number}")
    assert service.asked.count(LIST) == 50
    for number in range(5):  # never made: only what is new can hold it
        await tokens.revoke(f"never{number}")
    assert service.asked.count(LIST) == 55
    assert len(service.valid()) == 994


async def test_what_another_process_makes_is_found(service: Mas, tokens: MasTokens) -> None:
    service.add_token("old")
    await tokens.revoke("unheard")
    # It came into the list late: its time is that of the question.
    service.add_token("late", created_at=service.now - timedelta(minutes=1))
    service.add_token("new")
    await tokens.revoke("late")
    await tokens.revoke("new")
    assert service.valid() == {"old"}


async def test_what_was_revoked_by_hand_is_gone(service: Mas, tokens: MasTokens) -> None:
    await tokens.issue(hour("byhand"))
    (made,) = service.tokens.values()
    made["revoked_at"] = service.now
    assert await tokens.state("byhand") == TokenState(0, is_gone=True)
    await tokens.revoke("byhand")
    assert await tokens.state("byhand") == TokenState(is_gone=True)
    assert await tokens.state("unheard") == TokenState(is_gone=True)


async def test_a_check_is_one_question_that_changes_nothing(
    service: Mas, tokens: MasTokens
) -> None:
    await tokens.check()
    assert service.asked[-1] == LIST and not service.tokens
    service.admin_clients.clear()
    service.sessions.clear()
    with pytest.raises(HomeserverError, match="admin_clients"):
        await tokens.check()
