"""Reads the program's terms from `program_terms` and `rates`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.calculator.terms import Rate, Terms
from streams.errors import SettingsError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812


def read_terms(cursor: Cursor) -> Terms:
    """Return the terms in force: the latest row of `program_terms` with all rows of the rate table.

    Raises:
        SettingsError: there are none, or one of them is wrong; the text names it.
    """
    cursor.execute("SELECT penalty_scheme, settings FROM program_terms ORDER BY id DESC LIMIT 1")
    found = cursor.fetchone()
    if found is None:
        raise SettingsError("program_terms has no row; `rewards database upgrade` writes the defaults")
    scheme, settings = found
    cursor.execute("SELECT company, product_line, points_per_dollar, effective_on FROM rates")
    return Terms.from_settings({**settings, "penalty_scheme": scheme}, [Rate(*row) for row in cursor.fetchall()])
