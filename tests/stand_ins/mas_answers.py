"""How a Matrix Authentication Service reads questions and writes answers: JSON, ULIDs, pages."""

import re
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

Thing = dict[str, Any]
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(f"[{_CROCKFORD}]{{26}}")
_PAGING = {"page[before]", "page[after]", "page[first]", "page[last]", "count"}


class Refused(Exception):
    def __init__(self, status: int, body: Thing | str) -> None:
        if isinstance(body, str):  # of its web framework
            self.answer = web.Response(status=status, text=body)
        else:
            self.answer = web.json_response(body, status=status)


def refused(status: int, title: str) -> Refused:
    return Refused(status, {"errors": [{"title": title}]})


async def read_body(request: web.Request, keys: set[str]) -> Thing:
    if request.content_type != "application/json":
        raise Refused(415, "Expected request with `Content-Type: application/json`")
    try:
        body = await request.json()
    except ValueError:
        raise Refused(400, "Failed to parse the request body as JSON") from None
    if not isinstance(body, dict) or not body.keys() <= keys:
        raise Refused(422, "Failed to deserialize the JSON body into the target type")
    return body


def read_query(request: web.Request, filters: set[str]) -> dict[str, str]:
    query = dict(request.query)
    if not query.keys() <= _PAGING | filters:
        raise refused(400, "Invalid filter parameters")
    for key in ("page[before]", "page[after]"):
        if key in query and not _ULID.fullmatch(query[key]):
            raise refused(400, "Invalid pagination parameters")
    return query


def read_ulid(request: web.Request) -> str:
    ulid = request.match_info["id"]
    if not _ULID.fullmatch(ulid):
        raise refused(400, "Invalid ULID in path")
    return ulid


def read_flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise refused(400, "Invalid filter parameters")
    return text == "true"


def read_limit(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 0 <= value < 2**32):
        raise Refused(422, "usage_limit: invalid type")
    return value


def read_time(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Refused(422, "expires_at: premature end of input") from None
    if at.tzinfo is None:
        raise Refused(422, "expires_at: premature end of input")
    return at


def _written(at: datetime) -> str:
    # A thing just made has the nanoseconds of its clock.
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


def new_ulid(at: datetime) -> str:
    number = (int(at.timestamp() * 1000) << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> (5 * place)) & 31] for place in reversed(range(26)))


def resource(kind: str, path: str, ulid: str, thing: Thing) -> Thing:
    """A thing as it is shown."""
    attributes = {
        key: _written(each) if isinstance(each, datetime) else each for key, each in thing.items()
    }
    links = {"self": f"{path}/{ulid}"}
    return {"type": kind, "id": ulid, "attributes": attributes, "links": links}


def page(
    path: str, query: dict[str, str], things: Collection[str]
) -> tuple[list[str], dict[str, str]]:
    """The ULIDs of one page of a list, in ascending order as ever, and the links beside it."""
    before, after = query.get("page[before]", "~"), query.get("page[after]", "")
    backwards = "page[last]" in query
    if backwards and "page[first]" in query:
        raise refused(400, "Cannot specify both `page[first]` and `page[last]` parameters")
    size = query.get("page[last]", query.get("page[first]", "10"))
    if not size.isdigit() or not int(size):
        raise refused(400, "Invalid pagination parameters")
    number = int(size)
    ulids = sorted(ulid for ulid in things if after < ulid < before)
    found = ulids[-number:] if backwards else ulids[:number]
    links = {"self": path, "first": f"{path}?page[first]={number}"}
    if len(ulids) > number:
        if backwards:
            links["prev"] = f"{path}?page[before]={found[0]}&page[last]={number}"
        else:
            links["next"] = f"{path}?page[after]={found[-1]}&page[first]={number}"
    return found, links
