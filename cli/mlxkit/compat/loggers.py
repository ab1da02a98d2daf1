"""`zenml.logger.get_logger`: an ordinary logger that is heard."""

from __future__ import annotations

import logging
import os
import sys

_LEVELS = ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL")


def get_logger(name: str) -> logging.Logger:
    """Return a logger that writes to standard error, from INFO on, or from what ZENML_LOGGING_VERBOSITY says.

    What a program has configured itself (`logging.basicConfig`) is left to it.
    """
    logger = logging.getLogger(name)
    asked = os.environ.get("ZENML_LOGGING_VERBOSITY", "INFO").upper()
    if logger.level == logging.NOTSET:
        logger.setLevel(asked if asked in _LEVELS else logging.INFO)
    if not logger.handlers:
        logger.addHandler(_Heard())
    return logger


class _Heard(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what is standard error at that moment, which a step's log takes down; silent once the root has handlers."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers:
            self.stream = sys.stderr
            super().emit(record)
