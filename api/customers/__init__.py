"""Customers: the list that the office searches, and one customer's page."""
