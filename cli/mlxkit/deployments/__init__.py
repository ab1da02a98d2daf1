"""Deployments: which model versions are served on this machine, and under which address."""
