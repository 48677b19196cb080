"""What goes wrong around the connectors and the embedded stack. The texts say what to do; none carries a secret."""

from __future__ import annotations


class ConnectorsError(Exception):
    """Anything that this package raises on purpose."""


class StackError(ConnectorsError):
    """The embedded stack cannot start, or cannot go on: a missing program, a port, a process that ends at once."""


class StackNotRunningError(StackError):
    """There is no running stack in the folder that was named."""


class StackRunningError(StackError):
    """Another supervisor runs in the folder that was named, or is being started there."""


class DownloadError(StackError):
    """A jar could not be had, or is not the one that the lock file names."""


class ConnectError(ConnectorsError):
    """Kafka Connect refused a request or a connector failed; carries Connect's own words.

    Attributes:
        status: the HTTP status where a request was refused.

    """

    def __init__(self, detail: str, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


class ConnectUnreachableError(ConnectError):
    """Kafka Connect does not answer."""
