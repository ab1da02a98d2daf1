"""Where a project stands, and whether everything it needs is in order."""
