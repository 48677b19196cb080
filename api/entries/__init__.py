"""The log of points: why a balance is what it is."""
