"""How our commands reach Kafka: addresses, and the certificate that they show where Kafka asks for one.

It stands before the data's way: registration and the checks of the sources make their clients of it. Nothing here connects.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.errors import ConnectorsError


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Addresses of the brokers, and what is shown to them."""

    bootstrap: str
    """host:port[,host:port…]"""
    tls_file: Path | None = None
    """PEM: the key and the certificate that are shown, and the certificates that brokers are believed by; None: without TLS."""

    @property
    def servers(self) -> list[str]:
        """The addresses, one by one."""
        return [one.strip() for one in self.bootstrap.split(",")]

    def context(self) -> ssl.SSLContext | None:
        """What a connection is secured with; None without TLS.

        Raises:
            ConnectorsError: the file cannot be read, or holds no key and certificate.
        """
        return None if self.tls_file is None else tls_context(self.tls_file)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that kafka-python's clients and aiokafka's have in common.

        Raises:
            ConnectorsError: as `context`.
        """
        context = self.context()
        secured = {} if context is None else {"security_protocol": "SSL", "ssl_context": context}
        return {"bootstrap_servers": self.servers, **secured}


def tls_context(tls_file: Path) -> ssl.SSLContext:
    """Return what secures a connection to a server that asks for a certificate.

    Args:
        tls_file: PEM with the key and the certificate to show, and those that servers are believed by.

    Raises:
        ConnectorsError: the file cannot be read, or holds no key and certificate.

    """
    try:
        context = ssl.create_default_context(cafile=tls_file)
        context.load_cert_chain(tls_file)
    except OSError as error:
        raise ConnectorsError(f"{tls_file} holds no key with its certificate that could be shown: {error}") from error
    return context
