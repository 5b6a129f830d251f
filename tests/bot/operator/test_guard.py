"""A tuwunel that would let everybody in once our tokens have ended is told of in time."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.demo.ports import free_port
from bot.operator.guard import check_guard
from bot.operator.sign_up import check_sign_up
from gateway.homeserver.identity import Identity, identify
from gateway.homeserver.version import parse_version
from gateway.settings import Homeserver
from tests.stand_ins.tuwunel import Kept, Tuwunel


@pytest.fixture
async def tuwunel(request: pytest.FixtureRequest) -> AsyncIterator[Tuwunel]:
    server = Tuwunel(**getattr(request, "param", {}))
    await server.start()
    yield server
    await server.stop()


async def said(server: Tuwunel, **keys: Any) -> list[str]:
    """What is found, in the order of the check."""
    homeserver = Homeserver(kind="tuwunel", url=server.url, **keys)
    async with aiohttp.ClientSession() as session:
        found = await identify(session, server.url, homeserver.timeout)
        return [
            str(each)
            for each in (
                *await check_sign_up(session, server.url, homeserver.timeout, found),
                *await check_guard(session, homeserver, found),
            )
        ]


OURS = {"applicants-own": Kept(most=1, until=32503680000000)}


async def test_tokens_that_end_leave_it_open_to_all_one_day(tuwunel: Tuwunel) -> None:
    tuwunel.kept = dict(OURS)
    admin = tuwunel.make_admin("porter")
    (found,) = await said(tuwunel, admin_token=admin)
    assert found == (
        "homeserver.admin_token: a tuwunel that has no token for a moment lets everybody in without"
        " one, and each that it has comes to an end; set a long undisclosed registration_token in"
        " its configuration"
    )
    assert set(tuwunel.kept) == set(OURS)


@pytest.mark.parametrize("tuwunel", [{"registration_token": "undisclosed"}], indirect=True)
async def test_a_token_in_its_configuration_is_guard_enough(tuwunel: Tuwunel) -> None:
    admin = tuwunel.make_admin("porter")
    assert await said(tuwunel, admin_token=admin) == []
    tuwunel.kept = dict(OURS)
    assert await said(tuwunel, admin_token=admin) == []


async def test_one_without_any_token_is_open_to_all_and_said_so_once(tuwunel: Tuwunel) -> None:
    (found,) = await said(tuwunel, admin_token=tuwunel.make_admin("porter"))
    assert "lets people in without a token, for m.login.dummy; set a long undisclosed" in found


async def test_what_the_check_of_tokens_says_is_said_once(tuwunel: Tuwunel) -> None:
    tuwunel.kept = dict(OURS)
    assert await said(tuwunel, admin_token="wrong") == []


@pytest.mark.parametrize(
    ("way", "value"), [("token_file", "token"), ("admin_room", "#admins:porter.localhost")]
)
@pytest.mark.parametrize("tuwunel", [{"registration_token": "undisclosed"}], indirect=True)
async def test_where_it_is_not_told_it_is_for_the_operator_to_look(
    tuwunel: Tuwunel, way: str, value: str
) -> None:
    (found,) = await said(tuwunel, **{way: value})
    assert found.startswith(f"warning: homeserver.{way}: a tuwunel that has no token for a moment")
    assert found.endswith("make sure of a long undisclosed registration_token in its configuration")


@pytest.mark.parametrize(
    ("name", "version", "is_told"),
    [
        ("Tuwunel", "1.4.7", False),
        ("Tuwunel", "1.4.8", True),
        ("Tuwunel", "main", True),
        ("conduwuit", "0.5.0-rc4", False),
        ("continuwuity", "0.5.1", False),
    ],
)
async def test_only_one_that_fails_open_is_spoken_of(
    name: str, version: str, is_told: bool
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    homeserver = Homeserver(kind="tuwunel", url=url, token_file="token")
    async with aiohttp.ClientSession() as session:
        server = Identity(name, parse_version(version))
        found = await check_guard(session, homeserver, server)
    assert [each.is_warning for each in found] == [True] * is_told
