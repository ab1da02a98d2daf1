"""Pipelines: decorators, handles, and how a run is executed and recorded."""
