"""Serving a model of MLflow on this machine: one supervisor per deployment, and the workers that answer."""
