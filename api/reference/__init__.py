"""The reference of the JSON interface."""
