"""Kafka Connect's REST interface, as far as it is needed here."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from connectors.errors import ConnectError


class ConnectRest:
    """A client of one Connect worker (any worker of a cluster answers for all).

    Every method raises ConnectError with Connect's own words where it refuses, and OSError where it cannot be reached.
    """

    def __init__(self, url: str, timeout_seconds: float = 30) -> None:
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds

    def connectors(self) -> dict[str, Any]:
        """State of every connector and its tasks, by name."""
        found = self._call("GET", "/connectors?expand=status")
        return {name: entry["status"] for name, entry in found.items()}

    def configuration(self, name: str) -> dict[str, str] | None:
        """What a connector is registered with (placeholders unresolved); None where it is not registered."""
        try:
            found: dict[str, str] = self._call("GET", f"/connectors/{quote(name)}/config")
        except ConnectError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return found

    def register(self, name: str, configuration: dict[str, str]) -> None:
        """Register a connector, or change it."""
        self._call("PUT", f"/connectors/{quote(name)}/config", configuration)

    def restart(self, name: str, *, only_failed: bool) -> None:
        """Restart a connector with its tasks."""
        self._call("POST", f"/connectors/{quote(name)}/restart?includeTasks=true&onlyFailed={str(only_failed).lower()}")

    def delete(self, name: str) -> None:
        """Take a connector away; its slot and what it sent stay."""
        self._call("DELETE", f"/connectors/{quote(name)}")

    def _call(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._url}{path}", data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_seconds) as answer:  # noqa: S310
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise ConnectError(f"{method} {path}: {_reason(error)}", status=error.code) from error
        return json.loads(content) if content else None


NOT_FOUND = 404


def _reason(error: urllib.error.HTTPError) -> str:
    content = error.read()
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"
