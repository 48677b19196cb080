"""What is captured and how."""
