"""Runs what may take long, or never come back, in a thread that neither the supervisor nor its end waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start(function: Callable[[], T], name: str) -> Future[T]:
    """Run a function in a daemon thread of its own; a thread pool would wait for it when the interpreter ends."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - the thread's edge: whoever asks for the result is told
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
