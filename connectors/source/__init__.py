"""The check of the source: whether what is captured is still what the stream takes it for, and what leads out where not.

`findings` says what can be wrong, `captured` what each connector captures, `catalog` reads a database, `memory` keeps what was
captured when a snapshot was begun, `topic` asks the broker, `judgement` is pure and compares, `check` puts them together for who
asks (`rewards connectors status`, `rewards wait`, the lag process). `mending`, `snapshot` and `repair` lead out.
"""
