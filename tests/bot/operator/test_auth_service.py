"""An authentication service that is another's, or lets people in without a token, is told of."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.demo.ports import free_port
from bot.operator.auth_service import check_issuer, check_site
from gateway.homeserver.client_credentials import ClientCredentials
from gateway.homeserver.identity import Identity
from gateway.homeserver.mas_api import MasApi
from tests.stand_ins.mas import CLIENT_ID, CLIENT_SECRET, Mas

LIMIT = timedelta(seconds=3)


@pytest.fixture
async def mas() -> AsyncIterator[Mas]:
    mas = Mas()
    await mas.start()
    yield mas
    await mas.stop()


async def site(mas: Mas, secret: str = CLIENT_SECRET) -> list[str]:
    async with aiohttp.ClientSession() as session:
        credentials = ClientCredentials(session, mas.url, CLIENT_ID, secret, LIMIT)
        return [str(each) for each in await check_site(MasApi(session, credentials, LIMIT))]


async def issuer(url: str, named: str | None) -> list[str]:
    async with aiohttp.ClientSession() as session:
        server = Identity("Synapse", issuer=named)
        return [str(each) for each in await check_issuer(session, url, LIMIT, server)]


async def test_a_service_that_asks_for_a_token_is_in_order(mas: Mas) -> None:
    assert await site(mas) == []
    assert "GET /api/admin/v1/site-config" in mas.asked


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"password_registration_token_required": False, "registration_token_required": False},
            "lets people in without a token; set account.password_registration_token_required:"
            " true",
        ),
        (
            {"password_registration_token_required": None, "registration_token_required": False},
            "lets people in without a token; set account.registration_token_required: true",
        ),
        (
            {"password_registration_enabled": False},
            "registers nobody by password; set account.password_registration_enabled: true",
        ),
    ],
)
async def test_what_its_settings_lack_is_a_fault(
    mas: Mas, changes: dict[str, Any], words: str
) -> None:
    mas.site |= changes
    mas.site = {key: value for key, value in mas.site.items() if value is not None}
    (found,) = await site(mas)
    assert found == f"homeserver.auth_url: {mas.url} {words} in its configuration"


async def test_an_older_service_that_does_not_tell_its_settings_is_left_alone(mas: Mas) -> None:
    mas.site = {}
    assert await site(mas) == []


async def test_what_the_check_of_tokens_says_is_said_once(mas: Mas) -> None:
    assert await site(mas, "wrong") == []
    assert await issuer(f"http://127.0.0.1:{free_port()}", "https://auth.example.org/") == []


async def test_the_homeserver_and_the_settings_name_the_same_service(mas: Mas) -> None:
    assert await issuer(mas.url, mas.url) == []
    assert await issuer(mas.url, None) == []
    assert await issuer(mas.url, "https://auth.example.org/") == [
        f"homeserver.auth_url: {mas.url} is the service {mas.url}/, but the homeserver sends its"
        " people to https://auth.example.org/; set the address of that one"
    ]
