from __future__ import annotations

import pytest

from api.core.client import address_of, network_of


@pytest.mark.parametrize(
    ("client", "address", "network"),
    [
        (("192.0.2.7", 5000), "192.0.2.7", "192.0.2.7"),
        (("::ffff:192.0.2.7", 5000), "192.0.2.7", "192.0.2.7"),
        (("2001:DB8:1:2:3::4", 5000), "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5000), "fe80::1", "fe80::/64"),
        (("<script>", 0), "unknown", "unknown"),
        (None, "unknown", "unknown"),
    ],
)
def test_client_has_an_address_and_counts_by_its_network(
    client: tuple[str, int] | None, address: str, network: str
) -> None:
    assert address_of({"client": client}) == address
    assert network_of(address) == network
