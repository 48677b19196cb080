"""Offsets to lag to status, in a process of its own so that a dead worker still shows."""
