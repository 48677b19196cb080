"""Reward groups: customers that share a balance."""
