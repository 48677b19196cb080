from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pymysql
import pytest

from migration import packets


class Socket(io.RawIOBase):
    """Gives the bytes of a server a few at a time, as a network may."""

    def __init__(self, said: bytes, size: int) -> None:
        self._said = said
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(self._size, len(buffer), len(self._said))
        buffer[:count], self._said = self._said[:count], self._said[count:]
        return count


class Result:
    unbuffered_active = True
    warning_count = 0
    connection: object = object()


class Connection:
    def __init__(self, said: bytes, size: int) -> None:
        self._rfile = io.BufferedReader(Socket(said, size))
        self.is_closed = False

    def _force_close(self) -> None:
        self.is_closed = True


class Cursor:
    """What of PyMySQL's is asked."""

    def __init__(self, said: bytes, size: int = 7) -> None:
        self.connection = Connection(said, size)
        self._result = Result()
        self.warning_count = 0


def _value(value: bytes | None) -> bytes:
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    return (b"\xfc" + size.to_bytes(2, "little") if size < 2**16 else b"\xfd" + size.to_bytes(3, "little")) + value


def _packet(content: bytes, number: int = 1) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number % 256]) + content


def _answer(rows: Sequence[Sequence[bytes | None]], *, warnings: int = 0) -> bytes:
    packed = [_packet(b"".join(map(_value, row)), number) for number, row in enumerate(rows)]
    return b"".join([*packed, _packet(b"\xfe" + warnings.to_bytes(2, "little") + b"\x22\x00")])


ROWS = [
    (b"", b"a"), (None, None), (b"\xfe", b"\xff\xfb"), (b"x" * 250, b"y" * 251), (b"z" * 70_000, None), (b"w" * 65_535, b""),
]  # fmt: skip


@pytest.mark.parametrize("size", [1_000, 4_096, 10**6])
def test_rows_come_as_the_server_sent_them_however_the_network_cut_them(size: int) -> None:
    cursor: Any = Cursor(_answer(ROWS, warnings=3), size)

    assert list(packets.rows(cursor, 2)) == ROWS
    assert cursor.warning_count == 3
    assert not cursor.connection.is_closed


@pytest.mark.parametrize("size", [4_096, 10**6])
def test_the_only_column_comes_many_rows_at_a_time(size: int) -> None:
    values = [first for first, _ in ROWS] * 20
    cursor: Any = Cursor(_answer([(value,) for value in values]), size)

    some = list(packets.column(cursor))

    assert [value for part in some for value in part] == values
    assert 1 < len(some) < len(values), "as many at a time as make a chunk"
    assert cursor._result.unbuffered_active is False


@pytest.mark.parametrize("size", range(1, 9))
def test_head_of_a_packet_may_come_in_pieces(size: int) -> None:
    cursor: Any = Cursor(_answer(ROWS[:4]), size)

    assert list(packets.rows(cursor, 2)) == ROWS[:4]


def test_answer_without_rows_gives_none() -> None:
    cursor: Any = Cursor(_answer([]))

    assert list(packets.column(cursor)) == []


def test_error_instead_of_a_row_is_raised_with_the_servers_words() -> None:
    said = _packet(_value(b"a")) + _packet(
        b"\xff" + (1317).to_bytes(2, "little") + b"#70100Query execution was interrupted"
    )
    cursor: Any = Cursor(said)

    with pytest.raises(pymysql.err.OperationalError) as raised:
        list(packets.column(cursor))

    assert raised.value.args == (1317, "Query execution was interrupted")
    assert not cursor.connection.is_closed


def test_connection_that_ends_amid_the_rows_is_an_error_and_closed() -> None:
    cursor: Any = Cursor(_answer(ROWS)[:-20])

    with pytest.raises(pymysql.err.OperationalError, match="Lost connection"):
        list(packets.rows(cursor, 2))

    assert cursor.connection.is_closed


def test_answer_that_nobody_reads_to_its_end_ends_the_connection() -> None:
    cursor: Any = Cursor(_answer([(b"x" * 200_000,)] * 5), 10**6)
    reading = packets.column(cursor)
    next(reading)

    reading.close()

    assert cursor.connection.is_closed
    assert cursor._result.unbuffered_active is False


def test_row_of_a_whole_packet_is_refused_for_it_goes_on_in_the_next() -> None:
    cursor: Any = Cursor(_packet(b"\xfd\xff\xff\xff" + b"x" * (0xFFFFFF - 4)), 10**6)

    with pytest.raises(pymysql.err.InternalError, match="16 MB"):
        list(packets.column(cursor))
