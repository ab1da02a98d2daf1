"""Runs that go on elsewhere, as the history of this machine follows them."""
