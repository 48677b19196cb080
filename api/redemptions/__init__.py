"""Redemptions of prizes."""
