"""The agents: one a source topic, each hands what it receives to the executor of the record's partition.

Place on the data's way: under the runtime; what a record says is source/decode.py's. A record never raises here, for Faust acknowledges
and skips a record whose agent raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streams.source.decode import decode_invoice, decode_membership, decode_reevaluation
from streams.topics import INVOICES, MEMBERSHIPS, TopicSpec, topics_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import faust

    from streams.generation import Generation
    from streams.source.records import DecodedRecord
    from streams.worker.runtime import Runtime


class Agent(NamedTuple):
    """A source topic, the name that its agent goes by, and how its records are read."""

    topic: TopicSpec
    name: str
    decode: Callable[[Any], DecodedRecord]


def agents_of(generation: Generation) -> tuple[Agent, ...]:
    """Return the agents of a generation: the source topics are everybody's, the reevaluations its own."""
    return (
        Agent(INVOICES, "invoices", decode_invoice),
        Agent(MEMBERSHIPS, "memberships", decode_membership),
        Agent(topics_of(generation).reevaluations, "reevaluations", decode_reevaluation),
    )


async def receive(stream: faust.StreamT[Any], runtime: Runtime) -> None:
    """Hand every bulk message to the runtime. Offsets are marked by outputs.py, so the stream acknowledges nothing."""
    async for event in stream.noack().events():  # type: ignore[attr-defined]  # Faust types StreamT without it
        runtime.put(event.message)
