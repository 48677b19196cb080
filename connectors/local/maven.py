"""Talks to Maven repositories, by a client written in Python (jgo), for the jars that jars.py names."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connectors.errors import DownloadError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

    from connectors.local.jars import Jar

ATTEMPTS: Final = 4
TIMEOUT_SECONDS: Final = 60

Arriving = Callable[[int, int], None]
"""Called while a jar comes in, with the bytes that are there and the bytes of all of it."""


def client(store: Path, arriving: Arriving = lambda _have, _all: None) -> MavenContext:
    """A Maven client with the repositories that the user configured for it (its own default where none are)."""
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    _believe_whom_the_system_believes()

    @contextmanager
    def download(_name: str, total: int) -> Iterator[Callable[[int], None]]:
        have = 0

        def more(size: int) -> None:
            nonlocal have
            have += size
            arriving(have, total)

        yield more

    context = MavenContext(PythonResolver(progress_callback=download), repo_cache=store, timeout=TIMEOUT_SECONDS)
    context.remote_repos |= GlobalSettings.load().repositories
    return context


def _believe_whom_the_system_believes() -> None:
    """Check certificates by the system's store, as pip does: that of a proxy that opens TLS stands there alone."""
    paths = ssl.get_default_verify_paths()
    store = paths.cafile or (paths.capath if paths.capath and any(Path(paths.capath).glob("*.0")) else None)
    if store is not None and "CURL_CA_BUNDLE" not in os.environ:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", store)


def download(maven: MavenContext, jar: Jar) -> Path:
    """Bring a jar into the client's store; returns where it is there.

    Raises:
        DownloadError: it cannot be had after several attempts, or who answers is not believed.

    """
    import requests

    from connectors.retry_policy import downloading

    class DistrustError(Exception):
        """Who answers shows a certificate that nobody here believes; trying again does not help."""

    def resolve_jar() -> Path:
        artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            return Path(artifact.resolve())
        except failures as error:
            # A download that broke off leaves its beginning where the client would take it for the whole.
            (maven.repo_cache / jar.path).unlink(missing_ok=True)
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise DistrustError(str(error)) from error
            raise

    failures = (requests.RequestException, RuntimeError, OSError)
    try:
        return downloading(ATTEMPTS, *failures)(resolve_jar)
    except DistrustError as error:
        raise DownloadError(
            f"{jar.name} could not be downloaded: the server's certificate is not known here ({error}). Behind a proxy that opens"
            " TLS, add its certificate to the system's store, or name a PEM file that holds it: REQUESTS_CA_BUNDLE=FILE"
        ) from error
    except failures as error:
        raise DownloadError(f"{jar.name} could not be downloaded in {ATTEMPTS} attempts: {error}") from error
