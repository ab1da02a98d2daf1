"""MLflow tracking servers: run on this machine, or written down for Docker and Kubernetes."""
