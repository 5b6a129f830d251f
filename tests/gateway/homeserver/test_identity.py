"""A server says what it is, wherever it says so, and rubbish in its place breaks nothing."""

from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.identity import Identity, identify
from tests.conftest import Stand
from tests.gateway.homeserver.conftest import Serve

LIMIT = timedelta(seconds=3)


@pytest.mark.parametrize(
    ("kind", "version", "told"),
    [
        ("synapse", "1.163.2", "Synapse 1.163.2"),
        ("tuwunel", "1.9.0", "Tuwunel 1.9.0"),
        ("continuwuity", "26.8.0-alpha.1 (abc)", "continuwuity 26.8.0-alpha.1 (abc)"),
        ("conduwuit", "0.5.0-rc4", "conduwuit 0.5.0-rc4"),
        ("conduit", "0.10.12", "Conduit 0.10.12"),
        ("dendrite", "0.13.8+9a5b9d7", "Dendrite 0.13.8+9a5b9d7"),
    ],
)
async def test_every_server_is_known_by_its_own_word(
    stand: Stand, session: aiohttp.ClientSession, kind: str, version: str, told: str
) -> None:
    door = await stand(kind, version)
    found = await identify(session, f"{door.url}/", LIMIT)
    assert str(found) == told
    assert found.key == kind
    assert found.version.is_known
    assert found.issuer is None
    assert all(asked.startswith("GET ") for asked in door.asked)


@pytest.mark.parametrize(
    ("kind", "version", "shows_server", "told"),
    [
        ("synapse", "1.163.2", True, "Synapse 1.163.2"),
        ("synapse", "1.163.2", False, ""),
        ("tuwunel", "1.9.0", False, "Tuwunel 1.9.0"),
        ("tuwunel", "1.6.2", False, ""),
        ("continuwuity", "0.5.6", False, ""),
    ],
)
async def test_without_federation_at_this_address_it_is_known_where_it_says_so_elsewhere(
    stand: Stand,
    session: aiohttp.ClientSession,
    kind: str,
    version: str,
    shows_server: bool,
    told: str,
) -> None:
    door = await stand(kind, version, federates=False, shows_server=shows_server)
    assert str(await identify(session, door.url, LIMIT)) == told


async def test_the_service_that_signs_people_in_is_told(
    stand: Stand, session: aiohttp.ClientSession
) -> None:
    door = await stand("synapse", "1.163.2", issuer="https://auth.example.org/")
    assert (await identify(session, door.url, LIMIT)).issuer == "https://auth.example.org/"


async def test_a_real_synapse_is_known_by_its_header(
    synapse: Synapse, session: aiohttp.ClientSession
) -> None:
    found = await identify(session, synapse.url, LIMIT)
    assert found.name == "Synapse"
    assert found.version.numbers > (1, 100)
    assert found.issuer is None


@pytest.mark.parametrize(
    "rubbish",
    [
        None,
        "Synapse",
        [],
        {"name": 5},
        {"name": " "},
        {"name": None, "version": "1.0"},
        {"version": "1.0"},
    ],
)
async def test_rubbish_in_place_of_a_name_is_no_name(
    serve: Serve, session: aiohttp.ClientSession, rubbish: object
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"versions": [], "server": rubbish, "issuer": rubbish})

    found = await identify(session, await serve(answer), LIMIT)
    assert found.name == ""


async def test_a_name_without_end_and_a_version_that_is_none_are_cut_down(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    async def answer(request: web.Request) -> web.Response:
        server = {"name": "x" * 10_000, "version": {"a": 1}}
        return web.json_response({"versions": [], "server": server, "issuer": "y" * 10_000})

    found = await identify(session, await serve(answer), LIMIT)
    assert found == Identity("x" * 40, issuer="y" * 200)


async def test_nothing_but_the_client_api_must_be_there(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/_matrix/client/versions":
            return web.json_response({"versions": ["v1.11"]})
        if "federation" in request.path:
            return web.Response(text="<html>502</html>", status=502, content_type="text/html")
        return web.Response(text="{", content_type="application/json")

    assert await identify(session, await serve(answer), LIMIT) == Identity()


async def test_where_no_homeserver_is_an_error_says_so(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"hello": "there"})

    with pytest.raises(HomeserverError, match="answered 200, but not as a homeserver does"):
        await identify(session, await serve(answer), LIMIT)
    with pytest.raises(HomeserverError, match="cannot be reached"):
        await identify(session, f"http://127.0.0.1:{free_port()}", LIMIT)
