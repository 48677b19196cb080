"""Kafka Connect's REST interface, as far as it is needed here."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from connectors.errors import ConnectError, ConnectUnreachableError
from connectors.kafka_access import tls_context


def opener(tls_file: Path | None = None) -> urllib.request.OpenerDirector:
    """Return what opens addresses without a proxy: one that the user's shell names is for the world outside, not for what is beside us.

    Args:
        tls_file: PEM with the key and the certificate to show, and the one that an https address is believed by; the system's
            where there is none.

    """
    secured = () if tls_file is None else (urllib.request.HTTPSHandler(context=tls_context(tls_file)),)
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *secured)


class ConnectRest:
    """A client of one Connect worker (any worker of a cluster answers for all).

    Every method raises ConnectError with Connect's own words where it refuses, and ConnectUnreachableError where it does
    not answer.
    """

    def __init__(self, url: str, tls_file: Path | None = None, timeout_seconds: float = 30) -> None:
        self._url = url.rstrip("/")
        self._opener = opener(tls_file)
        self._timeout_seconds = timeout_seconds

    def connectors(self) -> dict[str, Any]:
        """State of every connector and its tasks, by name."""
        found = self._call("GET", "/connectors?expand=status")
        return {name: entry["status"] for name, entry in found.items()}

    def described(self) -> dict[str, Any]:
        """What every connector is registered with (`info`), and its state (`status`), by name."""
        found: dict[str, Any] = self._call("GET", "/connectors?expand=status&expand=info")
        return found

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

    def register_stopped(self, name: str, configuration: dict[str, str]) -> None:
        """Register a connector that does not start yet; one that is registered is changed and goes on as it was."""
        if self.configuration(name) is None:
            body = {"name": name, "config": configuration, "initial_state": "STOPPED"}
            self._call("POST", "/connectors", body)
        else:
            self.register(name, configuration)

    def restart(self, name: str, *, only_failed: bool) -> None:
        """Restart a connector with its tasks."""
        self._call("POST", f"/connectors/{quote(name)}/restart?includeTasks=true&onlyFailed={str(only_failed).lower()}")

    def stop(self, name: str) -> None:
        """Stop a connector and take its tasks away. It stays registered, and its offsets can be changed."""
        self._call("PUT", f"/connectors/{quote(name)}/stop")

    def resume(self, name: str) -> None:
        """Let a connector run that was paused or stopped."""
        self._call("PUT", f"/connectors/{quote(name)}/resume")

    def offsets(self, name: str) -> list[Any]:
        """How far the source was read, as the connector keeps it; empty before the first record."""
        found: list[Any] = self._call("GET", f"/connectors/{quote(name)}/offsets")["offsets"]
        return found

    def forget_offsets(self, name: str) -> None:
        """Forget how far the source was read. The connector must be stopped."""
        self._call("DELETE", f"/connectors/{quote(name)}/offsets")

    def delete(self, name: str) -> None:
        """Take a connector away; its slot and what it sent stay."""
        self._call("DELETE", f"/connectors/{quote(name)}")

    def _call(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._url}{path}", data, headers, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise ConnectError(f"{method} {path}: {_reason(error)}", status=error.code) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ConnectUnreachableError(f"Kafka Connect does not answer at {self._url}: {reason}") from error
        return json.loads(content) if content else None


NOT_FOUND = 404


def _reason(error: urllib.error.HTTPError) -> str:
    content = error.read()
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"
