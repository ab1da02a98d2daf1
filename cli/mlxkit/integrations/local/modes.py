"""Who else may enter the folders and read the files of a store: nobody, or whoever its own folder is open to."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from ...dataclass import dataclass

_OTHERS = 0o077
_NO_FILE = 0o011  # files are not executable


@dataclass(frozen=True)
class Modes:
    """The mode of every folder and of every file of a store."""

    folder: int = 0o700
    file: int = 0o600

    @property
    def is_private(self) -> bool:
        """Whether nobody else gets in."""
        return self == Modes()

    @classmethod
    def like(cls, root: Path) -> Modes:
        """Return what group and others may do in a folder, for all that is made below it.

        A folder that is not there yet is made for its owner alone, unless the one that it is made in hands its group on.
        """
        if os.name != "posix":
            return cls()
        above = root
        while not above.is_dir():
            if above == above.parent:
                return cls()
            above = above.parent
        mode = stat.S_IMODE(above.stat().st_mode)
        if above != root and not mode & stat.S_ISGID:
            return cls()
        others = mode & _OTHERS
        return cls(0o700 | others | mode & stat.S_ISGID, 0o600 | others & ~_NO_FILE)

    def make(self, folder: Path) -> None:
        """Create a folder, and those above it that are missing.

        It gets its name when its mode is right: the umask takes bits away that somebody else may need in between.
        """
        if folder.is_dir():
            return
        self.make(folder.parent)
        with suppress(FileExistsError):
            if self.is_private:
                folder.mkdir(mode=0o700)
                return
            made = folder.with_name(f".{folder.name}.{os.urandom(6).hex()}")
            made.mkdir(mode=0o700)
            try:
                made.chmod(self.folder)
                made.rename(folder)
            except OSError:
                made.rmdir()
                if not folder.is_dir():
                    raise

    def give(self, path: Path) -> None:
        """Set the modes of a file, or of a folder and all that is in it, that we made."""
        if self.is_private:
            return
        if path.is_dir():
            for item in path.iterdir():
                self.give(item)
            path.chmod(self.folder)
        else:
            path.chmod(self.file)
