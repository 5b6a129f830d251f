"""The operator's own templates, and what is wrong with them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.settings.settings import Settings
from gateway.web.server import build


async def test_an_operator_replaces_one_page_and_keeps_the_others(
    tmp_path: Path, open_door: Callable[..., Awaitable[TestClient]]
) -> None:
    (tmp_path / "accepted.html").write_text("<h1>Merci from {{ server_name }}</h1>")
    client = await open_door(templates=tmp_path)
    answer = await client.post("/register", data={"requested_username": "a", "email": "b"})
    assert await answer.text() == "<h1>Merci from example.org</h1>"
    assert "<form" in await (await client.get("/")).text()


async def test_the_page_under_review_is_one_of_its_own(
    tmp_path: Path, open_door: Callable[..., Awaitable[TestClient]], desk: Any
) -> None:
    # An operator's words for a mail that is on its way would promise too much here.
    (tmp_path / "accepted.html").write_text("Your token is on its way")
    client = await open_door(templates=tmp_path)
    desk.is_looked_at = True
    answer = await client.post("/register", data={"requested_username": "a", "email": "b"})
    assert "A person will look at your request" in await answer.text()
    (tmp_path / "review.html").write_text("We meet on Mondays")
    client = await open_door(templates=tmp_path)
    answer = await client.post("/register", data={"requested_username": "a", "email": "b"})
    assert await answer.text() == "We meet on Mondays"


async def test_an_operators_page_may_build_on_ours(
    tmp_path: Path, open_door: Callable[..., Awaitable[TestClient]]
) -> None:
    (tmp_path / "desk.html").write_text(
        '{% extends "porter/desk.html" %}{% block steps %}<p>House rules</p>{% endblock %}'
    )
    client = await open_door(templates=tmp_path)
    html = await (await client.get("/")).text()
    assert "<p>House rules</p>" in html
    assert "Registration is open." in html


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{% if %}", "accepted.html, line 1: "),
        ("{{ registration_token }}", "'registration_token' is undefined"),
        ('{% include "rules.html" %}', "there is no template rules.html"),
        ("{{ server_name + 1 }}", "can only concatenate"),
    ],
)
def test_a_broken_template_is_found_at_start(
    text: str,
    sentence: str,
    tmp_path: Path,
    desk: Any,
    make_settings: Callable[..., Settings],
) -> None:
    (tmp_path / "accepted.html").write_text(text)
    with pytest.raises(ValueError, match=r"^The page template cannot be used: ") as caught:
        build(make_settings(templates=tmp_path), desk)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_template_in_another_encoding(
    tmp_path: Path, desk: Any, make_settings: Callable[..., Settings]
) -> None:
    (tmp_path / "layout.html").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"^The page template cannot be used: "):
        build(make_settings(templates=tmp_path), desk)


def test_a_missing_folder(
    tmp_path: Path, desk: Any, make_settings: Callable[..., Settings]
) -> None:
    with pytest.raises(ValueError, match=r"templates .*/none does not exist$"):
        build(make_settings(templates=tmp_path / "none"), desk)
