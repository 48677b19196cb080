"""The containers' health checks, run against the stack as a container engine would run them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from connectors.local.folder import StackFolder
from connectors.settings import PROJECT
from tests.contract.test_compose_health import health as module
from tests.stack import Stack, eventually


def health(stack: Stack, name: str) -> subprocess.CompletedProcess[str]:
    # What it remembers of its last look is this run's own: another user's file in the machine's /tmp cannot be written.
    environment = dict(os.environ) | StackFolder(stack.folder).environment() | {"TMPDIR": str(stack.folder)}
    return subprocess.run(
        [sys.executable, PROJECT / "docker" / "health.py", name],
        capture_output=True, text=True, check=False, timeout=60, env=environment, cwd=PROJECT,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["worker", "lag", "web"])
def test_service_that_does_its_work_is_healthy(stack: Stack, name: str) -> None:
    stack.wait()

    eventually(lambda: health(stack, name).returncode == 0)


def test_worker_is_known_by_the_address_that_the_broker_sees(stack: Stack) -> None:
    stack.wait()
    with stack.cursor("rewards") as cursor:
        cursor.execute(module._QUERY, ("rewards",))
        places = [module.Place(*row) for row in cursor.fetchall()]

    assert places
    # Else every worker would pass for a spare one, and be well whatever it did.
    assert {place.address for place in places} == {module._own_address(stack.address("kafka"))}
