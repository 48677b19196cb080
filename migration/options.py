"""Options that the commands `rewards migrate …` share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class MergeEmails(StrEnum):
    """Who stays of users whose e-mails differ in case only."""

    OLDEST = "oldest"


From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="mysql://…",
        envvar="REWARDS_LEGACY_URL",
        show_envvar=True,
        help="The legacy database: mysql://user:password@server:3306/rewards_program. It is only read.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse tables and columns that the map does not know.")]
LegacyZone = Annotated[
    str,
    typer.Option(
        "--legacy-zone", metavar="ZONE", help="The time zone that the legacy database's times were written in."
    ),
]
Merge = Annotated[
    MergeEmails | None,
    typer.Option(
        "--merge-emails", help="Of users whose e-mails differ in case only, let the oldest take the others' place."
    ),
]
CatchUp = Annotated[
    bool,
    typer.Option(
        "--catch-up",
        help="Do in the new database what was added, changed and deleted in the legacy one since the last run.",
    ),
]
AllowMyisam = Annotated[
    bool,
    typer.Option(
        "--allow-myisam", help="Go on with tables without transactions: nobody may write to them during the run."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
