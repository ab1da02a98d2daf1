"""The scripts that tell a shell whom to ask; they know no command, so they never change with one."""

from __future__ import annotations

from pathlib import Path

# Shell -> the file that it loads.
SCRIPTS = {"bash": "mlx.bash", "zsh": "_mlx", "fish": "mlx.fish", "powershell": "mlx.ps1"}


def script(shell: str) -> str:
    """Return the script for a shell."""
    return (Path(__file__).parent / SCRIPTS[shell]).read_text(encoding="utf-8")
