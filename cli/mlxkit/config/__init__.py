"""Where files are, the one YAML reader and writer, and which stack is active."""
