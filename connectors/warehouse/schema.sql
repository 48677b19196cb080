-- The warehouse as the product sees it: the table that is captured, and the watermarks that travel with its changes.
-- Run by the role that owns the database, as often as one likes. A real warehouse needs only what stands below the table.

CREATE TABLE IF NOT EXISTS public.invoice_transactions (
    transaction_id                   bigint PRIMARY KEY,
    transaction_date                 date,
    transaction_type_rewards_invoice boolean DEFAULT false,
    transaction_type_rewards_payment boolean DEFAULT false,
    transaction_line_number          integer,
    transaction_contract             text,
    transaction_description          text,
    transaction_amount               numeric(15,2),
    transaction_original_amount      numeric(15,2),
    transaction_retainage            numeric(15,2) DEFAULT 0,
    transaction_due_date             date,
    customer_id                      text,
    customer_name                    text,
    customer_master_id               text,
    company_abbreviation             text,
    name                             text,
    system_name                      text,
    product_line_name                text,
    updated_date                     timestamptz DEFAULT now()
);
CREATE INDEX IF NOT EXISTS ix_invoice_transactions_customer_master_id ON public.invoice_transactions (customer_master_id);

-- One row a partition of the topic, updated by the connector's heartbeat: it closes what came before it in that partition, and
-- moves an idle slot on. HOT updates keep the table at a page or two.
CREATE TABLE IF NOT EXISTS public.rewards_watermarks (
    customer_master_id text PRIMARY KEY,
    mark               bigint NOT NULL,
    marked_at          timestamptz NOT NULL
) WITH (fillfactor = 20);
CREATE SEQUENCE IF NOT EXISTS public.rewards_watermark_marks;

-- Without FULL a move to another customer, a delete and a TOASTed text would arrive without the old values.
DO $$
DECLARE
    captured regclass;
BEGIN
    FOREACH captured IN ARRAY ARRAY['public.invoice_transactions', 'public.rewards_watermarks']::regclass[] LOOP
        IF (SELECT relreplident FROM pg_class WHERE oid = captured) <> 'f' THEN
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', captured);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'rewards_warehouse') THEN
        CREATE PUBLICATION rewards_warehouse FOR TABLE public.invoice_transactions, public.rewards_watermarks;
    END IF;
END
$$;

GRANT SELECT ON public.invoice_transactions TO debezium;
GRANT SELECT, UPDATE ON public.rewards_watermarks TO debezium;
GRANT USAGE ON SEQUENCE public.rewards_watermark_marks TO debezium;

-- What was captured when the last snapshot began, and whether a new one is due: connectors/source/memory.py.
CREATE SCHEMA IF NOT EXISTS capture;
CREATE TABLE IF NOT EXISTS capture.snapshots (
    connector   text PRIMARY KEY,
    source      jsonb,
    begun_at    timestamptz,
    due_since   timestamptz,
    due_because text
);
