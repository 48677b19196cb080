#!/usr/bin/env python
"""The health checks of our containers: `rewards-health worker|lag|web` ends with 0, or with 1 and the reason.

A worker is well while it moves: where records wait in a partition that it reads, something was committed there since
the last look. Docker asks several times before it calls a container unhealthy, so that one slow batch is no illness.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from api.core.settings import WebSettings
from streams.errors import TransientError
from streams.generation import LIVE
from streams.postgres.session import connect, faults
from streams.settings import StreamSettings

LAST_LOOK: Final = Path(tempfile.gettempdir()) / "rewards-health.json"
MEASURED_SECONDS: Final = 15.0
"""`rewards lag` measures every second; what is older says nothing of now."""
WEB_SECONDS: Final = 5.0

_QUERY: Final = """
SELECT l.topic || ' ' || l.partition, l.committed_offset, l.lag_records, l.member,
  extract(epoch FROM clock_timestamp() - l.measured_at)::float8, p.halted_reason FROM consumer_lag AS l
LEFT JOIN partition_progress AS p ON p.topic = l.topic AND p.partition = l.partition WHERE l.consumer_group = %s
"""


class Place(NamedTuple):
    """What the lag process measured last of one partition."""

    name: str
    committed: int | None
    lag_records: int
    member: str | None
    """`client@address#id` of the worker that reads it."""
    age_seconds: float
    halted_reason: str | None = None
    """Why it waits for a person's word; None while it does not."""

    @property
    def address(self) -> str | None:
        """Where the worker that reads it runs, as Kafka sees it."""
        return self.member.rpartition("@")[2].partition("#")[0] if self.member else None


def illness_of_lag(places: Sequence[Place]) -> str | None:
    """None while every partition was measured a moment ago, else what is wrong."""
    if not places:
        return "nothing has been measured yet"
    oldest = max(place.age_seconds for place in places)
    return f"the last measurement is {oldest:.0f} s old" if oldest > MEASURED_SECONDS else None


def illness_of_worker(places: Sequence[Place], address: str, before: Mapping[str, int | None]) -> str | None:
    """None while the worker at an address moves, else what is wrong. `before`: what was committed at the last look."""
    unknown = illness_of_lag(places)
    if unknown:
        return f"whether the worker moves cannot be told: {unknown} (rewards lag)"
    mine = [place for place in places if place.address == address]
    if not mine:
        unread = sum(place.member is None for place in places)
        # A worker beyond the number of partitions has nothing to read, and is well.
        return f"this worker reads nothing, and nobody reads {unread} partitions" if unread else None
    halted = [f"{place.name} is halted: {place.halted_reason}" for place in mine if place.halted_reason is not None]
    if halted:
        return f"{'; '.join(halted)} (rewards dead-letters list)"
    still = [
        place for place in mine if place.lag_records and place.name in before and before[place.name] == place.committed
    ]
    if not still:
        return None
    waiting = ", ".join(f"{place.name} ({place.lag_records} records)" for place in still)
    return f"nothing was committed since the last look while records wait in {waiting}"


def check_worker() -> str | None:
    """Look at the worker of this container, and remember what was seen."""
    settings = StreamSettings.model_validate({})
    places = _measured(settings)
    try:
        before = json.loads(LAST_LOOK.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        before = {}
    LAST_LOOK.write_text(json.dumps({place.name: place.committed for place in places}), encoding="utf-8")
    return illness_of_worker(places, _own_address(settings.kafka_bootstrap), before)


def check_lag() -> str | None:
    """Look at what the lag process wrote last."""
    return illness_of_lag(_measured(StreamSettings.model_validate({})))


def check_web() -> str | None:
    """Ask the website whether it can do its work."""
    url = f"http://127.0.0.1:{WebSettings.model_validate({}).web_port}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=WEB_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")
    except OSError as error:
        return str(error)


def _measured(settings: StreamSettings) -> list[Place]:
    connection = connect(settings.database_url.get_secret_value(), name="rewards health")
    try:
        with faults(), connection, connection.cursor() as cursor:
            cursor.execute(_QUERY, (LIVE.application_id,))
            return [Place(*row) for row in cursor.fetchall()]
    finally:
        connection.close()


def _own_address(bootstrap: str) -> str:
    """The address that the broker sees this container under. A datagram's socket is bound and sends nothing."""
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, int(port)))
        address: str = probe.getsockname()[0]
    return address


CHECKS: Final = {"worker": check_worker, "lag": check_lag, "web": check_web}


def main() -> None:
    """Run the check that is named, and end with its answer."""
    if sys.argv[1:] not in [[name] for name in CHECKS]:
        sys.exit(f"usage: rewards-health {'|'.join(CHECKS)}")
    try:
        illness = CHECKS[sys.argv[1]]()
    except (TransientError, OSError) as error:
        illness = str(error)
    if illness:
        sys.exit(illness)


if __name__ == "__main__":
    main()
