"""The map from the legacy database to the new one, table by table (legacy/migration.md). Data only.

Place on the data's way: everything of the migration reads it. The order is that of references: a table comes after those it needs.
"""

from __future__ import annotations

from typing import Final

from migration.mapping import Column, Entry, Table
from migration.rules.dates import Date, EnrolledOn, Moment, MomentWhenTrue
from migration.rules.encrypted import Encrypted
from migration.rules.numbers import Flag, Integer, Money, SortOrder
from migration.rules.references import Reference
from migration.rules.texts import Choice, Email, MasterAccount, Status, Text

MASTER_ACCOUNTS: Final = "master_acct_id"
"""The legacy column, wherever it stands, that names a customer across all systems."""


def _creation() -> tuple[Column, ...]:
    return (
        Column("created_by", "created_by_id", Reference("users")),
        Column("created_on", "created_at", Moment()),
    )


DIVISIONS: Final = Table(
    "divisions",
    "divisions",
    ("division_cd",),
    (
        Column("division_cd", "id", Reference("divisions", required=True, by_code=True)),
        Column("division_cd", "code", Text(required=True), unique=True),
        Column("division_name", "name", Text(required=True)),
        Column("sort_order", "sort_order", SortOrder()),
    ),
)
"""The new id is the place in the order of `sort_order` and code."""

TABLES: Final = (
    DIVISIONS,
    Table(
        "user_roles",
        "user_roles",
        ("role_id",),
        (
            Column("role_id", "id", Integer(required=True)),
            Column("role_name", "name", Text(required=True), unique=True),
            Column("sort_order", "sort_order", SortOrder()),
        ),
    ),
    Table(
        "rewards_groups",
        "reward_groups",
        ("rewards_id",),
        (
            Column("rewards_id", "id", Integer(required=True)),
            Column("rewards_name", "name", Text(required=True)),
            Column("rewards_status", "status", Status(("open", "hold", "closed"))),
            Column("created_on", "enrolled_at", Moment()),
        ),
    ),
    Table(
        "rewards",
        "customers_reward_groups",
        ("r_id",),
        (
            Column("r_id", "id", Integer(required=True)),
            Column("rewards_id", "reward_group_id", Reference("rewards_groups", required=True)),
            Column(MASTER_ACCOUNTS, "customer_master_id", MasterAccount(required=True), unique=True),
            Column("rewards_groups.created_on", "enrolled_at", EnrolledOn()),
        ),
        dropped=("created_on",),
        joined="rewards_groups",
        joined_by="rewards_id",
    ),
    Table(
        "customers",
        "customers",
        ("customer_id",),
        (
            Column("customer_id", "id", Text(required=True), unique=True),
            Column("customer_cd", "code", Text(required=True)),
            Column("customer_name", "name", Text()),
            Column("division_cd", "division_id", Reference("divisions", by_code=True)),
            Column(MASTER_ACCOUNTS, "customer_master_id", MasterAccount()),
            Column("status_cd", "status", Text()),
        ),
        dropped=("updatedYN10", "du", "unique_num", "rewards_id", "account_job_flag"),
    ),
    Table(
        "users",
        "users",
        ("u_id",),
        (
            Column("u_id", "id", Integer(required=True)),
            Column("rewards_id", "reward_group_id", Reference("rewards_groups")),
            Column("role_id", "role_id", Reference("user_roles", required=True)),
            Column("email", "email", Email(required=True)),
            Column("name", "name", Text()),
            Column("password_hash", "password_hash", Text(required=True)),
            Column("password_salt", "password_salt", Text(required=True)),
            Column("password_expired", "password_expired", Flag()),
            Column("terms_conditions_accepted, created_on", "terms_conditions_accepted_at", MomentWhenTrue()),
            *_creation(),
        ),
        dropped=("sbm_account", "src_account", "grp_account"),
    ),
    Table(
        "rewards_favorites",
        "reward_favorites",
        ("u_id", "rewards_id"),
        (
            Column("u_id", "user_id", Reference("users", required=True)),
            Column("rewards_id", "reward_group_id", Reference("rewards_groups", required=True)),
        ),
    ),
    Table(
        "prizes",
        "prizes",
        ("prize_id",),
        (
            Column("prize_id", "id", Integer(required=True)),
            Column("prize_title", "title", Text(required=True)),
            Column("points_value_input", "points_value_input", Flag()),
            Column("sort_order", "sort_order", SortOrder()),
        ),
    ),
    Table(
        "prizes_options",
        "prize_options",
        ("po_id",),
        (
            Column("po_id", "id", Integer(required=True)),
            Column("prize_id", "prize_id", Reference("prizes", required=True)),
            Column("option_title", "title", Text(required=True)),
            Column("option_points_cost", "points_cost", Integer(required=True)),
            Column("option_dollar_value", "dollar_value", Money()),
            Column("option_expire_date", "expires_on", Date()),
            Column("option_sort_order", "sort_order", SortOrder()),
            Column("option_info_required", "info_required", Flag()),
            Column("option_international_info_required", "international_info_required", Flag()),
        ),
    ),
    Table(
        "prizes_redemptions_batch",
        "prize_redemption_batches",
        ("prb_id",),
        (
            Column("prb_id", "id", Integer(required=True)),
            Column("batch_title", "title", Text(required=True)),
            *_creation(),
        ),
    ),
    Table(
        "prizes_redemptions",
        "prize_redemptions",
        ("pr_id",),
        (
            Column("pr_id", "id", Integer(required=True)),
            Column("prb_id", "batch_id", Reference("prizes_redemptions_batch")),
            Column("u_id", "user_id", Reference("users", required=True)),
            Column("rewards_id", "reward_group_id", Reference("rewards_groups", required=True)),
            Column("prize_id", "prize_id", Reference("prizes", required=True)),
            Column("po_id", "prize_option_id", Reference("prizes_options", required=True)),
            Column("points", "points", Integer(required=True)),
            Column("cost_sbm", "cost_sbm", Money()),
            Column("cost_src", "cost_src", Money()),
            Column("cost_grp", "cost_grp", Money()),
            Column("cost_wwc", "cost_wwc", Money()),
            Column("description", "description", Text()),
            Column("name_first", "name_first", Text()),
            Column("name_last", "name_last", Text()),
            Column("dob", "birthdate", Encrypted(Date())),
            Column("phone", "phone", Text()),
            Column("email", "email", Text()),
            Column("international_name", "international_name", Text()),
            Column("passport_number", "passport_number", Encrypted(Text())),
            Column("passport_issue_date", "passport_issue_date", Date()),
            Column("passport_expiration_date", "passport_expiration_date", Date()),
            Column("address", "address", Text()),
            Column("city", "city", Text()),
            Column("state", "state", Text()),
            Column("zip", "zip", Text()),
            Column("gender", "gender", Choice()),
            Column("qty", "qty", Integer(required=True)),
            Column("created_on", "created_at", Moment()),
        ),
        entry=Entry("redemption", -1, "redemption"),
    ),
    Table(
        "property_development_points",
        "property_development_points",
        ("pdp_id",),
        (
            Column("pdp_id", "id", Integer(required=True)),
            Column("rewards_id", "reward_group_id", Reference("rewards_groups", required=True)),
            Column("division_cd", "division_id", Reference("divisions", by_code=True)),
            Column("points", "points", Integer(required=True)),
            Column("project_name", "project_name", Text()),
            Column("lot", "lot", Text()),
            *_creation(),
        ),
        entry=Entry("property_development", 1, "property development"),
    ),
    Table(
        "points_adjustments",
        "point_adjustments",
        ("pa_id",),
        (
            Column("pa_id", "id", Integer(required=True)),
            Column("rewards_id", "reward_group_id", Reference("rewards_groups", required=True)),
            Column("division_cd", "division_id", Reference("divisions", by_code=True)),
            Column("description", "description", Text()),
            Column("points", "points", Integer(required=True)),
            *_creation(),
        ),
        entry=Entry("adjustment", 1, "adjustment"),
    ),
)

LEFT_BEHIND: Final = frozenset({"points", "log"})
"""Tables that are known and not wanted: the old system's calculated points and its log. Others are unknown."""

PASSWORD: Final = ("password_hash", "password_salt", "password_expired")
"""New columns that are a user's own business from its first sign-in on."""
SORT_ORDERS: Final = frozenset(
    f"{table.old}.{old}"
    for table in TABLES
    for column in table.columns
    for old in column.olds
    if isinstance(column.rule, SortOrder)
)
"""Legacy columns that are fractions: a server shows a FLOAT with six digits, unless it is made a DOUBLE."""
