"""What they hear for whom there is no room: written once for each language, then only copied.

In a flood it is most of what the desk says, so it costs no more than the front page.
"""

import json

from multidict import CIMultiDict

from gateway.web import headers
from gateway.web.pages import Pages
from gateway.web.wording import BUSY, problem_words, seconds
from gateway.words import speech

_Kept = tuple[bytes, CIMultiDict[str]]


class BusyPage:
    """The answer 503 as bytes and headers, in HTML and in JSON."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._kept: dict[tuple[str, bool], _Kept] = {}

    def answer(self, language: str, as_json: bool) -> _Kept:
        """The body and the headers for one visitor; neither may be changed."""
        key = language, as_json
        if key not in self._kept:
            self._kept[key] = self._written(language, as_json)
        return self._kept[key]

    def _written(self, language: str, as_json: bool) -> _Kept:
        pause = seconds(BUSY)
        head = headers.page(headers.JSON if as_json else headers.HTML, "no-store", language)
        head["Retry-After"] = str(pause)
        if not as_json:
            return self._pages.problem(503, language), CIMultiDict(head)
        _, sentence = problem_words(503, speech(language))
        error = {"code": "busy", "field": None, "message": sentence}
        data = {"status": "refused", "errors": [error], "retry_after": pause}
        return json.dumps(data).encode(), CIMultiDict(head)
