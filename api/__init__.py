"""The website: pages, JSON and live updates over what the stream wrote."""
