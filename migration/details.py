"""Personal details that are stored encrypted, compared as what they say: the same value under another key is the same.

Place on the data's way: beside changes.py, which sees bytes alone.
"""

from __future__ import annotations

from typing import Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from api.core.encryption import FieldCipher, place_in
from api.core.errors import DecryptionError
from migration.changes import changes_of, incoming, key_of
from migration.mapping import Table
from migration.rules.encrypted import Encrypted

ROWS_A_FETCH: Final = 1_000


def settle(cursor: Cursor, table: Table, cipher: FieldCipher) -> None:
    """Take back that personal details differ where both sides say the same.

    What cannot be decrypted, its key being lost, does differ: the legacy database may bring it back.
    """
    names = [column.new for column in table.columns if isinstance(column.rule, Encrypted)]
    if not names:
        return
    pairs = sql.SQL(", ").join(sql.SQL("n.{0}, t.{0}").format(sql.Identifier(name)) for name in names)
    statement = sql.SQL(
        "SELECT c.key, {pairs} FROM {changes} AS c JOIN {incoming} AS n ON {n_key} = c.key JOIN {name} AS t ON {t_key} = c.key"
        " WHERE c.private"
    ).format(
        pairs=pairs, changes=changes_of(table), incoming=incoming(table), name=sql.Identifier(table.new),
        n_key=key_of(table, "n"), t_key=key_of(table, "t"),
    )  # fmt: skip
    with cursor.connection.cursor("details") as rows:
        rows.itersize = ROWS_A_FETCH
        rows.execute(statement)
        same = [key for key, *values in rows if _are_same(cipher, table, key, names, values)]
    cursor.execute(
        sql.SQL("UPDATE {} SET private = false WHERE key = ANY(%s)").format(changes_of(table)),
        (same,),
    )


def _are_same(cipher: FieldCipher, table: Table, key: str, names: list[str], values: list[memoryview | None]) -> bool:
    for name, here, there in zip(names, values[::2], values[1::2], strict=True):
        if (here is None) != (there is None):
            return False
        if here is None or there is None or bytes(here) == bytes(there):
            continue
        place = place_in(table.new, name, int(key))
        try:
            if cipher.decrypt(bytes(here), place) != cipher.decrypt(bytes(there), place):
                return False
        except DecryptionError:
            return False
    return True
