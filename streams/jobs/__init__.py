"""Other drivers of the same calculator."""
