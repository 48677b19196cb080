"""Addresses that hold a text of any kind in one segment, such as a customer's id.

A server decodes the whole path before anybody sees it, so that an encoded slash could not be told from the address's own:
`/customers/a%2Fentries` would be the log of the customer `a`. Here each segment is decoded for itself. A slash in it is written with
a NUL, which no text of Postgres holds.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH: Final = "\0s"
_NUL: Final = "\0n"
# Browsers take `.` and `..` for steps in the tree of addresses, encoded ones as well.
_STEPS: Final = re.compile(r"=*\.{1,2}")


def segment_of(text: str) -> str:
    """Return the segment of an address that holds the text; `text_of` is its inverse, once a server has decoded it."""
    return quote(f"={text}" if _STEPS.fullmatch(text) else text, safe="")


def text_of(segment: str) -> str:
    """Return the text that a segment of a decoded path holds; raise `ValueError` where no text of ours is such."""
    if _NUL in segment:
        raise ValueError("it holds a NUL")
    text = segment.replace(_SLASH, "/")
    return text[1:] if text.startswith("=") and _STEPS.fullmatch(text) else text


class Segments:
    """Decodes a request's path segment by segment."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and b"%" in scope["raw_path"]:
            scope = {**scope, "path": "/".join(map(_decoded, scope["raw_path"].decode("ascii").split("/")))}
        await self.app(scope, receive, send)


def _decoded(segment: str) -> str:
    return unquote(segment).replace("\0", _NUL).replace("/", _SLASH)
