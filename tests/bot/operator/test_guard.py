"""A tuwunel that would let everybody in while it cannot read its token file is told of in time."""

import pytest

from bot.operator.guard import check_guard
from gateway.homeserver.identity import Identity
from gateway.homeserver.version import parse_version
from gateway.settings.homeserver import Homeserver

FILE = {"token_file": "token"}


@pytest.mark.parametrize(
    ("name", "version", "way", "is_told"),
    [
        ("Tuwunel", "1.4.7", FILE, False),
        ("Tuwunel", "1.4.8", FILE, True),
        ("Tuwunel", "main", FILE, True),
        ("Tuwunel", "1.9.0", {"admin_token": "t"}, False),
        ("Tuwunel", "1.5.0", {"admin_room": "#admins:x.org"}, False),
        ("conduwuit", "0.5.0-rc4", FILE, False),
        ("continuwuity", "0.5.1", FILE, False),
    ],
)
def test_only_one_that_fails_open_by_its_file_is_spoken_of(
    name: str, version: str, way: dict[str, str], is_told: bool
) -> None:
    homeserver = Homeserver(kind="tuwunel", url="http://127.0.0.1:1", **way)
    found = check_guard(homeserver, Identity(name, parse_version(version)))
    assert [str(each) for each in found] == [
        "warning: homeserver.token_file: a tuwunel that cannot read it lets everybody in without a"
        " token; make sure of a long undisclosed registration_token in its configuration"
    ] * is_told
