"""Where an exception becomes words and an exit status."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from ..errors import ExitCode, MlxError
from . import streams, terminal
from .parsing import usage_error

_LONGEST_LINE = 500


def guarded(call: Callable[[], Any]) -> int:
    """Run `call` and return the exit status for however it ended."""
    streams.open_missing()
    try:
        status = _ended(call)
    except BrokenPipeError:  # of stderr, while an error was told
        return _reader_gone()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    except OSError as error:
        terminal.report_error(streams.lost(error))
        return status or int(ExitCode.failed)
    except ValueError:  # closed by the code that was run
        return status
    return status


def _ended(call: Callable[[], Any]) -> int:
    try:
        result = call()
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
    except OSError as error:
        if _is_of_output(error):
            terminal.report_error(streams.lost(error))
            return int(ExitCode.failed)
        return _unexpected(error)
    except Exception as error:
        return _unexpected(error)
    return result if isinstance(result, int) else int(ExitCode.ok)


def _reader_gone() -> int:
    """The reader of our output went away (`| head`); stdout must not be flushed again at exit."""
    streams.give_up()
    return int(ExitCode.broken_pipe)


def _is_of_output(error: OSError) -> bool:
    """Say whether it is standard output that cannot be written, by us or by the parser's `echo` of a help."""
    if traceback.extract_tb(error.__traceback__)[-1].name == "echo":
        return True
    try:
        sys.stdout.flush()
    except OSError:
        return True
    except ValueError:  # closed by the code that was run
        return False
    return False


def _status(code: object) -> int:
    if code is None:
        return int(ExitCode.ok)
    if not isinstance(code, int):  # sys.exit("message"), as Python itself does it
        terminal.tell_last(str(code))
    return code if isinstance(code, int) else int(ExitCode.failed)


def _unexpected(error: Exception) -> int:
    """Show usage errors of the parser as ours, and write anything else to a log instead of the screen."""
    if hasattr(error, "format_message") and hasattr(
        error, "exit_code"
    ):  # the parser's own, vendored by Typer
        if type(error).__name__ == "NoArgsIsHelpError":  # a group alone: its message is the help
            sys.stderr.write(error.format_message().rstrip() + "\n")
            return int(ExitCode.usage)
        terminal.report_error(usage_error(error))
        return int(ExitCode.usage)
    if terminal.settings.debug:
        terminal.traceback_of(error)
        return int(ExitCode.failed)
    from ..config.crash import write_crash_log

    path = write_crash_log(terminal.masked(traceback.format_exc()))
    terminal.report_error(
        MlxError(
            _one_line(f"unexpected {type(error).__name__}: {error}"),
            hint=f"the traceback is in {path}; --debug shows it here",
        )
    )
    return int(ExitCode.failed)


def _one_line(text: str) -> str:
    """Return a text that others have written as one line: masked, then without control characters, and not endless."""
    plain = "".join(character if character.isprintable() else " " for character in terminal.masked(text))
    words = " ".join(plain.split())
    return words if len(words) <= _LONGEST_LINE else f"{words[:_LONGEST_LINE]}..."
