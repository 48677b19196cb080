"""The website's tables and one query module a question."""
