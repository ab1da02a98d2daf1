"""Secrets that are kept elsewhere for a whole team: read when they are used, never written, never kept on disk."""
