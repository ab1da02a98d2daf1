"""Named errors: each carries its exit code and, where there is one, the command to type next."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of `mlx`, by kind of failure; documented in mlx(1)."""

    ok = 0
    failed = 1
    usage = 2
    not_found = 3
    configuration = 4
    credentials = 5
    step_failed = 6
    not_executable = 126
    command_not_found = 127
    interrupted = 130
    broken_pipe = 141
    terminated = 143


class MlxError(Exception):
    """Report a situation the user can act on; `hint` is the command or edit that comes next."""

    exit_code = ExitCode.failed

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_dict(self) -> dict[str, object]:
        return {
            "error": type(self).__name__,
            "message": self.message,
            "hint": self.hint,
            "exit_code": int(self.exit_code),
        }


class UsageError(MlxError):
    """The command line itself is wrong."""

    exit_code = ExitCode.usage


class NotFoundError(MlxError):
    """A name stands for nothing."""

    exit_code = ExitCode.not_found


class ConfigError(MlxError):
    """`mlx.yaml`, a stack or a component is wrong; the message carries file:line and the field path."""

    exit_code = ExitCode.configuration


class CredentialsError(MlxError):
    """A secret is missing, a store cannot be used, or a server refused the credentials."""

    exit_code = ExitCode.credentials


class AlreadyExistsError(MlxError):
    """A name is taken."""


class InUseError(MlxError):
    """Something else still refers to what was to be deleted."""


class UnreachableError(MlxError):
    """A server does not answer."""


class MissingDependencyError(MlxError):
    """A library that a flavor needs is not installed."""


class StepFailedError(MlxError):
    """A step raised, or what it returned could not be stored."""

    exit_code = ExitCode.step_failed


class Interrupted(MlxError):
    """What is said of a run that Ctrl-C ended."""

    exit_code = ExitCode.interrupted


class InterruptedRunError(KeyboardInterrupt):
    """Ctrl-C ended a run; a KeyboardInterrupt, so that a loop over runs does not swallow it by `except Exception`."""

    def __init__(self, said: Interrupted) -> None:
        super().__init__(said.message)
        self.said = said


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name most like `name`, or None; the one rule behind every "did you mean"."""
    import difflib

    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)`, or an empty string, to end a message with."""
    close = nearest(name, names)
    return f" (did you mean {close!r}?)" if close else ""
