"""How each captured database is reached: to look, to alter, and as the connector itself."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field

from connectors.registration import Connector, deployed
from connectors.settings import ConnectorSettings
from connectors.source.captured import Captured, captured_by


@dataclass(frozen=True, slots=True)
class Access:
    """A captured database's addresses. They hold passwords."""

    connector: Connector
    captured: Captured
    address: str = field(repr=False)
    """As the role that looks."""
    owner: str = field(repr=False)
    """As the role that may alter what is captured, as far as one is known."""
    role: str
    """The connector's own role."""
    replication: str | None = field(repr=False)
    """As the connector's role, which may drop its slot; None where its password is not known."""

    @property
    def name(self) -> str:
        """The connector's."""
        return self.connector.name

    @property
    def reader(self) -> str:
        """The role that looks."""
        from psycopg2.extensions import parse_dsn

        return str(parse_dsn(self.address).get("user") or getpass.getuser())


def all_access(settings: ConnectorSettings) -> list[Access]:
    """One a connector, in the order of their registration."""
    from psycopg2.extensions import make_dsn

    warehouse, rewards = settings.warehouse_url, settings.database_url
    known = {
        "warehouse": (warehouse, warehouse, settings.capture_warehouse_user, settings.capture_warehouse_password),
        "rewards": (
            rewards,
            settings.owner_database_url or rewards,
            settings.capture_memberships_user,
            settings.capture_memberships_password,
        ),
    }
    found = []
    for connector in deployed():
        address, owner, role, password = known[connector.name]
        plain = address.get_secret_value()
        replication = make_dsn(plain, user=role, password=password.get_secret_value()) if password else None
        found.append(Access(connector, captured_by(connector), plain, owner.get_secret_value(), role, replication))
    return found
