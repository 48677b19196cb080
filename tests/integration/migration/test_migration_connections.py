"""Servers that say nothing, fall silent or go away, on either side: one sentence, nothing stays, and the run can be begun again."""

from __future__ import annotations

import datetime as dt
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.local.mariadb import running
from connectors.local.mariadb_server import Server
from migration.errors import MigrationError
from migration.terminal import Silence
from migration.verify import verify
from tests.integration.migration.databases import (
    CIPHER,
    OPTIONS,
    SAMPLE,
    Legacy,
    New,
    differences,
    migrate,
    planned,
    rewards,
)
from tests.integration.migration.proxy import between

ROWS = 3_000
AMONG_REDEMPTIONS = 2_000_000
"""Bytes of the legacy server's answers after which a run is in the middle of the redemptions: they have 6 MB."""


@pytest.fixture
def large(legacy: Legacy) -> Legacy:
    """Redemptions that do not fit into any buffer on the way."""
    values = {
        "u_id": 2, "rewards_id": 1, "prize_id": 1, "po_id": 1, "points": 10, "description": "d" * 2_000, "qty": 1,
        "created_on": "2018-12-01 12:00:00",
    }  # fmt: skip
    legacy.insert("prizes_redemptions", [values | {"pr_id": 100 + n} for n in range(ROWS)])
    return legacy


def _stopped(attempt: Callable[[], object], pattern: str) -> str:
    with pytest.raises(MigrationError, match=pattern) as stopped:
        attempt()
    told = str(stopped.value)
    for word in ("Traceback", "NoneType", "read()", "\n"):
        assert word not in told
    return told


@pytest.fixture
def silent() -> Iterator[int]:
    """A port behind which somebody listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_server_that_says_nothing_is_told_in_time_and_holds_up_nobody(
    new: New, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDS_LEGACY_CONNECT_SECONDS", "1")
    address = f"mysql://u:hunter2@127.0.0.1:{silent}/x"
    attempts: list[Callable[[], object]] = [
        lambda: planned(address),
        lambda: migrate(address, new),
        lambda: verify(address, new.url, OPTIONS.zones, CIPHER, merge_emails=False, show=lambda _table, _rows: None),
    ]
    for attempt in attempts:
        started = time.monotonic()
        told = _stopped(
            attempt, f"the legacy database does not answer at 127.0.0.1:{silent}/x: it said nothing for 1 s"
        )
        assert time.monotonic() - started < 5
        assert "hunter2" not in told


def test_nothing_is_locked_before_the_legacy_database_is_known(new: New, legacy: Legacy) -> None:
    class Looking(Silence):
        """Looks at the new database at each step that is told before the first row."""

        def __init__(self) -> None:
            self.free: list[bool] = []

        def begin(self, totals: dict[str, int]) -> None:
            del totals
            self._look()

        def say(self, what: str) -> None:
            if what.startswith("looking"):
                self._look()

        def _look(self) -> None:
            with closing(psycopg2.connect(new.url)) as connection, connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1s'")
                cursor.execute("SELECT count(*) FROM point_entries, divisions, users")
                self.free.append(True)

    progress = Looking()

    migrate(legacy, new, progress=progress)

    assert progress.free == [True, True]


@pytest.mark.every_server
@pytest.mark.parametrize("then", ["cut", "fall silent"])
@pytest.mark.parametrize("what", ["plan", "run", "verify"])
def test_legacy_server_that_is_lost_in_the_middle_of_a_table_is_told(
    large: Legacy,
    new: New,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    then: Literal["cut", "fall silent"],
) -> None:
    monkeypatch.setenv("REWARDS_LEGACY_READ_SECONDS", "2")
    if what == "verify":
        migrate(large, new)
    before = new.dump(besides=())

    with between(large.server.port, after=AMONG_REDEMPTIONS, then=then) as proxy:
        address = large.url.replace(f":{large.server.port}/", f":{proxy.port}/")
        attempts: dict[str, Callable[[], object]] = {
            "plan": lambda: planned(address),
            "run": lambda: migrate(address, new),
            "verify": lambda: verify(
                address, new.url, OPTIONS.zones, CIPHER, merge_emails=False, show=lambda _table, _rows: None
            ),
        }
        told = _stopped(
            attempts[what], "the legacy database at .* ended the work: .*start it again once the server answers"
        )
        assert proxy.reached.is_set()

    assert ("it said nothing for 2 s" in told) == (then == "fall silent")
    assert new.dump(besides=()) == before
    migrate(large, new)
    assert differences(large, new) == []


class When(Silence):
    """Does something once so many rows of the redemptions were read."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do
        self._rows = 0

    def advance(self, table: str, rows: int) -> None:
        if table == "prizes_redemptions":
            before, self._rows = self._rows, self._rows + rows
            if before == 0:
                self._do()


def test_new_server_that_is_lost_in_the_middle_of_a_table_is_told(large: Legacy, new: New) -> None:
    def end() -> None:
        with new.postgres.admin() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = 'rewards migrate'",
                (new.name,),
            )

    before = new.dump(besides=())

    _stopped(
        lambda: migrate(large, new, progress=When(end)),
        r"the connection to sunroc_rewards was lost \(.*\)\. Nothing of this run stays: start it again",
    )

    assert new.dump(besides=()) == before
    migrate(large, new)
    assert differences(large, new) == []


def test_new_server_that_is_lost_during_a_verification_is_told(large: Legacy, new: New) -> None:
    migrate(large, new)

    def end(table: str, rows: int) -> None:
        del rows
        if table == "users":
            with new.postgres.admin() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name LIKE '%%verify'",
                    (new.name,),
                )

    _stopped(
        lambda: verify(large.url, new.url, OPTIONS.zones, CIPHER, merge_emails=False, show=end),
        "sunroc_rewards ended the verification: .*start it again",
    )
    assert differences(large, new) == []


def _certificate(
    name: str, folder: Path, signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(signer[1] if signer else key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return certificate, key


@pytest.fixture
def encrypted() -> Iterator[tuple[Server, Path]]:
    """A server with a certificate of an authority of its own, and the folder with that."""
    with tempfile.TemporaryDirectory(prefix="certificates-") as name:
        folder = Path(name)
        authority = _certificate("authority", folder)
        _certificate("server", folder, authority)
        _certificate("stranger", folder)
        # The server runs as another user.
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o644)
        options = {"ssl": "ON", "ssl_cert": str(folder / "server.pem"), "ssl_key": str(folder / "server.key")}
        with running(options=options) as server:
            server.load(SAMPLE)
            yield server, folder


def test_server_is_asked_for_its_certificate_where_an_authority_is_named(encrypted: tuple[Server, Path]) -> None:
    server, folder = encrypted
    address = f"{server.url}rewards_program"

    planned(f"{address}?ssl-ca={folder / 'authority.pem'}")
    planned(address)
    _stopped(
        lambda: planned(f"{address}?ssl-ca={folder / 'stranger.pem'}"),
        "the legacy database does not answer at .*: .*certificate verify failed",
    )
    _stopped(lambda: planned(f"{address}?ssl-ca={folder / 'nothing.pem'}"), "there is no file .*nothing.pem")
    _stopped(
        lambda: planned(f"{address}?ssl-ca={folder / 'server.key'}"),
        "the legacy database does not answer at .*|no certificate",
    )


def test_server_without_encryption_is_refused_where_an_authority_is_named(
    legacy: Legacy, tmp_path: Path, new: New
) -> None:
    _certificate("authority", tmp_path)
    address = f"{legacy.url}?ssl-ca={tmp_path / 'authority.pem'}"

    _stopped(lambda: migrate(address, new), "the legacy database does not answer at .*SSL")
    failed = rewards("plan", "--from", address)
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: the legacy database does not answer")
