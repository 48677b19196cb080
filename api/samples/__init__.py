"""The sample data that the website can be tried out with."""
