"""What goes wrong on the way: every HTTP error, and every fault of ours, as a page of our own."""

import json
import secrets
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.web import headers
from gateway.web.pages import Pages
from gateway.web.wording import problem_words
from gateway.words import preferred, speech

_log = structlog.get_logger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def mishaps(pages: Callable[[], Pages]) -> Middleware:
    """A middleware that lets no error of aiohttp's or Python's reach a visitor as it is."""

    @web.middleware
    async def watch(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _answer(pages(), request, error)
        except ConnectionError:
            raise  # the visitor has gone, and hears nothing any more
        except Exception:
            reference = secrets.token_hex(4)
            # The route and not the path, which may hold the signature of a link.
            route = request.match_info.route.resource
            path = None if route is None else route.canonical
            _log.exception("A request failed", reference=reference, path=path)
            return _answer(pages(), request, web.HTTPInternalServerError(), reference)

    return watch


def _answer(
    pages: Pages, request: web.Request, error: web.HTTPException, reference: str | None = None
) -> web.Response:
    status, language = error.status, preferred(request.headers.get("Accept-Language", ""))
    as_json = headers.wants_json(
        request.headers.get("Accept", ""),
        request.content_type == "application/json" or request.path.startswith("/api/"),
    )
    head = headers.page(headers.JSON if as_json else headers.HTML, "no-store", language)
    if "Allow" in error.headers:
        head["Allow"] = error.headers["Allow"]
    if as_json:
        _, sentence = problem_words(status, speech(language))
        problem = {"code": f"http_{status}", "field": None, "message": sentence}
        data: dict[str, object] = {"status": "refused", "errors": [problem]}
        if reference is not None:
            data["reference"] = reference
        body = json.dumps(data).encode()
    else:
        body = pages.problem(status, language, request.path, reference)
    answer = web.Response(status=status, body=body, headers=head)
    if status in (408, 413):
        answer.force_close()  # the rest of the body may never come
    return answer
