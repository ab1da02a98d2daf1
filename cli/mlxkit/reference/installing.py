"""Where scripts and pages have to be for a shell and for `man` to find them, and how they get there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from ..completion.scripts import SCRIPTS, script
from ..config.files import NotWritableError, write_atomic
from ..dataclass import dataclass

_DATA_MODE = 0o644  # programs and other users read them, and nothing in them is private


@dataclass(frozen=True)
class Plan:
    """What is to be done for a shell: files to write, what to tell, and the line that the user has to add."""

    files: Mapping[Path, str] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    line: str = ""


def shell_of_user() -> str:
    """Return the name of the user's shell, by SHELL; on Windows it is PowerShell."""
    if sys.platform == "win32":
        return "powershell"
    name = Path(os.environ.get("SHELL", "")).name
    return "powershell" if name == "pwsh" else name


def planned(shell: str) -> Plan:
    """Return what makes completion work in a shell; nothing is written yet."""
    return _PLANS[shell]()


def manual_files() -> dict[Path, str]:
    """Return the pages of the manual, by the path where `man` finds them."""
    from ..stacks.flavors import built_in
    from .manual import manual
    from .roff import roff
    from .tree import command_tree

    return {
        _data_home() / "man" / f"man{page.number}" / page.file: roff(page)
        for page in manual(command_tree(), built_in())
    }


def write(path: Path, text: str) -> bool:
    """Write a file unless it has that content; a link that another installation made is replaced, not followed."""
    if not path.is_symlink() and path.is_file() and path.read_bytes() == text.encode():
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritableError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    write_atomic(path, text.encode(), mode=_DATA_MODE)
    return True


def _bash() -> Plan:
    home = os.environ.get("BASH_COMPLETION_USER_DIR", "").partition(":")[0]
    folder = Path(home) if home else _data_home() / "bash-completion"
    return Plan(
        {folder / "completions" / "mlx": script("bash")},
        ("new shells have it, where the package bash-completion is installed; for this one:",),
        f"source {_quoted(folder / 'completions' / 'mlx')}",
    )


def _fish() -> Plan:
    folder = _config_home() / "fish" / "completions"
    return Plan({folder / "mlx.fish": script("fish")}, ("every fish has it at once",))


def _zsh() -> Plan:
    folder = _data_home() / "zsh" / "site-functions"
    if folder in (Path(part) for part in os.environ.get("FPATH", "").split(":") if part):
        return Plan({folder / SCRIPTS["zsh"]: script("zsh")}, ("new shells have it",))
    return Plan(
        {folder / SCRIPTS["zsh"]: script("zsh")},
        ("zsh looks there with this line in ~/.zshrc, before compinit is called:",),
        f"fpath=({_quoted(folder)} $fpath); autoload -Uz compinit; compinit",
    )


def _powershell() -> Plan:
    return Plan(
        {},
        ("PowerShell has it with this line in the file that $PROFILE names:",),
        "mlx completion powershell | Out-String | Invoke-Expression",
    )


_PLANS = {"bash": _bash, "fish": _fish, "zsh": _zsh, "powershell": _powershell}


def _data_home() -> Path:
    return _base("XDG_DATA_HOME", ".local/share")


def _config_home() -> Path:
    return _base("XDG_CONFIG_HOME", ".config")


def _base(variable: str, default: str) -> Path:
    """Return a base folder of the XDG rules, which shells and `man` follow on every system."""
    base = Path(os.environ.get(variable, ""))
    return base if base.is_absolute() else Path.home() / default


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
