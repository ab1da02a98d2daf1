"""`python pipeline.py`: errors in the same words as under `mlx run`, without a traceback through the SDK."""

from __future__ import annotations

import sys
from types import TracebackType

from ..errors import InterruptedRunError, MlxError
from ..secrets.masking import mask_text
from .reporting import Reporter

_is_installed = False


def say_errors(reporter: Reporter) -> None:
    """Have what ends the program told by the reporter if it is one of our errors; everything else as before."""
    global _is_installed
    if _is_installed:
        return
    _is_installed = True
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        said = error.said if isinstance(error, InterruptedRunError) else error
        if isinstance(said, MlxError):
            reporter.detail(
                mask_text(f"error: {said.message}" + (f"\n  try: {said.hint}" if said.hint else ""))
            )
        else:
            before(kind, error, trace)

    sys.excepthook = hook
