"""How our processes log: one configuration for worker, lag process, web and supervisor. Lines for a person, or JSON for a program.

Loggers stay the standard library's, as those of Faust, uvicorn and the Kafka clients are: `logger.warning("text", extra={"field": 1})`.
structlog's formatter writes all of them. Whoever logs passes no secret; what a library's error quotes is masked here.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

from streams.recent import Recent

if TYPE_CHECKING:
    from structlog.typing import Processor

    from streams.options import LogFormat, LogLevel

Event = MutableMapping[str, Any]

MASK: Final = "***"
CLIENTS: Final = ("aiokafka", "kafka")
CLIENT_LINE_SECONDS: Final = 30.0
CLIENT_LINES_KEPT: Final = 200
_PASSWORD_IN_URL: Final = re.compile(r"(//[^\s/:@]*:)[^\s/@]+(?=@)")
_SECRET_NAMES: Final = ("password", "secret", "token", "cookie", "authorization", "field_keys")
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def configure(log_format: LogFormat, level: LogLevel) -> None:
    """Send every log record of the process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format, colors=sys.stderr.isatty()))
    handler.addFilter(Repetitions())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class Repetitions(logging.Filter):
    """Lets a line of the Kafka clients through once in a while: without a broker they write dozens a second, each like the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: Recent[tuple[str, str], tuple[float, int]] = Recent(CLIENT_LINES_KEPT)
        """Logger and text -> when it was last let through, and how often it came since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written; one that stands for others says for how many."""
        if record.name.partition(".")[0] not in CLIENTS:
            return True
        line = (record.name, record.getMessage())
        written_at, count = self._lines.get(line) or (float("-inf"), 0)
        if record.created - written_at < CLIENT_LINE_SECONDS:
            self._lines.update({line: (written_at, count + 1)})
            return False
        self._lines.update({line: (record.created, 0)})
        if count:
            record.repeated = count
        return True


def formatter(log_format: LogFormat, *, colors: bool = False) -> logging.Formatter:
    """Return what writes a record: `text` for a person, `json` an object a line (at, level, logger, message, then fields)."""
    # Tracebacks are plain: structlog's others show the variables of every frame, and with them passwords.
    renderers: list[Processor]
    if log_format == "json":
        renderers = [JSONRenderer(serializer=_dump)]
    else:
        console = ConsoleRenderer(
            colors=colors,
            pad_event_to=0,
            sort_keys=False,
            timestamp_key="at",
            event_key="message",
            exception_formatter=plain_traceback,
        )
        renderers = [_keep_to_line, console]
    return ProcessorFormatter(
        foreign_pre_chain=[
            _begin,
            add_log_level,
            add_logger_name,
            structlog.contextvars.merge_contextvars,
            ExtraAdder(),
            format_exc_info,
            _mask,
        ],
        processors=[ProcessorFormatter.remove_processors_meta, *renderers],
    )


def _begin(_logger: Any, _name: str, event: Event) -> Event:  # noqa: ANN401 -- structlog's signature
    """Put what every line has in front, in its order; the time is the record's."""
    at = dt.datetime.fromtimestamp(event["_record"].created, dt.UTC).isoformat(timespec="milliseconds")
    # uvicorn brings the same text once more, with colours.
    event["_record"].__dict__.pop("color_message", None)
    return {"at": at, "level": "", "logger": "", "message": event.pop("event"), **event}


def _mask(_logger: Any, _name: str, event: Event) -> Event:  # noqa: ANN401 -- structlog's signature
    """Take out passwords: in addresses, which errors of clients quote, and in fields that are named after a secret."""
    for name, value in event.items():
        if any(secret in name.lower() for secret in _SECRET_NAMES):
            event[name] = MASK
        elif isinstance(value, str):
            event[name] = _PASSWORD_IN_URL.sub(rf"\1{MASK}", value)
    return event


def _keep_to_line(_logger: Any, _name: str, event: Event) -> Event:  # noqa: ANN401 -- structlog's signature
    """Escape what would steer a terminal, and indent further lines: none that a text brings looks like one of ours."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = value.translate(_CONTROLS)
    for name in ("message", "exception"):
        if name in event:
            event[name] = event[name].replace("\n", "\n  ")
    return event


def _dump(event: Event, default: Any = None) -> str:  # noqa: ANN401, ARG001 -- structlog's signature
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # Half of a surrogate pair, or a number of more than 64 bits.
        return json.dumps(event, default=str)
