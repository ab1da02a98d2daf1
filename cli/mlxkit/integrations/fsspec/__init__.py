"""Artifact stores beyond a disk: buckets and whatever else fsspec reaches; the only place that imports it."""
