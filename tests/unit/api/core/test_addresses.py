from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.core.addresses import Segments, segment_of, text_of

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


async def decoded(raw_path: str) -> str:
    """The path that the app is given."""
    given_path = ""

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        nonlocal given_path
        given_path = scope["path"]

    scope = {"type": "http", "path": unquote(raw_path), "raw_path": raw_path.encode("ascii")}
    await Segments(app)(scope, None, None)  # type: ignore[arg-type]
    return given_path


def in_the_middle(text: str) -> str:
    """The text that comes out of an address's middle segment."""
    coroutine = decoded(f"/customers/{segment_of(text)}/events")
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    first, customers, segment, last = done.value.value.split("/")
    assert (first, customers, last) == ("", "customers", "events")
    return text_of(segment)


@given(TEXTS)
@example("../entries")
@example("a/events")
@example("a//b")
@example(".")
@example("..")
@example("=..")
@example("==.")
@example("=x")
@example("100%2F")
@example("\0s".replace("\0", "%00"))
def test_any_text_comes_out_of_its_segment_as_it_went_in(text: str) -> None:
    assert in_the_middle(text) == text


@given(st.text("=.", min_size=1))
def test_no_segment_is_a_step_in_the_tree_of_addresses(text: str) -> None:
    assert segment_of(text) not in {".", ".."}
    assert in_the_middle(text) == text


def test_nul_in_an_address_is_no_text() -> None:
    coroutine = decoded("/customers/a%00s")
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    with pytest.raises(ValueError, match="NUL"):
        text_of(done.value.value.removeprefix("/customers/"))
