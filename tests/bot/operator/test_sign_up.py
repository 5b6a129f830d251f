"""Who gets in without a token, found out without opening an account."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from bot.operator.sign_up import check_sign_up
from gateway.homeserver.identity import identify
from tests.conftest import Stand
from tests.stand_ins.front_door import DUMMY, EMAIL, TOKEN

LIMIT = timedelta(seconds=5)


async def said(url: str) -> list[str]:
    async with aiohttp.ClientSession() as session:
        server = await identify(session, url, LIMIT)
        return [str(each) for each in await check_sign_up(session, url, LIMIT, server)]


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("synapse", "1.163.2"),
        ("conduwuit", "0.5.0-rc4"),
        ("tuwunel", "1.9.0"),
        ("continuwuity", "0.5.6"),
        ("conduit", "0.10.12"),
    ],
)
@pytest.mark.parametrize("flows", [[[TOKEN]], [["m.login.terms", TOKEN]], [[TOKEN, EMAIL]]])
async def test_a_sign_up_that_needs_a_token_is_in_order(
    stand: Stand, kind: str, version: str, flows: list[list[str]]
) -> None:
    door = await stand(kind, version, flows=flows)
    assert await said(door.url) == []
    assert door.went_too_far == []
    assert [each for each in door.asked if each.startswith("POST")] == [
        "POST /_matrix/client/v3/register"
    ]


@pytest.mark.parametrize(
    ("kind", "version", "flows", "words"),
    [
        (
            *("synapse", "1.163.2", [[DUMMY]]),
            "lets people in without a token, for m.login.dummy; set registration_requires_token:"
            " true",
        ),
        ("synapse", "1.163.2", [[TOKEN], [EMAIL]], "for m.login.email.identity; set"),
        ("conduwuit", "0.5.0-rc4", [[DUMMY]], "start it again once the file is there"),
        ("tuwunel", "1.9.0", [[DUMMY]], "set a long undisclosed registration_token"),
        ("tuwunel", "1.9.0", [["m.login.terms"]], "set a long undisclosed registration_token"),
        (
            *("continuwuity", "26.8.0", [[TOKEN], ["m.login.recaptcha", EMAIL]]),
            "for m.login.recaptcha and m.login.email.identity; take recaptcha, ",
        ),
        ("conduit", "0.10.12", [[DUMMY]], "set registration_token in its configuration"),
        ("Grapevine", "0.1", [[]], "for nothing; let it ask everybody for a registration token"),
    ],
)
async def test_a_way_in_without_a_token_is_a_fault(
    stand: Stand, kind: str, version: str, flows: list[list[str]], words: str
) -> None:
    (found,) = await said((await stand(kind, version, flows=flows)).url)
    assert found.startswith("homeserver.url: http")
    assert words in found


@pytest.mark.parametrize(
    ("kind", "version", "words"),
    [
        ("synapse", "1.163.2", "registers nobody; set enable_registration: true"),
        ("conduwuit", "0.5.0-rc4", "registers nobody; set allow_registration = true"),
        ("tuwunel", "1.9.0", "registers nobody; set allow_registration = true"),
        ("conduit", "0.10.12", "registers nobody; set allow_registration = true"),
        ("Grapevine", "0.1", "registers nobody; let it register people who have a token"),
    ],
)
async def test_a_server_that_takes_nobody_is_a_fault(
    stand: Stand, kind: str, version: str, words: str
) -> None:
    (found,) = await said((await stand(kind, version, is_closed=True)).url)
    assert found.startswith("homeserver.url: http")
    assert words in found


async def test_continuwuity_takes_nobody_while_no_token_is_out(stand: Stand) -> None:
    (found,) = await said((await stand("continuwuity", "26.8.0", is_closed=True)).url)
    assert found.startswith("warning: ")
    assert "takes nobody now; if this lasts when tokens are out, set allow_registration" in found


async def test_what_was_not_found_out_is_a_warning(stand: Stand) -> None:
    door = await stand("synapse", "1.163.2")
    async with aiohttp.ClientSession() as session:
        server = await identify(session, door.url, LIMIT)
        answers = [
            await check_sign_up(session, f"{door.url}/nowhere", LIMIT, server),
            await check_sign_up(session, f"http://127.0.0.1:{free_port()}", LIMIT, server),
        ]
    for (found,) in answers:
        assert found.is_warning
        assert "whether somebody gets in without a token was not found out" in found.text


# Synapse itself


class Configured(Synapse):
    """A real Synapse with other settings."""

    more: dict[str, Any]

    def _config(self) -> dict[str, Any]:
        return super()._config() | self.more


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Starts a real Synapse with other settings; returns its address."""
    servers = []
    with asyncio.Runner() as runner:

        def start(**more: Any) -> str:
            folder = tmp_path_factory.mktemp("other-synapse")
            server = Configured(folder, "other.localhost", free_port())
            server.more = more
            servers.append(server)
            runner.run(server.start())
            return server.url

        try:
            yield start
        finally:
            for server in servers:
                runner.run(server.stop())


async def test_a_real_synapse_that_needs_a_token_is_in_order(synapse: Synapse) -> None:
    assert await said(synapse.url) == []


def test_a_real_synapse_that_is_open_to_all_is_a_fault(configured: Any) -> None:
    url = configured(
        registration_requires_token=False, enable_registration_without_verification=True
    )
    (found,) = asyncio.run(said(url))
    assert found.startswith(
        f"homeserver.url: {url} lets people in without a token, for m.login.dummy; set"
        " registration_requires_token: true"
    )


def test_a_real_synapse_that_registers_nobody_is_a_fault(configured: Any) -> None:
    url = configured(enable_registration=False, registration_requires_token=False)
    (found,) = asyncio.run(said(url))
    assert found == (
        f"homeserver.url: {url} registers nobody; set enable_registration: true in its"
        " configuration"
    )
