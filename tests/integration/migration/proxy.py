"""A connection between the migration and a server that can be cut, or fall silent, in the middle of an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal


class Proxy:
    """Hands on what either side sends, until the server has sent so many bytes."""

    def __init__(self, server: tuple[str, int], after: int, then: Literal["cut", "fall silent"]) -> None:
        self._server = server
        self._after = after
        self._then = then
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.reached = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        self._listening.close()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._ends += [client, server]
                threading.Thread(target=self._hand_on, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._hand_on, args=(server, client, self._after), daemon=True).start()

    def _hand_on(self, source: socket.socket, to: socket.socket, limit: int | None) -> None:
        handed = 0
        with suppress(OSError):
            while some := source.recv(65_536):
                handed += len(some)
                if limit is not None and handed > limit:
                    self.reached.set()
                    if self._then == "fall silent":
                        return
                    break
                to.sendall(some)
            for end in (source, to):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def between(port: int, *, after: int, then: Literal["cut", "fall silent"], host: str = "127.0.0.1") -> Iterator[Proxy]:
    """Stand before a server while the block runs."""
    proxy = Proxy((host, port), after, then)
    try:
        yield proxy
    finally:
        proxy.close()
