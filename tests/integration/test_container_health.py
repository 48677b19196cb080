"""The containers' health checks, run against the stack as a container engine would run them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from connectors.local.folder import StackFolder
from connectors.settings import PROJECT
from tests.stack import Stack, eventually


def health(stack: Stack, name: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | StackFolder(stack.folder).environment()
    return subprocess.run(
        [sys.executable, PROJECT / "docker" / "health.py", name],
        capture_output=True, text=True, check=False, timeout=60, env=environment, cwd=PROJECT,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["worker", "lag", "web"])
def test_service_that_does_its_work_is_healthy(stack: Stack, name: str) -> None:
    stack.wait()

    eventually(lambda: health(stack, name).returncode == 0)
