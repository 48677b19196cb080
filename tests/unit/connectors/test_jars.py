from __future__ import annotations

import hashlib
import http.server
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.errors import DownloadError, StackError
from connectors.local import certificate, jars, maven
from connectors.local.folder import StackFolder
from connectors.local.jars import Jar, JarCache
from connectors.settings import LocalSettings

CONTENT = b"a jar"
GOOD = Jar("kafka", "org.example", "tool", "1.0", hashlib.sha256(CONTENT).hexdigest())
APART = Jar(jars.MARIADB, "org.example", "server", "3.0", hashlib.sha256(CONTENT).hexdigest())
PLUGIN = Jar("debezium-postgres", "org.example", "plugin", "2.0", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the registry holds, by file name; in place of the client's download."""
    files = {GOOD.name: CONTENT, PLUGIN.name: CONTENT}

    def download(client: Any, jar: Jar) -> Path:
        target: Path = client.repo_cache / jar.path
        target.parent.mkdir(parents=True)
        target.write_bytes(files[jar.name])
        return target

    monkeypatch.setattr(maven, "download", download)
    return files


def test_lock_file_names_one_version_of_each_part_of_kafka() -> None:
    locked = jars.locked()

    versions = {jar.version for jar in locked if jar.group == "org.apache.kafka"}
    names = [(jar.folder, jar.group, jar.artifact) for jar in locked]
    assert versions == {jars.KAFKA_VERSION}
    assert len(names) == len(set(names))


def test_lock_file_holds_every_root() -> None:
    locked = {f"{jar.group}:{jar.artifact}:{jar.version}" for jar in jars.locked()}

    assert {root for roots in jars.ROOTS.values() for root in roots} <= locked


def test_plugin_folder_holds_nothing_that_kafka_brings() -> None:
    locked = jars.locked()
    brought = {f"{jar.group}:{jar.artifact}" for jar in locked if jar.folder == jars.KAFKA}

    plugins = {f"{jar.group}:{jar.artifact}" for jar in locked if jar.folder != jars.KAFKA}

    assert not brought & {jars.RELOCATED.get(name, name) for name in plugins}


def test_lock_file_says_what_it_was_made_from() -> None:
    said = jars.LOCK.read_text(encoding="utf-8").splitlines()

    assert {f"#   {folder}: {' '.join(roots)}" for folder, roots in jars.ROOTS.items()} <= set(said)


def test_cache_is_for_the_jars_of_the_stack_unless_others_are_named(tmp_path: Path) -> None:
    missing = JarCache(tmp_path).missing()

    assert {jar.folder for jar in missing} == set(jars.ROOTS) - jars.APART
    assert [jar.folder for jar in jars.locked() if jar not in missing] == [jars.MARIADB]


def test_jar_apart_from_the_stack_changes_no_plugin_folder(tmp_path: Path, registry: dict[str, bytes]) -> None:
    registry[APART.name] = CONTENT
    stack, all_of_them = JarCache(tmp_path, [GOOD, PLUGIN]), JarCache(tmp_path, [GOOD, PLUGIN, APART])
    all_of_them.fetch()

    assert all_of_them.plugins() == stack.plugins()
    assert all_of_them.classpath() == stack.classpath()
    assert all_of_them.path(APART).read_bytes() == CONTENT


def test_bytes_of_a_jar_are_told_while_it_comes_in(
    tmp_path: Path, registry: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    whole = maven.download

    def in_parts(client: Any, jar: Jar) -> Path:
        with client.resolver.progress_callback(jar.name, 5) as more:
            more(2)
            more(3)
        return whole(client, jar)

    monkeypatch.setattr(maven, "download", in_parts)
    JarCache(tmp_path, [GOOD]).fetch(arriving=lambda have, total: told.append((have, total)))

    assert told == [(2, 5), (5, 5)]


def test_missing_jars_are_fetched_once(tmp_path: Path, registry: dict[str, bytes]) -> None:
    cache = JarCache(tmp_path, [GOOD, PLUGIN])
    seen: list[tuple[int, int]] = []

    cache.fetch(lambda have, total, _name: seen.append((have, total)))

    assert seen == [(0, 2), (1, 2), (2, 2)]
    assert cache.missing() == []
    registry.clear()
    cache.fetch()


def test_jar_with_another_checksum_is_refused_and_leaves_nothing(tmp_path: Path, registry: dict[str, bytes]) -> None:
    registry[GOOD.name] = b"another jar"
    cache = JarCache(tmp_path, [GOOD])

    with pytest.raises(DownloadError, match=r"tool-1\.0\.jar is not the file that jars\.lock names"):
        cache.fetch()

    assert cache.missing() == [GOOD]
    assert list(tmp_path.rglob("*.jar")) == []


def test_plugins_are_links_in_a_folder_of_their_own(tmp_path: Path, registry: dict[str, bytes]) -> None:
    cache = JarCache(tmp_path, [GOOD, PLUGIN])
    cache.fetch()

    first, again = cache.plugins(), cache.plugins()

    assert first == again
    assert [link.relative_to(first).as_posix() for link in first.rglob("*.jar")] == ["debezium-postgres/plugin-2.0.jar"]
    assert (first / "debezium-postgres" / "plugin-2.0.jar").read_bytes() == CONTENT
    assert cache.classpath() == str(tmp_path / "maven" / GOOD.path)


class Broken:
    """A Maven client whose downloads break off so many times."""

    def __init__(self, cache: Path, failures: int) -> None:
        self.repo_cache = cache
        self.failures = failures
        self.begun: list[bool] = []

    def project(self, *_: str) -> Broken:
        return self

    at_version = artifact = project

    def resolve(self) -> str:
        file = self.repo_cache / GOOD.path
        self.begun.append(file.exists())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(CONTENT)
        if len(self.begun) <= self.failures:
            raise OSError("connection reset")
        return str(file)


def test_download_that_breaks_off_is_tried_again_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    client: Any = Broken(tmp_path, failures=2)

    assert maven.download(client, GOOD).read_bytes() == CONTENT

    assert client.begun == [False, False, False]
    assert [2 <= pauses[0] <= 3, 4 <= pauses[1] <= 5] == [True, True]


def test_download_that_never_succeeds_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    client: Any = Broken(tmp_path, failures=100)

    with pytest.raises(DownloadError, match=r"tool-1\.0\.jar could not be downloaded in 4 attempts: connection reset"):
        maven.download(client, GOOD)

    assert not (tmp_path / GOOD.path).exists()


@pytest.fixture
def registry_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry whose certificate nobody has heard of, as of a proxy that opens TLS; gives the PEM of who signed it."""
    folder = StackFolder(tmp_path / "registry")
    folder.create()
    pem = certificate.made(folder)
    served = tmp_path / "served" / GOOD.path
    served.parent.mkdir(parents=True)
    served.write_bytes(CONTENT)
    handler = partial(QuietHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(
            "jgo.config.GlobalSettings.load",
            lambda: SimpleNamespace(repositories={"central": f"https://127.0.0.1:{server.server_port}"}),
        )
        # What it sets for the client is set back.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        yield pem
        server.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_certificate_that_the_system_believes_is_believed(
    tmp_path: Path, registry_behind_tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where OpenSSL, and so Python and pip, look for the system's store.
    monkeypatch.setenv("SSL_CERT_FILE", str(registry_behind_tls))
    cache = JarCache(tmp_path / "cache", [GOOD])

    cache.fetch()

    assert cache.path(GOOD).read_bytes() == CONTENT


def test_certificate_that_nobody_believes_is_refused_at_once_with_what_to_do(
    tmp_path: Path, registry_behind_tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: pytest.fail("tried again"))

    with pytest.raises(DownloadError, match="REQUESTS_CA_BUNDLE=FILE"):
        JarCache(tmp_path / "cache", [GOOD]).fetch()


def test_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DownloadError, match=r"file/rewards cannot take the jars .* set REWARDS_CACHE_DIR"):
        JarCache(tmp_path / "file" / "rewards", [GOOD]).fetch()


def test_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    with pytest.raises(StackError, match="set REWARDS_CACHE_DIR"):
        _ = LocalSettings(cache_dir=None).cache


def test_relative_folders_count_from_where_the_command_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("REWARDS_JAVA_HOME", "java")

    assert LocalSettings(cache_dir=Path("jars")).cache == tmp_path / "jars"
    assert LocalSettings().java_home == tmp_path / "java"
    # As the specification of XDG_CACHE_HOME has it.
    assert LocalSettings().cache == Path.home() / ".cache" / "rewards"
