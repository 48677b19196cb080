"""Who a request comes from: its address, which is that of the client also behind trusted proxies (api/core/server.py), and its browser."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from fastapi import Request
from starlette.types import Scope

UNKNOWN: Final = "unknown"
"""The address where there is none, or a proxy sent something else."""
LONGEST_BROWSER: Final = 300


def address_of(scope: Scope) -> str:
    """Return the client's address as text, without an interface; an IPv4 one also where it came as IPv6 (`::ffff:192.0.2.1`)."""
    client = scope.get("client")
    try:
        address = ip_address(client[0].partition("%")[0] if client else "")
    except ValueError:
        return UNKNOWN
    return str(_plain(address))


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the 64 bits of an IPv6 one that a provider gives to one line."""
    if ":" not in address:
        return address
    return str(ip_network((address, 64), strict=False))


def browser_of(request: Request) -> str:
    """Return the start of what the client calls itself; empty where it says nothing."""
    return request.headers.get("user-agent", "").replace("\0", "")[:LONGEST_BROWSER]


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
