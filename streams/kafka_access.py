"""How the clients of this package reach Kafka: addresses, and the certificate that they show where Kafka asks for one.

It stands before the data's way: workers, lag process and commands make their clients of it. Nothing here connects.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.errors import SettingsError


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
            SettingsError: the file cannot be read, or holds no key and certificate.
        """
        if self.tls_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_file)
            context.load_cert_chain(self.tls_file)
        except OSError as error:
            raise SettingsError(f"REWARDS_KAFKA_TLS_FILE={self.tls_file}: {error}") from error
        return context

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that kafka-python's clients and aiokafka's have in common.

        Raises:
            SettingsError: as `context`.
        """
        context = self.context()
        secured = {} if context is None else {"security_protocol": "SSL", "ssl_context": context}
        return {"bootstrap_servers": self.servers, **secured}
