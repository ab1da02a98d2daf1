"""The model registry flavor `mlflow`: over REST, in SQLite tables, or through MLflow's own client."""
