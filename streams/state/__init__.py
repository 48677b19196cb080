"""What is known and what it is worth, and how changes become the next state. Pure."""
