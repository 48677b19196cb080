"""Where in its source something was last set. Pure.

Place on the data's way: the partition buffers make positions from change events; everything that is kept bears one.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Position(NamedTuple):
    """Where in its source a row was last set; compared per row, never across rows of different transactions.

    `snapshot_lsn` is the LSN of the snapshot that the partition was in or after, `lsn` the change's own (0 in a snapshot): what a
    transaction did that the snapshot did not see comes after the snapshot, whatever its LSN.
    """

    snapshot_lsn: int
    lsn: int


NOWHERE: Final = Position(-1, -1)
"""Before every position: where no truncate or new snapshot has come by."""


def lsn_text(lsn: int) -> str:
    """Return an LSN as Postgres writes it: 0/1A2B3C4."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
