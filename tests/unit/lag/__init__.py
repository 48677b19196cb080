"""The lag process."""
