"""Static files: ours, and the operator's own logo and favicon."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.settings.settings import Settings
from gateway.web.server import build

PNG = b"\x89PNG\r\n\x1a\nnot much of a picture"


async def test_files_named_after_their_content_may_be_kept_for_ever(client: TestClient) -> None:
    html = await (await client.get("/")).text()
    names = re.findall(r'(?:href|src)="(static/[^"]+)"', html)
    assert len(names) == 3
    for name in names:
        answer = await client.get(f"/{name}")
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        again = await client.get(f"/{name}", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304
        assert await again.read() == b""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/static/porter.css", "text/css"),
        ("/static/logo.svg", "image/svg+xml"),
        ("/static/favicon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
    ],
)
async def test_plain_names_are_kept_for_a_while(path: str, kind: str, client: TestClient) -> None:
    answer = await client.get(path)
    assert (answer.status, answer.content_type) == (200, kind)
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert (await client.head(path)).status == 200


@pytest.mark.parametrize(
    "name", ["nothing.css", "..%2fserver.py", "%2e%2e/server.py", "porter-000000000000.css"]
)
async def test_nothing_else_is_on_the_shelf(name: str, client: TestClient) -> None:
    assert (await client.get(f"/static/{name}")).status == 404


async def test_the_operators_own_pictures(
    tmp_path: Path, open_door: Callable[..., Awaitable[TestClient]]
) -> None:
    (tmp_path / "Ours.PNG").write_bytes(PNG)
    (tmp_path / "icon.ico").write_bytes(b"icon")
    client = await open_door(logo=tmp_path / "Ours.PNG", favicon=tmp_path / "icon.ico")
    html = await (await client.get("/")).text()
    found = re.search(r'<img[^>]* src="(static/logo-[0-9a-f]+\.png)"', html)
    assert found is not None
    logo = await client.get(f"/{found[1]}")
    assert (logo.content_type, await logo.read()) == ("image/png", PNG)
    assert '<link rel="icon" type="image/x-icon"' in html
    icon = await client.get("/favicon.ico")
    assert (icon.content_type, await icon.read()) == ("image/x-icon", b"icon")


async def test_a_picture_cannot_act(client: TestClient) -> None:
    policy = (await client.get("/static/logo.svg")).headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.png", None, "missing.png cannot be read (No such file or directory)"),
        ("logo.html", b"x", "logo.html is no picture"),
        ("logo.css", b"x", "logo.css is no picture"),
        ("big.png", b"x" * 1_100_000, "big.png has more than 1048576 bytes"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_one_sentence(
    name: str,
    content: bytes | None,
    sentence: str,
    tmp_path: Path,
    desk: Any,
    make_settings: Callable[..., Settings],
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for key in ("logo", "favicon"):
        with pytest.raises(ValueError, match=f"^web.{key}: ") as caught:
            build(make_settings(**{key: tmp_path / name}), desk)
        assert sentence in str(caught.value)
