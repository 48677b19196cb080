"""Postgres' data that does not stand in its stack's folder: root's stacks in folders that Postgres' own user cannot reach.

It belongs to a stack by the stack's id, wherever that folder stands now. Nothing here is ever removed by a start: a folder
that is not there may be on a disk that is away. `rewards stacks --remove` is a person's decision.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from connectors.errors import StackError
from connectors.local import binaries
from connectors.local.folder import StackFolder


@dataclass(frozen=True, slots=True)
class SharedData:
    """Data of one stack."""

    stack_id: str
    stack: Path | None
    """The folder that the stack was in at its last start; None where it never got so far."""
    size_bytes: int
    has_stack: bool
    """Whether that folder still holds this stack."""
    runs: bool
    """Whether a server runs on it."""


def place(stack_id: str) -> Path:
    """Where the data of a stack would be."""
    return binaries.SHARED / "stacks" / stack_id


def claim(folder: StackFolder, stack_id: str) -> Path:
    """The place for a stack's data, which is that of the same stack before its folder was moved.

    Raises:
        StackError: the folder that it belonged to is still there: one of the two is a copy.

    """
    shared = binaries.open_folder(place(stack_id))
    last = _last_folder(shared)
    if last is not None and last != folder.path and _same_stack(last, stack_id) and not last.samefile(folder.path):
        raise StackError(
            f"{folder.path} is a copy of the stack in {last}, and both would use the database in {shared}:"
            f" start the other one (`{StackFolder(last).command('up')}`), remove it first, or name a new folder with --data"
        )
    (shared / "stack").write_text(str(folder.path), encoding="utf-8")
    return shared


def found() -> list[SharedData]:
    """All that there is, by the folder of the stack."""
    data = [_describe(one) for one in (binaries.SHARED / "stacks").glob("*") if one.is_dir()]
    return sorted(data, key=lambda one: str(one.stack))


def remove(data: SharedData) -> None:
    """Remove the data of a stack whose folder is gone.

    Raises:
        StackError: its stack is there, or a server runs on it.

    """
    now = _describe(place(data.stack_id))
    if now.has_stack or now.runs:
        raise StackError(f"the data {data.stack_id} is in use by the stack in {now.stack}")
    shutil.rmtree(place(data.stack_id))


def _describe(shared: Path) -> SharedData:
    last = _last_folder(shared)
    same = last is not None and _same_stack(last, shared.name)
    return SharedData(shared.name, last, _size(shared), same, _server_runs(shared))


def _size(folder: Path) -> int:
    size = 0
    for file in folder.rglob("*"):
        # A server that runs on it removes files meanwhile.
        with contextlib.suppress(FileNotFoundError):
            size += file.lstat().st_size
    return size


def _last_folder(shared: Path) -> Path | None:
    try:
        return Path((shared / "stack").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _same_stack(folder: Path, stack_id: str) -> bool:
    return StackFolder(folder).stack_id() == stack_id


def _server_runs(shared: Path) -> bool:
    """By the file in which a Postgres says its pid; the pid may have been given to another process since."""
    try:
        pid = int((shared / "postgres" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        return "postgres" in psutil.Process(pid).name()
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        return False
