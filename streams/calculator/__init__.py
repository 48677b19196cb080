"""PURE: what an invoice is worth. Standard library only; no clock, no Kafka, no Postgres.

`facts` says what is known, `terms` the program's settings, `points` what an invoice is worth by them as of a date (with
`stages` for what is taken while it stays unpaid), `differences` which entries lead from one worth to the next. Agents,
jobs and previews call these same functions; none has rules of its own.
"""
