"""The console script: what needs no command tree is answered before Typer is imported."""

from __future__ import annotations

import sys


def main() -> int:
    """Run `mlx` and return its exit status."""
    if sys.argv[1:] == ["--version"]:
        from ._version import __version__

        sys.stdout.write(f"mlx {__version__}\n")
        return 0
    from .commands.app import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
