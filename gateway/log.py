"""The log: one event a line with its fields, to standard error."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict

from gateway.rules.letters import visible

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Log to `stream`, standard error if not told: for people on a terminal, as JSON else."""
    stream = stream or sys.stderr
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if stream.isatty():
        formatter = structlog.dev.plain_traceback
        processors += [_plainly, structlog.dev.ConsoleRenderer(exception_formatter=formatter)]
    else:
        # Without the local variables: a password may be one of them.
        tracebacks = ExceptionDictTransformer(show_locals=False)
        processors += [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(),
        ]
    # Libraries speak through the standard library's logging; nio warns of what it then mends.
    logging.basicConfig(stream=stream, level=logging.WARNING, format=_FORMAT, force=True)
    logging.getLogger("nio").setLevel(logging.ERROR)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )


def _plainly(logger: object, method: str, event: EventDict) -> EventDict:
    """A stranger's value must not move the cursor, nor turn the line around."""
    return {
        key: visible(value) if isinstance(value, str) else value for key, value in event.items()
    }
