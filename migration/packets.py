"""Reads the answers of a MySQL server many rows at a time.

Place on the data's way: under reading.py, for whole tables. PyMySQL takes each row apart by itself, which costs more than all else that
is done about a plain row here. So the connection, the question and the description of the answer are PyMySQL's, and the rows are read
from its socket: its private attributes are named here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pymysql
from pymysql.constants import CR
from pymysql.cursors import SSCursor

CHUNK_BYTES: Final = 262_144
"""How much is read before it is handed on, and at the end what there is."""
_EOF: Final = 0xFE
_ERROR: Final = 0xFF
_NULL: Final = 0xFB
_WIDTHS: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""First byte of a value's length -> how many bytes of length follow; a smaller one is the length."""
_EOF_BYTES_MAX: Final = 8
_PACKET_BYTES_MAX: Final = 0xFFFFFF


def column(cursor: SSCursor) -> Iterator[list[bytes | None]]:
    """Yield the only column of what the cursor has executed, many rows at a time; otherwise as `rows`."""
    for packets in _packets(cursor):
        yield [
            packet[1:] if (first := packet[0]) < _NULL else None if first == _NULL else packet[1 + _WIDTHS[first] :]
            for packet in packets
        ]


def rows(cursor: SSCursor, columns: int) -> Iterator[tuple[bytes | None, ...]]:
    """Yield the rows of what the cursor has executed. Its `warning_count` is set at the end.

    An answer that is not read to its end ends the connection: the rest may be millions of rows.

    Raises:
        pymysql.Error: the server ended the answer, or the connection was lost, or a row has 16 MB.
    """
    for packets in _packets(cursor):
        for packet in packets:
            yield _row(packet, columns)


def _row(packet: bytes, columns: int) -> tuple[bytes | None, ...]:
    values: list[bytes | None] = []
    position = 0
    for _ in range(columns):
        size = packet[position]
        position += 1
        if size == _NULL:
            values.append(None)
            continue
        if size > _NULL:
            width = _WIDTHS[size]
            size = int.from_bytes(packet[position : position + width], "little")
            position += width
        values.append(packet[position : position + size])
        position += size
    return tuple(values)


def _packets(cursor: SSCursor) -> Iterator[list[bytes]]:
    """The rows as they are packed, without the packets' heads."""
    connection: Any = cursor.connection
    result: Any = cursor._result  # type: ignore[attr-defined]  # noqa: SLF001
    packets: list[bytes] = []
    buffer, taken = b"", 0
    try:
        while result.unbuffered_active:
            chunk = _received(connection)
            buffer, position, taken = buffer + chunk, 0, taken + len(chunk)
            while position + 4 < len(buffer):
                size = buffer[position] | buffer[position + 1] << 8 | buffer[position + 2] << 16
                start = position + 4
                end = start + size
                if end > len(buffer):
                    break
                if buffer[start] >= _EOF and (buffer[start] == _ERROR or size <= _EOF_BYTES_MAX):
                    result.unbuffered_active = False
                    cursor.warning_count = result.warning_count = _warnings(buffer[start:end])
                elif size == _PACKET_BYTES_MAX:
                    raise pymysql.err.InternalError(0, "a row of 16 MB or more, where only short ones are asked for")
                else:
                    packets.append(buffer[start:end])
                position = end
            buffer = buffer[position:]
            if packets and (taken >= CHUNK_BYTES or not result.unbuffered_active):
                yield packets
                packets, taken = [], 0
    finally:
        if result.unbuffered_active:
            # Nobody could read on: where a row begins is known here only.
            connection._force_close()  # noqa: SLF001
        result.unbuffered_active = False
        result.connection = None


def _received(connection: Any) -> bytes:  # noqa: ANN401 - PyMySQL's
    """What has come, at least a byte."""
    try:
        chunk: bytes = connection._rfile.read1(CHUNK_BYTES)  # noqa: SLF001
    except OSError as error:
        raise _lost(str(error)) from error
    if not chunk:
        raise _lost("it was closed")
    return chunk


def _lost(why: str) -> pymysql.Error:
    return pymysql.err.OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({why})")


def _warnings(packet: bytes) -> int:
    """How many warnings there were, from what comes behind the last row: 0xFE and their number, or 0xFF and an error."""
    if packet[0] == _EOF:
        return int.from_bytes(packet[1:3], "little")
    words = packet[9:] if packet[3:4] == b"#" else packet[3:]
    raise pymysql.err.OperationalError(int.from_bytes(packet[1:3], "little"), words.decode("utf-8", "replace"))
