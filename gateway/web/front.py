"""The front page, ready to hand out: written once a minute for each language, then only copied."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from multidict import CIMultiDict

from gateway.rules.opening import Opening
from gateway.settings.settings import Settings
from gateway.web import headers
from gateway.web.pages import Pages
from gateway.words import preferred


@dataclass(frozen=True, slots=True)
class _Kept:
    """A page as it was written, in two parts where the token of its visitor comes between."""

    parts: list[bytes]
    head: CIMultiDict[str]


class FrontPage:
    """`GET /` as bytes and headers, in HTML and in JSON; `form_token` makes that of one visitor.

    Nobody may keep the page without asking again, since the desk can close at any moment.
    """

    def __init__(
        self,
        pages: Pages,
        settings: Settings,
        form_token: Callable[[], str],
        clock: Callable[[], datetime],
    ) -> None:
        self._pages, self._form_token, self._clock = pages, form_token, clock
        self._server_name = settings.server_name
        self._human_check = settings.registration.human_check
        self._place = secrets.token_hex(16) if self._human_check == "light" else ""  # of the token
        self._kept: dict[tuple[str, bool], _Kept] = {}
        self._moment: tuple[Opening, int] | None = None

    def answer(
        self, opening: Opening, accept: str, accept_language: str
    ) -> tuple[bytes, CIMultiDict[str]]:
        """The body and the headers for one visitor; the headers may not be changed."""
        now = self._clock()
        moment = (opening, int(now.timestamp()) // 60)
        if moment != self._moment:
            self._kept, self._moment = {}, moment
        key = (preferred(accept_language), headers.wants_json(accept))
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._write(opening, now, *key)
        if len(kept.parts) == 1:
            return kept.parts[0], kept.head
        return self._form_token().encode().join(kept.parts), kept.head

    def _write(self, opening: Opening, now: datetime, language: str, as_json: bool) -> _Kept:
        if as_json:
            body = json.dumps(self._state(opening)).encode()
            cache = "private, no-cache" if self._place else "no-cache"
            head = headers.page(headers.JSON, cache, language)
        else:
            body = self._pages.desk(opening, now, language, form_token=self._place)
            head = headers.form_page(self._human_check, "no-cache", language)
        parts = body.split(self._place.encode()) if self._place else [body]
        return _Kept(parts, CIMultiDict(head))

    def _state(self, opening: Opening) -> dict[str, object]:
        changes_at = opening.changes_at
        state: dict[str, object] = {
            "open": opening.is_open,
            "changes_at": None if changes_at is None else changes_at.astimezone(UTC).isoformat(),
            "message": None if opening.is_open else opening.message,
            "server_name": self._server_name,
            "human_check": self._human_check,
        }
        if self._place and opening.is_open:
            state["form_token"] = self._place
        return state
