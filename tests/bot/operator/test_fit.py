"""What a server says it is, against the kind and the way that are set."""

from typing import Any

import pytest

from bot.operator.fit import fit
from gateway.homeserver.identity import Identity
from gateway.homeserver.version import parse_version
from gateway.settings.homeserver import Homeserver
from tests.stand_ins.front_door import NAMES

WAYS: dict[str, dict[str, Any]] = {
    "admin_token": {"admin_token": "x"},
    "client_id": {"client_id": "c", "client_secret": "x", "auth_url": "https://auth.example.org"},
    "admin_room": {"admin_room": "#admins:example.org"},
    "token_file": {"token_file": "token"},
    "static_token": {"static_token": "x"},
}


def said(kind: str, way: str, server: str, version: str, issuer: str | None = None) -> list[str]:
    homeserver = Homeserver(kind=kind, url="https://m.example.org/", **WAYS[way])
    found = Identity(NAMES.get(server, server), parse_version(version), issuer)
    return [str(each) for each in fit(homeserver, found)]


@pytest.mark.parametrize(
    ("kind", "way", "server", "version"),
    [
        ("synapse", "admin_token", "synapse", "1.163.2"),
        ("conduwuit", "token_file", "conduwuit", "0.5.0-rc4"),
        ("continuwuity", "token_file", "continuwuity", "0.5.1"),
        ("continuwuity", "admin_room", "continuwuity", "0.5.2"),
        ("continuwuity", "admin_room", "continuwuity", "26.8.0-alpha.1"),
        ("tuwunel", "token_file", "tuwunel", "1.4.9.1"),
        ("tuwunel", "admin_room", "tuwunel", "1.5.0"),
        ("tuwunel", "admin_room", "tuwunel", "1.8.0"),
        ("tuwunel", "admin_token", "tuwunel", "1.8.1"),
        ("static", "static_token", "conduit", "0.10.12"),
        ("static", "static_token", "Grapevine", "0.1.0"),
        ("token_file", "token_file", "Grapevine", "0.1.0"),
    ],
)
def test_what_fits_is_not_spoken_of(kind: str, way: str, server: str, version: str) -> None:
    assert said(kind, way, server, version) == []


@pytest.mark.parametrize(
    ("kind", "way", "server", "version", "words"),
    [
        (
            *("continuwuity", "token_file", "continuwuity", "0.5.2"),
            "homeserver.token_file: https://m.example.org is continuwuity 0.5.2, and it reads no"
            " token file; set homeserver.admin_room",
        ),
        (
            *("continuwuity", "token_file", "continuwuity", "0.5.7"),
            "and it reads its token file once, when it starts, and takes a blank line there for a"
            " token; set homeserver.admin_room",
        ),
        (
            *("continuwuity", "admin_room", "continuwuity", "0.5.1"),
            "homeserver.admin_room: https://m.example.org is continuwuity 0.5.1, and it has no"
            " command for tokens; set homeserver.token_file",
        ),
        (
            *("tuwunel", "admin_token", "tuwunel", "1.8.0"),
            "homeserver.admin_token: https://m.example.org is Tuwunel 1.8.0, and its token API came"
            " with 1.8.1; set homeserver.admin_room",
        ),
        (
            *("tuwunel", "admin_room", "tuwunel", "1.4.9"),
            "it knows tokens from its file only; set homeserver.token_file",
        ),
        (
            *("conduwuit", "token_file", "synapse", "1.163.2"),
            "homeserver.kind: https://m.example.org is Synapse 1.163.2; set kind: synapse with"
            " homeserver.admin_token",
        ),
        (
            *("conduwuit", "token_file", "continuwuity", "26.8.0"),
            "set kind: continuwuity with homeserver.admin_room; it reads its token file once",
        ),
        (
            *("token_file", "token_file", "conduit", "0.10.12"),
            "set kind: static with homeserver.static_token; it reads one token when it starts",
        ),
        (
            *("synapse", "admin_token", "conduwuit", "0.5.0-rc4"),
            "set kind: conduwuit with homeserver.token_file",
        ),
        (
            *("mas", "client_id", "tuwunel", "1.9.0"),
            "set kind: tuwunel with homeserver.admin_token",
        ),
        (
            *("synapse", "admin_token", "dendrite", "0.13.8"),
            "homeserver.kind: https://m.example.org is Dendrite 0.13.8; it stores registration"
            " tokens, and its registration asks for none: it cannot be served",
        ),
        (*("static", "static_token", "dendrite", "main"), "it cannot be served"),
        (*("token_file", "token_file", "dendrite", "0.13.8"), "it cannot be served"),
    ],
)
def test_what_cannot_work_is_a_fault(
    kind: str, way: str, server: str, version: str, words: str
) -> None:
    (found,) = said(kind, way, server, version)
    assert words in found
    assert not found.startswith("warning")


@pytest.mark.parametrize(
    ("kind", "way", "server", "version", "words"),
    [
        (
            *("tuwunel", "admin_room", "tuwunel", "1.8.1"),
            "homeserver.admin_room: https://m.example.org is Tuwunel 1.8.1; homeserver.admin_token"
            " is better: tokens need no bot then, and each opens one account only",
        ),
        (
            *("tuwunel", "token_file", "tuwunel", "1.6.0"),
            "homeserver.admin_room is better: each token opens one account only then",
        ),
        (
            *("token_file", "token_file", "conduwuit", "0.5.0-rc4"),
            "set kind: conduwuit with homeserver.token_file",
        ),
        (
            *("conduwuit", "token_file", "continuwuity", "0.5.1"),
            "set kind: continuwuity with homeserver.token_file",
        ),
        (
            *("static", "static_token", "synapse", "1.163.2"),
            "set kind: synapse with homeserver.admin_token; tokens need no bot then",
        ),
        (*("synapse", "admin_token", "Grapevine", "0.1"), "is Grapevine 0.1, which is not known"),
        (*("synapse", "admin_token", "", ""), "does not say what it is; make sure that it is what"),
    ],
)
def test_what_may_be_or_could_be_better_is_a_warning(
    kind: str, way: str, server: str, version: str, words: str
) -> None:
    (found,) = said(kind, way, server, version)
    assert words in found
    assert found.startswith("warning: homeserver.")


def test_a_version_that_cannot_be_read_counts_as_the_newest() -> None:
    (found,) = said("tuwunel", "admin_room", "tuwunel", "main")
    assert "is Tuwunel; homeserver.admin_token is better" in found


ISSUER = "https://auth.example.org/"


def test_an_authentication_service_before_synapse_asks_for_its_kind() -> None:
    assert said("mas", "client_id", "synapse", "1.163.2", ISSUER) == []
    (found,) = said("synapse", "admin_token", "synapse", "1.163.2", ISSUER)
    assert found == (
        "homeserver.kind: https://m.example.org is Synapse 1.163.2 behind the authentication"
        f" service {ISSUER}, so its own tokens are gone; set kind: mas, homeserver.auth_url,"
        " client_id and client_secret"
    )


def test_an_authentication_service_that_is_not_there_is_told() -> None:
    (found,) = said("mas", "client_id", "synapse", "1.163.2")
    assert "and signs people up itself, without an authentication service" in found


def test_another_servers_own_log_in_service_is_no_authentication_service_before_synapse() -> None:
    assert said("continuwuity", "admin_room", "continuwuity", "26.8.0", "https://m.x/") == []
