"""Rotation of keys: every encrypted value is brought under the first key."""
