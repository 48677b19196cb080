"""Fills `sunroc_rewards` as years of the program would: what `bench/pages.py` looks at. Balance = Σ entries = totals, for everyone.

Entries stand in the order of time, so that a customer's lie far apart, as they do where the stream wrote them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.stack import BUSINESS_DATE, BenchStack


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is."""

    customers: int
    groups: int
    entries: int
    members_of_largest: int
    """Customers of the largest group."""
    entries_of_largest: int
    """Entries of the largest customer, which is alone in its group."""


FULL: Final = Size(50_000, 45_000, 1_000_000, 2_000, 20_000)
QUICK: Final = Size(2_000, 1_500, 20_000, 300, 1_000)
LARGEST_GROUP: Final = 1_001
GROUP_OF_LARGEST_CUSTOMER: Final = 1_002
FIRST_GROUP: Final = 1_003
ENTRIES_OF_AN_INVOICE: Final = 4
SHARE_OF_INVOICES: Final = 0.98
"""Of all entries; the others are the office's."""

FREQUENT: Final = "construction"
"""In the names of a fifth of the groups."""
RARE: Final = "zyzzyva"
"""In the name of one."""
ACCENTED: Final = ("ünïcode", "unicode", "ÜNÏCODE")
"""The same to a reader."""

_SETTINGS: Final = """
CREATE TEMP TABLE size AS SELECT %s::int AS customers, %s::int AS groups, %s::int AS entries, %s::int AS members, %s::int AS largest,
  %s::date AS today;
"""

_GROUPS: Final = f"""
INSERT INTO reward_groups (id, name, status, enrolled_at)
SELECT {LARGEST_GROUP} - 1 + n, CASE n WHEN 1 THEN 'Beehive Homes' WHEN 2 THEN 'Wasatch Front Builders'
    WHEN groups - 7 THEN 'Zyzzyva Masonry' ELSE
    (ARRAY['Heber', 'Uinta', 'Provo', 'Timpanogos', 'Peña', 'Ünïcode', 'Bonneville', 'Logan', 'O''Neill', 'Saint-Germain', 'Ogden',
      'Kanab', 'Moab', 'Alta', 'Smith & Søn', 'Juab', 'Salina', 'Vernal', 'Tooele'])[1 + n * 7 %% 19]
    || ' ' || (ARRAY['Alpha', 'Ridge', 'Canyon', 'Mesa', 'Creek', 'Summit', 'Valley', 'Basin', 'Fork', 'Point', 'Cove'])[1 + n * 5 %% 11]
    || ' ' || (ARRAY['Construction', 'Framing', 'Excavating', 'Homes', 'Concrete'])[1 + n %% 5] || ' ' || n END,
  CASE WHEN n %% 97 = 0 THEN 'hold' ELSE 'open' END, '2011-01-15'
FROM size, generate_series(1, groups) AS n;
"""

_CUSTOMERS: Final = f"""
INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at)
SELECT 'S-' || (100000 + n), CASE WHEN n = 1 THEN {GROUP_OF_LARGEST_CUSTOMER} WHEN n <= members + 1 THEN {LARGEST_GROUP}
  ELSE {FIRST_GROUP} + (n - members - 2) %% (groups - 2) END, '2011-01-15'
FROM size, generate_series(1, customers) AS n;
"""

# A quarter of the dollars each time, a stage that was missed in the end: what an invoice is worth is what its entries come to.
_INVOICES: Final = f"""
CREATE TEMP TABLE made AS
SELECT gen_random_uuid() AS id, c.customer_master_id, c.reward_group_id,
  'D-' || row_number() OVER () AS document,
  (ARRAY['SBM', 'SRC', 'GRP'])[1 + i %% 3] AS company, 400 + (i * 131 + c.id * 17) %% 4000 AS points, (i + c.id) %% 10 = 0 AS is_open,
  s.today - ((i * 977 + c.id * 389) %% 3900)::int AS day
FROM size AS s CROSS JOIN customers_reward_groups AS c CROSS JOIN LATERAL (
  SELECT {SHARE_OF_INVOICES} * (s.entries - s.largest) / {ENTRIES_OF_AN_INVOICE} / s.customers AS of_each) AS invoices
CROSS JOIN LATERAL generate_series(1, CASE WHEN c.reward_group_id = {GROUP_OF_LARGEST_CUSTOMER} THEN s.largest / {ENTRIES_OF_AN_INVOICE}
  ELSE floor((c.id + 1) * of_each)::int - floor(c.id * of_each)::int END) AS i
WHERE c.customer_master_id LIKE 'S-%%';
INSERT INTO invoices (id, customer_master_id, company, system_name, document, partition, rows, revision, as_of, reward_group_id, reward,
  penalties, points, pending, at_risk, at_risk_on, billed, paid, open, due_on, deadline_on, settled_on)
SELECT id, customer_master_id, company, 'BisTrack', document, 0, jsonb_build_object('1', jsonb_build_object('position', '[501, 0]', 'row',
    jsonb_build_object('type', 'invoice', 'date', day, 'amount', points, 'product_line', 'Concrete', 'company', company))), 4, s.today,
  reward_group_id, points, jsonb_build_object('1', jsonb_build_array(-points / 4, day)), points - points / 4,
  CASE WHEN is_open THEN points ELSE 0 END, CASE WHEN is_open THEN -points ELSE 0 END, CASE WHEN is_open THEN s.today + 30 END,
  points, CASE WHEN is_open THEN 0 ELSE points END, CASE WHEN is_open THEN points ELSE 0 END, day, day + 30,
  CASE WHEN NOT is_open THEN day END
FROM made, size AS s;
"""

_ENTRIES: Final = f"""
INSERT INTO point_entries (invoice_id, reward_group_id, customer_master_id, company, document, kind, stage, points_before, points_after,
  delta, effective_on, recorded_at, cause, cause_data, source_transaction, facts)
SELECT * FROM (
  SELECT m.id, m.reward_group_id, m.customer_master_id, m.company, m.document, w.kind, w.stage, w.before, w.after, w.after - w.before,
    m.day + 9 * k AS effective_on, m.day + 9 * k + time '12:00', 'change of row 17 at 0/1A2B3C4',
    jsonb_build_object('kind', 'rows', 'rows', jsonb_build_array(17), 'row_count', 1, 'lsn', '0/1A2B3C4'), 'warehouse:' || k,
    jsonb_build_object('billed', m.points || '.99', 'paid', m.points || '.99', 'open', '0.00', 'due_on', m.day, 'deadline_on', m.day + 30,
      'settled_on', m.day + 9 * k, 'rates', jsonb_build_array(jsonb_build_object('company', NULL, 'product_line', 'Concrete',
      'points_per_dollar', '1', 'effective_on', '2011-01-01')))
  FROM made AS m CROSS JOIN generate_series(1, {ENTRIES_OF_AN_INVOICE}) AS k CROSS JOIN LATERAL (SELECT
    CASE k WHEN 4 THEN 'penalty' ELSE 'reward' END AS kind, CASE k WHEN 4 THEN 1 ELSE 0 END AS stage,
    CASE k WHEN 2 THEN m.points / 4 WHEN 3 THEN m.points / 2 ELSE 0 END AS before,
    CASE k WHEN 1 THEN m.points / 4 WHEN 2 THEN m.points / 2 WHEN 3 THEN m.points ELSE -m.points / 4 END AS after) AS w
  UNION ALL
  SELECT NULL, g.reward_group_id, NULL, 'SBM', NULL, 'adjustment', 0, 0, 50, 50, g.day, g.day + time '12:00', 'adjustment ' || g.n,
    jsonb_build_object('kind', 'office'), 'bench adjustment ' || g.n, jsonb_build_object('title', 'Goodwill')
  FROM (SELECT n, CASE WHEN n %% 100 = 0 THEN {LARGEST_GROUP} ELSE {LARGEST_GROUP} + n %% s.groups END AS reward_group_id,
      s.today - n * 7 %% 3900 AS day
    FROM size AS s, generate_series(1, s.entries - (SELECT count(*) FROM made)::int * {ENTRIES_OF_AN_INVOICE}) AS n) AS g
) AS entry ORDER BY effective_on, md5(entry::text);
"""

_TOTALS: Final = """
INSERT INTO customer_points (customer_master_id, company, points, pending, at_risk)
SELECT customer_master_id, company, sum(points), sum(pending), sum(at_risk) FROM invoices WHERE customer_master_id LIKE 'S-%%'
GROUP BY customer_master_id, company;
INSERT INTO reward_group_totals (reward_group_id, company, earned, pending)
SELECT reward_group_id, company, sum(points), sum(pending) FROM invoices WHERE customer_master_id LIKE 'S-%%'
GROUP BY reward_group_id, company;
"""

_OFFICE: Final = f"""
INSERT INTO prize_redemptions (user_id, reward_group_id, prize_id, prize_option_id, points, name_first, name_last, created_at)
SELECT 1, {LARGEST_GROUP} + n %% s.groups, 1, 1, 0, 'Ada', 'Lovelace', '2015-03-01' FROM size AS s, generate_series(1, 20000) AS n;
INSERT INTO dead_letters (topic, partition, "offset", reason, detail, row_id, status)
SELECT 'warehouse.public.invoice_transactions', n %% 8, n, 'bad_date', 'transaction_date: no date', n,
  CASE WHEN n %% 2 = 0 THEN 'open' ELSE 'superseded' END FROM generate_series(1, 2000) AS n;
INSERT INTO consumer_lag (consumer_group, topic, partition, agent, committed_offset, end_offset, lag_records, lag_seconds, member,
  measured_at)
SELECT 'rewards', topic, p, agent, 1000, 1000, 0, 0.01, 'worker-1', now() FROM generate_series(0, 7) AS p, (VALUES
  ('warehouse.public.invoice_transactions', 'invoices'), ('rewards.public.customers_reward_groups', 'memberships'),
  ('rewards.due-invoices', 'reevaluations')) AS agents (topic, agent) ON CONFLICT DO NOTHING;
"""

_DIFFERENT: Final = """
SELECT count(*) FROM reward_group_balances AS b
WHERE b.balance <> (SELECT coalesce(sum(delta), 0) FROM point_entries AS e WHERE e.reward_group_id = b.reward_group_id)
"""

_COUNTED: Final = """
SELECT (SELECT count(*) FROM point_entries), (SELECT count(*) FROM customers_reward_groups WHERE customer_master_id LIKE 'S-%')
"""


def fill(stack: BenchStack, size: Size) -> None:
    """Write all of it, and look whether it is what it must be; the sample's users and prizes are there."""
    values = (
        size.customers,
        size.groups,
        size.entries,
        size.members_of_largest,
        size.entries_of_largest,
        BUSINESS_DATE,
    )
    stack.execute(_SETTINGS + _GROUPS + _CUSTOMERS + _INVOICES + _ENTRIES + _TOTALS + _OFFICE, values)
    stack.execute("VACUUM (ANALYZE)")
    if (found := stack.execute(_COUNTED)) != [(size.entries, size.customers)]:
        raise RuntimeError(f"entries and customers are {found}, and must be {(size.entries, size.customers)}")
    if (found := stack.execute(_DIFFERENT)) != [(0,)]:
        raise RuntimeError(f"{found[0][0]} balances are not the sum of their entries")
