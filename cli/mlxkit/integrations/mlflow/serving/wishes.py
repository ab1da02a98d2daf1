"""What a server is asked for, as its supervisor reads it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ....errors import MlxError
from .log import Log
from .state import UnreadableError, Wanted, read_wanted, write_wanted


class Wishes:
    """Read the wish that lies in the folder; each is taken up once."""

    def __init__(self, folder: Path, log: Log, first: Wanted) -> None:
        self._folder, self._log = folder, log
        self._seen = first.id

    def new(self) -> Wanted | None:
        """Return a wish that was not taken up, or None."""
        try:
            found = read_wanted(self._folder)
        except UnreadableError as error:
            self._log.say(error.message)
            return None
        return found if found is not None and found.id != self._seen else None

    def take_up(self, wanted: Wanted) -> None:
        """Note that a wish is being followed."""
        self._seen = wanted.id

    def refuse(self, served: Wanted) -> None:
        """Write down that what is served stays, unless there is a newer wish; its caller may be long gone."""
        if self.new() is None:
            with contextlib.suppress(MlxError):
                write_wanted(self._folder, served)
                self._seen = served.id
