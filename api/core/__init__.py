"""What every feature of the website stands on: sessions, database, errors, permissions, layout. It imports no feature."""
