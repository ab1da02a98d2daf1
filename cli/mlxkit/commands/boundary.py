"""Where an exception becomes words and an exit status."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from ..errors import ExitCode, MlxError, UsageError
from . import terminal


def guarded(call: Callable[[], Any]) -> int:
    """Run `call` and return the exit status for however it ended."""
    try:
        result = call()
        sys.stdout.flush()
    except MlxError as error:
        if terminal.settings.debug:
            terminal.traceback_of(error)
        terminal.report_error(error)
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\ninterrupted\n")
        return int(ExitCode.interrupted)
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # the parser turns it into exit status 1
            return _reader_gone()
        return _status(stop.code)
    except Exception as error:
        return _unexpected(error)
    return result if isinstance(result, int) else int(ExitCode.ok)


def _reader_gone() -> int:
    """The reader of our output went away (`| head`); stdout must not be flushed again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(ExitCode.broken_pipe)


def _status(code: object) -> int:
    if code is None:
        return int(ExitCode.ok)
    if not isinstance(code, int):  # sys.exit("message"), as Python itself does it
        sys.stderr.write(f"{terminal.masked(str(code))}\n")
    return code if isinstance(code, int) else int(ExitCode.failed)


def _unexpected(error: Exception) -> int:
    """Show usage errors of the parser as ours, and write anything else to a log instead of the screen."""
    if hasattr(error, "format_message") and hasattr(
        error, "exit_code"
    ):  # the parser's own, vendored by Typer
        if type(error).__name__ == "NoArgsIsHelpError":  # a group alone: its message is the help
            sys.stderr.write(error.format_message().rstrip() + "\n")
            return int(ExitCode.usage)
        terminal.report_error(UsageError(_first_lower(error.format_message()), hint=_help_of(error)))
        return int(ExitCode.usage)
    if terminal.settings.debug:
        terminal.traceback_of(error)
        return int(ExitCode.failed)
    from ..config.crash import write_crash_log

    path = write_crash_log(terminal.masked(traceback.format_exc()))
    terminal.report_error(
        MlxError(
            f"unexpected {type(error).__name__}: {error}",
            hint=f"the traceback is in {path}; --debug shows it here",
        )
    )
    return int(ExitCode.failed)


def _first_lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")


def _help_of(error: Any) -> str | None:
    ctx = getattr(error, "ctx", None)
    return f"{ctx.command_path} --help" if ctx is not None else None
