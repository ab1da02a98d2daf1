"""What was done so far, so that it can be undone when the rest fails or a signal ends it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from ....errors import ExitCode, MlxError
from ....pipelines.signals import SignalGuard, Terminated


class Undo:
    """Undo what was noted, the last first, unless `keep` was called; what cannot be undone is named in the error.

    SIGTERM and the terminal's SIGHUP are undone as Ctrl-C is, and then end the command with exit status 143.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []
        self._guard = SignalGuard(hangup=True)

    def note(self, what: str, step: Callable[[], object]) -> None:
        """Remember how something that is about to be made is taken away; `what` names it."""
        self._steps.append((what, step))

    def keep(self) -> None:
        """Leave everything as it is."""
        self._steps.clear()

    def __enter__(self) -> Undo:
        self._guard.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            left = self._undo()
        finally:
            self._guard.__exit__(kind, error, trace)
        if left:
            remains = f"what remains: {'; '.join(left)}"
            if not isinstance(error, MlxError):
                raise _with_remains(error, remains) from error
            error.message += f"\n{remains}"
        if isinstance(error, Terminated):
            raise SystemExit(int(ExitCode.terminated)) from None

    def _undo(self) -> list[str]:
        """Take everything away that can be; return what could not."""
        left = []
        for what, step in reversed(self._steps):
            try:
                step()
            except Exception as problem:
                left.append(f"{what} ({getattr(problem, 'message', problem)})")
        self._steps.clear()
        return left


def _with_remains(error: BaseException | None, remains: str) -> MlxError:
    """Return what says it in place of an exception that shows no words of ours, with the same exit status."""
    if isinstance(error, KeyboardInterrupt):
        found = MlxError(f"interrupted\n{remains}")
        found.exit_code = ExitCode.interrupted
    elif isinstance(error, Terminated):
        found = MlxError(f"ended by a signal\n{remains}")
        found.exit_code = ExitCode.terminated
    else:
        found = MlxError(f"unexpected {type(error).__name__}: {error}\n{remains}")
    return found
