"""The front page, ready to hand out: written once a minute for each language, then only copied."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from multidict import CIMultiDict

from gateway.rules.opening import Opening
from gateway.web import headers
from gateway.web.pages import Pages
from gateway.words import preferred

_Kept = tuple[bytes, CIMultiDict[str]]


class FrontPage:
    """`GET /` as bytes and headers, in HTML and in JSON.

    Nobody may keep the page without asking again, since the desk can close at any moment.
    """

    def __init__(self, pages: Pages, server_name: str, clock: Callable[[], datetime]) -> None:
        self._pages, self._server_name, self._clock = pages, server_name, clock
        self._kept: dict[tuple[str, bool], _Kept] = {}
        self._moment: tuple[Opening, int] | None = None

    def answer(self, opening: Opening, accept: str, accept_language: str) -> _Kept:
        """The body and the headers for one visitor; neither may be changed."""
        now = self._clock()
        moment = (opening, int(now.timestamp()) // 60)
        if moment != self._moment:
            self._kept, self._moment = {}, moment
        key = (preferred(accept_language), headers.wants_json(accept))
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._write(opening, now, *key)
        return kept

    def _write(self, opening: Opening, now: datetime, language: str, as_json: bool) -> _Kept:
        if not as_json:
            body = self._pages.desk(opening, now, language)
            return body, CIMultiDict(headers.page(headers.HTML, "no-cache", language))
        changes_at = opening.changes_at
        state = {
            "open": opening.is_open,
            "changes_at": None if changes_at is None else changes_at.astimezone(UTC).isoformat(),
            "message": None if opening.is_open else opening.message,
            "server_name": self._server_name,
        }
        return json.dumps(state).encode(), CIMultiDict(
            headers.page(headers.JSON, "no-cache", language)
        )
