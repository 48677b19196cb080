"""What a legacy value becomes (legacy/migration.md, What dirt becomes). PURE: bytes in, values and findings out.

Place on the data's way: the loader applies these rules to every row that its SQL does not know to be plain (plain.py); the
verification applies them to every row. No database, no clock, no encryption here.

`rule` says what a rule is and what it is told, `characters` what a column's bytes stand for; the rules themselves stand by what they
read: `numbers`, `texts`, `dates`, `references`, and `encrypted` around a date or a text.
"""
