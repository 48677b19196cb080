"""Records that could not be used, and what the office decides of them."""
