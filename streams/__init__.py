"""The invoice processor: change events in, points out."""
