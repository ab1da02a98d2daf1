"""Models: registered from runs, promoted on evidence, traced back to the data."""
