"""Other SDKs' names for what `mlx` does: ZenML's modules, served from one table."""
