"""Files and folders that nobody else on this machine reads."""

from __future__ import annotations

from pathlib import Path


def make_private(path: Path) -> None:
    """Let nobody else read a file."""
    path.chmod(0o600)  # libraries create files as the umask says; the folder above is private in any case


def make_folders(folder: Path, top: Path) -> None:
    """Make a folder and those above it up to `top`, private."""
    if folder != top and not folder.is_dir():
        make_folders(folder.parent, top)
        folder.mkdir(mode=0o700)
