"""How a run tells of itself: a live view on a terminal, workflow commands on GitHub, else a line an event."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..pipelines.reporting import LineReporter, Reporter
from . import terminal


@contextmanager
def reporting(*, no_progress: bool = False, is_dry: bool = False) -> Iterator[Reporter]:
    """Give the reporter for a run, and put the standard streams back afterwards."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from ..pipelines.actions import workflow_commands

        with workflow_commands(is_quiet=terminal.settings.quiet, is_joined=not is_dry) as reporter:
            yield reporter
    elif not is_dry and not no_progress and is_live():
        from .live_view import live_view

        with live_view() as view:
            yield view
    else:
        yield LineReporter(is_quiet=terminal.settings.quiet)


def is_live() -> bool:
    """Say whether stderr is a terminal whose lines a person watches being rewritten."""
    return (
        terminal.is_terminal(sys.stderr)
        and not terminal.settings.quiet
        and sys.platform != "win32"
        and os.environ.get("TERM", "dumb") != "dumb"
        and os.environ.get("CI", "") in ("", "0", "false")
        and os.environ.get("MLX_PROGRESS", "1") not in ("0", "false", "no")
    )
