"""The users of the website: signing in and out, passwords, the start page."""
