"""The folder of a stack: its state file, its secrets, its ports, its lock.

Everything that a stack keeps stands under it, Postgres' data excepted where root starts the stack in a folder that
Postgres' own user cannot reach (see postgres.py).
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shlex
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, Final

from connectors.errors import StackError, StackNotRunningError, StackRunningError
from connectors.settings import LOOPBACK, PROJECT

DEFAULT: Final = PROJECT / ".rewards"
PORTS: Final = range(20_000, 32_000)
"""Below the range that the system takes the near ends of its own connections from: what is free here stays free."""
ROLES: Final = ("postgres", "warehouse", "rewards_owner", "rewards_app", "debezium")
LISTENERS: Final = ("postgres", "kafka", "kafka_controller", "connect", "web", "worker_metrics", "lag_metrics")
HOST: Final = LOOPBACK
TLS_FILES: Final = {
    "REWARDS_KAFKA_TLS_FILE": "REWARDS_KAFKA_BOOTSTRAP",
    "REWARDS_CONNECT_TLS_FILE": "REWARDS_CONNECT_URL",
}
"""Setting -> the address that it is shown at: of another server it says nothing."""


def _password() -> str:
    return secrets.token_urlsafe(24)


def _cluster_id() -> str:
    """As Kafka makes its own: 16 bytes in base64url, without a dash in front, which a command line takes for an option."""
    while (made := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return made


@dataclass(slots=True)
class Secrets:
    """Made at a stack's first start; kept in a file of its own that only the owner may read."""

    stack_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    kafka_cluster_id: str = field(default_factory=_cluster_id)
    session_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    field_keys: str = field(default_factory=lambda: secrets.token_urlsafe(64))
    """What personal details are encrypted under (docs/encryption.md): base64url keys of 64 bytes, commas between them."""
    passwords: dict[str, str] = field(default_factory=lambda: {role: _password() for role in ROLES})


_SECRETS: Final = frozenset(one.name for one in fields(Secrets))


class StackFolder:
    """Reads and writes the files of one stack."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or DEFAULT).expanduser().absolute()
        self.logs = self.path / "logs"
        self.tls_file = self.path / "tls.pem"
        self._state = self.path / "stack.json"
        self._secrets = self.path / "secrets.json"

    def create(self) -> None:
        """Make the folder, closed to other users but for passing through (Postgres runs as another one under root).

        Raises:
            StackError: there is something else in its place, or it may not be written to, or no text says where it is.

        """
        try:
            str(self.path).encode()
        except UnicodeEncodeError as error:
            raise StackError(f"{str(self.path)!r} is no UTF-8 text: name another folder with --data") from error
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                # Whatever the umask is.
                self.path.chmod(0o711)
            self.logs.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise StackError(
                f"{self.path} cannot hold a stack ({error.strerror}): name a folder with --data"
            ) from error

    def command(self, words: str) -> str:
        """A command as a person types it for this stack, for hints."""
        return f"rewards {words}" + ("" if self.path == DEFAULT else f" --data {shlex.quote(str(self.path))}")

    def secrets(self) -> Secrets:
        """The stack's passwords and keys; made at the first call, those that an older version did not have as well."""
        kept = self._kept_secrets()
        if kept.keys() >= _SECRETS:
            return Secrets(**kept)
        # One process at a time: what two of them made differs, and what was encrypted under the one that is lost is lost.
        with (self.path / "secrets.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            kept = self._kept_secrets()
            complete = Secrets(**kept)
            if kept.keys() < _SECRETS:
                _write(self._secrets, asdict(complete))
        return complete

    def _kept_secrets(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(self._secrets.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise StackError(
                f"{self._secrets} cannot be read ({error}): bring it back from a copy, for what is encrypted needs its keys"
            ) from error
        return kept

    def stack_id(self) -> str | None:
        """What tells this stack from another one that stood in the same folder; None where there is none."""
        return self.secrets().stack_id if self._secrets.exists() else None

    def state(self) -> dict[str, Any]:
        """What the supervisor wrote last; empty where no stack was ever started here."""
        try:
            state: dict[str, Any] = json.loads(self._state.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except ValueError as error:
            raise StackError(
                f"{self._state} cannot be read ({error}): remove it, and `{self.command('up')}` writes it anew"
            ) from error
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state file, in one step."""
        _write(self._state, state)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the stack's lock: one supervisor a folder. The system lets go of it when the process ends in any way.

        Raises:
            StackRunningError: another supervisor holds it.

        """
        with (self.path / "lock").open("a") as file:
            deadline = time.monotonic() + 1
            while not _lock(file, fcntl.LOCK_EX):
                # Somebody who only asks holds it for a moment.
                if time.monotonic() > deadline:
                    raise StackRunningError(f"the stack in {self.path} is running already, or being started")
                time.sleep(0.05)
            yield

    def supervised(self) -> bool:
        """Whether a supervisor is alive for this folder."""
        try:
            with (self.path / "lock").open("r") as file:
                return not _lock(file, fcntl.LOCK_SH)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def ports(self) -> dict[str, int]:
        """A free port a listener: that of the last run where it is still free, so that bookmarks keep working."""
        last = self.state().get("ports", {})
        taken: dict[str, int] = {}
        for listener in LISTENERS:
            port = last.get(listener)
            if port is None or port in taken.values() or not _free(port):
                port = _any_free(set(taken.values()) | set(last.values()))
            taken[listener] = port
        return taken

    def environment(self) -> dict[str, str]:
        """The settings of a process that talks to this stack.

        Raises:
            StackNotRunningError: no stack was ever started here.

        """
        state = self.state()
        if "ports" not in state:
            raise StackNotRunningError(f"there is no stack in {self.path}: start one with `{self.command('up')}`")
        return {
            "REWARDS_WAREHOUSE_URL": state["warehouse"],
            "REWARDS_DATABASE_URL": state["rewards"],
            "REWARDS_KAFKA_BOOTSTRAP": state["kafka"],
            "REWARDS_CONNECT_URL": state["connect"],
            **self._tls_environment(),
            "REWARDS_WEB_HOST": HOST,
            "REWARDS_WEB_PORT": str(state["ports"]["web"]),
            "REWARDS_SESSION_SECRET": self.secrets().session_secret,
            "REWARDS_FIELD_KEYS": self.secrets().field_keys,
            "REWARDS_TIMEZONE": state["timezone"],
        }

    def _tls_environment(self) -> dict[str, str]:
        # A stack that an older version started has none.
        return dict.fromkeys(TLS_FILES, str(self.tls_file)) if self.tls_file.exists() else {}

    def owner_environment(self) -> dict[str, str]:
        """What the commands of the schema's owner need besides, and those that mend what is captured.

        No process that goes on is given it.
        """
        state = self.state()
        if "ports" not in state:
            return {}
        passwords = self.secrets().passwords
        owner = f"rewards_owner:{passwords['rewards_owner']}"
        return {
            "REWARDS_OWNER_DATABASE_URL": f"postgresql://{owner}@{HOST}:{state['ports']['postgres']}/sunroc_rewards",
            "REWARDS_CAPTURE_WAREHOUSE_PASSWORD": passwords["debezium"],
            "REWARDS_CAPTURE_MEMBERSHIPS_PASSWORD": passwords["debezium"],
        }


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    partial.replace(path)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port whose last connections are still dying down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _any_free(avoid: set[int]) -> int:
    for port in random.sample(PORTS, len(PORTS)):
        if port not in avoid and _free(port):
            return port
    raise StackError(f"no free port between {PORTS.start} and {PORTS.stop} on {HOST}")
