"""What the supervisor's own process is given while a stack runs: the signals that stop it, and its log."""

from __future__ import annotations

import _thread
import contextlib
import logging
import logging.handlers
import os
import signal
import threading
from collections.abc import Iterator

from connectors.local.folder import StackFolder
from connectors.settings import LocalSettings


def set_from_a_signal(event: threading.Event) -> None:
    """Set an event from a signal's handler.

    `Event.set` takes a lock that the thread which the signal interrupted may hold: then the handler would wait for it for ever. A thread
    sets it in its place. `threading.Thread.start` waits for an event itself, so the thread is a bare one.
    """
    _thread.start_new_thread(event.set, ())


@contextlib.contextmanager
def stopping_signals() -> Iterator[tuple[threading.Event, list[int]]]:
    """An event that is set by the signals on which a stack is stopped, and those that came."""
    stop = threading.Event()
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        set_from_a_signal(stop)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def supervisor_log(folder: StackFolder, settings: LocalSettings, formatter: logging.Formatter | None) -> Iterator[None]:
    """The supervisor's own log, beside those of its children."""
    handler = logging.handlers.RotatingFileHandler(
        folder.logs / "supervisor.log", maxBytes=settings.log_bytes, backupCount=settings.log_files
    )
    handler.setFormatter(formatter)
    logger = logging.getLogger("connectors.local")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    logger.info("supervisor starts", extra={"pid": os.getpid()})
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
