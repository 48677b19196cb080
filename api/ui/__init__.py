"""Pages for customers and administrators."""
