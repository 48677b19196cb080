"""Pages at scale: the log, the balance over time and open invoices by index alone, and the terms that a search finds customers by."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

APPLICATION: Final = "rewards_app"
UNSETTLED: Final = sa.text("open > 0 OR pending <> 0 OR at_risk <> 0")

# What a Postgres lower-cases beyond ASCII: with ICU (Debian's, the official image's), since 17 by itself, or by the system's library.
LOWER: Final = """
SELECT quote_ident(collname) FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace
  AND collname IN ('und-x-icu', 'pg_c_utf8', 'C.utf8', 'C.UTF-8') AND collencoding IN (-1, pg_char_to_encoding('UTF8'))
ORDER BY array_position(ARRAY['und-x-icu', 'pg_c_utf8', 'C.utf8', 'C.UTF-8'], collname::text) LIMIT 1
"""

# Without case and marks; and letters that are no other one with a mark, but are written so. (One sigma, one apostrophe.)
FOLDED: Final = r"""
CREATE FUNCTION rewards_folded(said text) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(said) = char_length(said) THEN lower(said) ELSE
    replace(replace(replace(translate(lower(regexp_replace(normalize(said, NFKD),
      '[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]', '', 'g') COLLATE {collation}),
      'øłđıς’‘', 'oldiσ'''''), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe') END
$$
"""  # noqa: RUF001 -- letters of the data

# Each word, and what is left of it behind each of its signs: `ACME-2001-44` is found by `2001-44` as well.
TERMS: Final = r"""
CREATE FUNCTION rewards_search_terms(said text) RETURNS SETOF text LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
  word text;
  rest text;
BEGIN
  FOREACH word IN ARRAY regexp_split_to_array(rewards_folded(left(said, 4000)), '\s+') LOOP
    FOR part IN 1..20 LOOP
      EXIT WHEN word = '';
      RETURN NEXT left(word, 100);
      rest := regexp_replace(word, '^[a-z0-9]*[^a-z0-9]+', '');
      EXIT WHEN rest = word;
      word := rest;
    END LOOP;
  END LOOP;
END $$
"""

WORDS: Final = r"""
CREATE FUNCTION rewards_search_words(said text) RETURNS text[] LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(DISTINCT left(word, 100)), '{}')
  FROM regexp_split_to_table(rewards_folded(said), '\s+') AS word WHERE word <> ''
$$
"""

# The groups are locked against a new name: whoever gives one waits, and sees these customers.
INDEX: Final = """
CREATE FUNCTION rewards_index_customers(customers text[]) RETURNS void LANGUAGE sql VOLATILE AS $$
  DELETE FROM search_terms WHERE customer_master_id = ANY (customers);
  WITH named AS MATERIALIZED (
    SELECT c.customer_master_id, g.name FROM customers_reward_groups AS c JOIN reward_groups AS g ON g.id = c.reward_group_id
    WHERE c.customer_master_id = ANY (customers) FOR SHARE OF g)
  INSERT INTO search_terms (customer_master_id, term)
  SELECT DISTINCT n.customer_master_id, t.term FROM named AS n
  CROSS JOIN LATERAL rewards_search_terms(n.customer_master_id || ' ' || n.name) AS t (term)
$$
"""

# As their owner: whoever may write who takes part keeps the terms, and nobody else writes them.
KEEP: Final = """
CREATE FUNCTION rewards_keep_search_terms() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
  IF TG_OP IN ('UPDATE', 'DELETE') THEN
    PERFORM rewards_index_customers(ARRAY(SELECT customer_master_id FROM old_rows));
  END IF;
  IF TG_OP IN ('UPDATE', 'INSERT') THEN
    PERFORM rewards_index_customers(ARRAY(SELECT customer_master_id FROM new_rows));
  END IF;
  IF TG_OP = 'TRUNCATE' THEN
    TRUNCATE search_terms;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION rewards_keep_search_terms_of_group() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = {schema}, pg_temp AS $$
BEGIN
  PERFORM rewards_index_customers(ARRAY(SELECT c.customer_master_id FROM old_rows AS o JOIN new_rows AS n ON n.id = o.id
    JOIN customers_reward_groups AS c ON c.reward_group_id = n.id WHERE n.name <> o.name));
  RETURN NULL;
END $$;
CREATE TRIGGER keep_search_terms_of_new AFTER INSERT ON customers_reward_groups
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rewards_keep_search_terms();
CREATE TRIGGER keep_search_terms_of_changed AFTER UPDATE ON customers_reward_groups
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rewards_keep_search_terms();
CREATE TRIGGER keep_search_terms_of_gone AFTER DELETE ON customers_reward_groups
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION rewards_keep_search_terms();
CREATE TRIGGER keep_search_terms_of_none AFTER TRUNCATE ON customers_reward_groups
  FOR EACH STATEMENT EXECUTE FUNCTION rewards_keep_search_terms();
CREATE TRIGGER keep_search_terms AFTER UPDATE ON reward_groups
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rewards_keep_search_terms_of_group();
"""


def upgrade() -> None:
    connection = op.get_bind()
    _indexes()
    op.create_table(
        "search_terms",
        sa.Column("customer_master_id", sa.Text(), nullable=False),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("customer_master_id", "term", name=op.f("pk_search_terms")),
    )
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON search_terms FROM {APPLICATION}")
    collation = connection.scalar(sa.text(LOWER)) or '"default"'
    schema = connection.scalar(sa.text("SELECT quote_ident(current_schema)"))
    for statement in (FOLDED.format(collation=collation), TERMS, WORDS, INDEX, KEEP.format(schema=schema)):
        connection.exec_driver_sql(statement)
    op.execute("SELECT rewards_index_customers(ARRAY(SELECT customer_master_id FROM customers_reward_groups))")
    op.create_index("ix_search_terms_term_customer_master_id", "search_terms", ["term", "customer_master_id"])


def _indexes() -> None:
    """Replace those of the log by ones that have the points in them, and add what pages look for."""
    op.drop_index("ix_point_entries_customer_master_id_id", "point_entries")
    op.create_index(
        "ix_point_entries_customer_master_id_id",
        "point_entries",
        ["customer_master_id", "id"],
        postgresql_include=["effective_on", "delta"],
        postgresql_where=sa.text("customer_master_id IS NOT NULL"),
    )
    op.drop_index("ix_point_entries_reward_group_id_id", "point_entries")
    op.create_index(
        "ix_point_entries_reward_group_id_id",
        "point_entries",
        ["reward_group_id", "id"],
        postgresql_include=["effective_on", "delta"],
    )
    op.drop_index("ix_point_entries_of_the_office", "point_entries")
    op.create_index(
        "ix_point_entries_of_the_office",
        "point_entries",
        ["reward_group_id", "id"],
        postgresql_include=["kind", "delta"],
        postgresql_where=sa.text("kind NOT IN ('reward', 'penalty')"),
    )
    op.create_index("ix_invoices_unsettled", "invoices", ["customer_master_id", "due_on"], postgresql_where=UNSETTLED)
    op.create_index("ix_dead_letters_status_id", "dead_letters", ["status", "id"])
    op.drop_index("ix_customers_reward_groups_reward_group_id", "customers_reward_groups")
    op.create_index(
        "ix_customers_reward_groups_reward_group_id_customer_master_id",
        "customers_reward_groups",
        ["reward_group_id", "customer_master_id"],
    )
