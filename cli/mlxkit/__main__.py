"""The console script: what needs no command tree is answered before Typer is imported."""

from __future__ import annotations

import gc
import os
import sys


def main() -> int:
    """Run `mlx` and return its exit status."""
    shell = os.environ.get("_MLX_COMPLETE")
    if shell:
        from .completion.answer import main as complete

        complete(shell)
    if sys.argv[1:] == ["--version"]:
        from ._version import __version__

        sys.stdout.write(f"mlx {__version__}\n")
        return 0
    # Importing makes thousands of objects that live for ever; looking for garbage among them is 5% of a cheap command.
    # User code gets its collector back before it runs.
    gc.disable()
    from .commands.app import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
