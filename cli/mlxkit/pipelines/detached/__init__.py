"""A run handed to a cluster: what travels, how it is started there, and what it does there."""
