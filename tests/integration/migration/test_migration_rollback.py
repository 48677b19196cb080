"""Taking the runs back, and beginning anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from migration.errors import MigrationError
from migration.rollback import roll_back
from tests.integration.api.servers import Postgres
from tests.integration.migration.databases import Legacy, New, differences, migrate, rewards
from tests.integration.migration.test_migration_catch_up import WEEKEND

OWN = (
    "INSERT INTO reward_groups (id, name, enrolled_at) VALUES (500, 'Mine', '2026-01-01');"
    " INSERT INTO point_adjustments (id, reward_group_id, points, created_at) VALUES (500, 500, 7, '2026-01-01');"
    " INSERT INTO point_entries (reward_group_id, kind, points_before, points_after, delta, effective_on, recorded_at, cause,"
    " source_transaction, facts) VALUES (500, 'adjustment', 0, 7, 7, '2026-01-01', '2026-01-01', 'adjustment 500 by Admin',"
    " 'adjustment 500', '{}')"
)


def test_rolled_back_and_begun_anew_everything_is_as_after_the_first_run(
    legacy: Legacy, new: New, another_new: New
) -> None:
    for database in (new, another_new):
        database.run(OWN)
    before, schema = new.dump(besides=()), new.schema()
    migrate(legacy, new)
    legacy.run(*WEEKEND)
    migrate(legacy, new, catch_up=True)

    removed = roll_back(new.url, discard_changes=False)

    assert (removed["users"], removed["prize_redemptions"], removed["point_entries"]) == (5, 3, 18)
    assert new.dump(besides=()) == before
    assert new.schema() == schema
    migrate(legacy, new)
    migrate(legacy, another_new)
    assert new.dump() == another_new.dump()
    assert differences(legacy, new) == []


def test_rows_that_stood_there_before_the_first_run_stay(legacy: Legacy, database: str, postgres: Postgres) -> None:
    """The website's own sample is what the legacy sample becomes."""
    new = New(postgres, database)
    before = new.dump(besides=())
    migrate(legacy, new)
    migrate(legacy, new)
    assert new.dump(besides=()) != before

    roll_back(new.url, discard_changes=False)

    assert new.dump(besides=()) == before


def test_rows_that_the_new_system_changed_are_named_and_go_if_asked_for(legacy: Legacy, new: New) -> None:
    before = new.dump(besides=())
    migrate(legacy, new)
    new.run(
        "UPDATE reward_groups SET name = 'Wasatch' WHERE id = 1; UPDATE customers SET name = 'x' WHERE code = 'TIMP'"
    )
    changed = new.dump(besides=())

    with pytest.raises(
        MigrationError,
        match=r"changed rows .*: 1 of reward_groups \(1\); 1 of customers \(BT-000102\)\. .*--discard-changes",
    ):
        roll_back(new.url, discard_changes=False)
    assert new.dump(besides=()) == changed
    roll_back(new.url, discard_changes=True)

    assert new.dump(besides=()) == before


def test_rows_that_the_new_system_needs_stop_the_rollback(legacy: Legacy, new: New) -> None:
    migrate(legacy, new)
    new.run(
        "INSERT INTO prize_redemptions (user_id, reward_group_id, prize_id, prize_option_id, points) VALUES (8, 1, 1, 1, 50)"
    )
    before, schema = new.dump(besides=()), new.schema()

    with pytest.raises(
        MigrationError, match=r"table prize_redemptions .*\(fk_prize_redemptions_.*Nothing of this run stays"
    ):
        roll_back(new.url, discard_changes=True)

    assert new.dump(besides=()) == before
    assert new.schema() == schema
    new.run("DELETE FROM prize_redemptions WHERE id = 10")
    roll_back(new.url, discard_changes=False)


def test_database_without_runs_or_with_those_of_an_older_version_is_told(legacy: Legacy, new: New) -> None:
    attempts: list[Callable[[], object]] = [lambda: roll_back(new.url, discard_changes=False)]
    with pytest.raises(MigrationError, match="nothing was migrated into this database"):
        attempts[0]()
    migrate(legacy, new)
    new.run("DELETE FROM migration_row_blocks")
    with pytest.raises(MigrationError, match="one of an older version"):
        attempts[0]()


def test_command_asks_first(legacy: Legacy, new: New) -> None:
    before = new.dump()
    migrate(legacy, new)
    moved = new.dump()

    asked = rewards("rollback", new=new)
    assert asked.returncode == 1
    assert new.dump() == moved
    done = rewards("rollback", "--yes", new=new)

    assert done.returncode == 0, done
    assert "prize_redemptions: 3 rows removed" in done.stdout
    assert new.dump() == before
