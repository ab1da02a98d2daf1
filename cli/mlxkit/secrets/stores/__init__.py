"""Where secret values are: each store is a small file behind one protocol."""
