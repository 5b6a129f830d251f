"""The form as it was sent: urlencoded or multipart by a browser, JSON by a script."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from gateway.rules.evidence import NO_EVIDENCE, Evidence

FIELDS = ("requested_username", "email", "altcha", "form_token", "comment")
_MOST_FIELDS = 20


class Unreadable(Exception):
    """The body is no form of ours; `status` is what HTTP calls that."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed, exactly; screening decides what it is worth."""

    name: str = ""
    email: str = ""
    evidence: Evidence = NO_EVIDENCE


def read(body: bytes, content_type: str, parameters: str) -> Form:
    """The form in `body`. A field that is missing is empty; of two, the first counts.

    `content_type` is the bare type in lower case, `parameters` the header's whole value. Raises
    Unreadable.
    """
    try:
        match content_type:
            case "application/x-www-form-urlencoded":
                pairs = list(_urlencoded(body))
            case "multipart/form-data":
                pairs = list(_multipart(body, parameters))
            case "application/json":
                pairs = list(_json(body))
            case _:
                raise Unreadable(415)
    except (ValueError, LookupError, RecursionError):
        raise Unreadable(400) from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    name, email, *evidence = (fields.get(each, "") for each in FIELDS)
    return Form(name, email, Evidence(*evidence))


def _urlencoded(body: bytes) -> Iterator[tuple[str, str]]:
    text = body.decode("utf-8")
    yield from parse_qsl(
        text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS
    )


def _multipart(body: bytes, parameters: str) -> Iterator[tuple[str, str]]:
    # The standard library's parser keeps everything in memory; the body is small by now.
    head = f"Content-Type: {parameters}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise ValueError("The body has no parts")
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode("utf-8", "replace")


def _json(body: bytes) -> Iterator[tuple[str, str]]:
    data = json.loads(body)
    if not isinstance(data, dict):
        raise ValueError("The body is no object")
    for name, value in data.items():
        if name in FIELDS:
            if not isinstance(value, str):
                raise ValueError("A field is text")
            # JSON can spell half of a surrogate pair, which no page can show.
            yield name, value.encode("utf-8", "replace").decode("utf-8")
