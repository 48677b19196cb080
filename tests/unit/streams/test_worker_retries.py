"""The worker's loops beside its executors: they give back what they hold, try again, and count it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError, NotLeaderForPartitionError

from streams.errors import TransientError, TransientKind
from streams.kafka_access import KafkaAccess
from streams.settings import StreamSettings
from streams.source.transaction_metadata import TransactionMetadata
from streams.topics import TRANSACTIONS
from streams.worker import scheduler as scheduler_module
from streams.worker import transaction_reader as reader_module
from streams.worker.publisher import Publisher
from streams.worker.scheduler import Scheduler
from streams.worker.transaction_reader import TransactionMetadataReader


class Connection:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_scheduler_gives_its_lock_up_while_postgres_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[TransientKind] = []
    looks: list[Connection] = []
    publisher: Any = None
    limits = StreamSettings(database_url="postgresql://there/x", kafka_bootstrap="127.0.0.1:1").reload_limits
    scheduler = Scheduler("postgresql://there/x", publisher, timezone="UTC", limits=limits, count=counted.append)
    done = asyncio.Event()

    def look() -> tuple[list[Any], list[Any]]:
        held: Any = Connection()
        scheduler._connection = held
        looks.append(held)
        if len(looks) < 3:
            raise TransientError("Postgres is away")
        loop.call_soon_threadsafe(done.set)
        return [], []

    async def run() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(scheduler.run())
        await asyncio.wait_for(done.wait(), 5)
        task.cancel()

    loop: Any = None
    monkeypatch.setattr(scheduler, "_look", look)
    monkeypatch.setattr(scheduler_module, "INTERVAL_SECONDS", 3600.0)
    asyncio.run(run())

    assert [held.closed for held in looks] == [True, True, False]
    assert counted == [TransientKind.AWAY] * 2


class Broker:
    """Takes no connection at first, then loses one, then has a record."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.read = asyncio.Event()

    def consumer(self, **_: Any) -> Consumer:
        return Consumer(self)


class Consumer:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.number = broker.log.count("start") + 1

    async def start(self) -> None:
        self.broker.log.append("start")
        if self.number == 1:
            raise KafkaConnectionError

    def assign(self, _partitions: Any) -> None: ...

    async def seek_to_end(self, *_: Any) -> None: ...

    async def offsets_for_times(self, _times: Any) -> dict[Any, Any]:
        return {}

    async def getmany(self, **_: Any) -> dict[Any, Any]:
        if self.number == 2:
            raise KafkaError
        self.broker.log.append("read")
        self.broker.read.set()
        await asyncio.Event().wait()
        return {}

    async def stop(self) -> None:
        self.broker.log.append("stop")


def test_transaction_metadata_is_read_again_after_each_connection_that_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker()
    counted: list[TransientKind] = []
    monkeypatch.setattr(reader_module, "AIOKafkaConsumer", broker.consumer)
    monkeypatch.setattr(reader_module, "ANEW_SECONDS", 0.01)
    reader = TransactionMetadataReader(
        KafkaAccess("127.0.0.1:1"), TransactionMetadata(wake=lambda: None), lambda: None, counted.append
    )

    async def run() -> None:
        task = asyncio.create_task(reader.run())
        await asyncio.wait_for(broker.read.wait(), 5)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(run())

    assert broker.log == ["start", "stop", "start", "stop", "start", "read", "stop"]
    assert counted == [TransientKind.AWAY]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotLeaderForPartitionError(), TransientKind.AWAY),
        (KafkaConnectionError(), TransientKind.AWAY),
        (MessageSizeTooLargeError(), TransientKind.UNEXPLAINED),
    ],
)
def test_what_kafka_calls_retriable_decides_for_how_long_it_is_tried(error: KafkaError, kind: TransientKind) -> None:
    class Refusing:
        def create_batch(self) -> Any:
            return self

        def append(self, **_: Any) -> object:
            return self

        async def send_batch(self, *_: Any, **__: Any) -> None:
            raise error

    publisher = Publisher.__new__(Publisher)
    publisher._producer = Refusing()

    with pytest.raises(TransientError) as caught:
        asyncio.run(publisher.publish(TRANSACTIONS[0].name, [(0, None, b"{}")]))

    assert caught.value.kind is kind
