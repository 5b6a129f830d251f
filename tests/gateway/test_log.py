"""The log can be read by machines, one event a line, and gives no secret away."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    structlog.reset_defaults()
    root.setLevel(level)
    root.handlers[:] = handlers


def fall() -> None:
    password = "hush-hush"
    if password:
        raise RuntimeError("the part fell")


def spill(stream: io.StringIO) -> str:
    log.configure(stream)
    logger = structlog.get_logger("test")
    try:
        fall()
    except RuntimeError as error:
        logger.exception("part_fell", reason=str(error))
    return stream.getvalue()


def test_a_line_is_one_json_object():
    stream = io.StringIO()
    log.configure(stream)
    structlog.get_logger("test").info("mail_sent", name="a\nb\x1b[2J\ud800", mail=7, odd=object())
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["mail"], event["level"]) == ("mail_sent", 7, "info")
    assert event["name"] == "a\nb\x1b[2J\ud800"
    assert "\x1b" not in line and line.isascii()
    assert event["timestamp"].endswith("Z")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["file", "terminal"])
def test_no_local_variable_stands_in_a_traceback(stream):
    said = spill(stream)
    assert "the part fell" in said and "RuntimeError" in said and "fall" in said
    assert "hush" not in said.replace('password = "hush-hush"', "")


def test_a_traceback_stays_on_its_line():
    (line,) = spill(io.StringIO()).splitlines()
    frames = json.loads(line)["exception"][0]["frames"]
    assert all("locals" not in frame or not frame["locals"] for frame in frames)


def test_what_is_below_the_level_is_not_said():
    stream = io.StringIO()
    log.configure(stream, level=logging.WARNING)
    structlog.get_logger("test").info("mail_sent")
    assert stream.getvalue() == ""
