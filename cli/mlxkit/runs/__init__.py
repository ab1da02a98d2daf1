"""What was run: the history database, what a run was made of, and what became of it."""
