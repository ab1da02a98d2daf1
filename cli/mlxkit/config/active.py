"""Which stack is active, and who said so."""

from __future__ import annotations

import os

from ..dataclass import dataclass
from ..errors import ConfigError, NotFoundError, did_you_mean
from .files import write_atomic
from .locks import file_lock
from .model import Config
from .names import name_problem
from .paths import Project, ensure_state_dir
from .regular import read_regular_file

IMPLICIT_STACK = "default"
_SAID = {
    "--stack": "--stack",
    "MLX_STACK": "the variable MLX_STACK",
    ".mlx": "mlx stack set, in this checkout",
    "default_stack": "default_stack in {shown}",
    "only stack": "being the only one in {shown}",
    "implicit": "nothing: {shown} has no stack",
}
_FILE = "active_stack"


@dataclass(frozen=True)
class ActiveStack:
    """The chosen stack and where it was chosen."""

    name: str
    source: str  # '--stack', 'MLX_STACK', '.mlx', 'default_stack', 'only stack' or 'implicit'


def chosen_by(source: str, shown: str) -> str:
    """Say in words who chose the active stack; `shown` is the configuration file as messages name it."""
    return _SAID[source].format(shown=shown)


def choose_stack(project: Project, config: Config, override: str | None = None) -> ActiveStack:
    """Choose by --stack, MLX_STACK, `mlx stack set`, default_stack, the only one; never a silent second best."""
    if override:
        return ActiveStack(_known(override, config, f"no stack named {override!r}"), "--stack")
    variable = os.environ.get("MLX_STACK")
    if variable:
        return ActiveStack(_known(variable, config, f"MLX_STACK: no stack named {variable!r}"), "MLX_STACK")
    chosen = read_active(project)
    if chosen is not None:
        if not exists(chosen, config):
            raise ConfigError(
                f"the active stack {chosen!r}, chosen with `mlx stack set`, is not in {config.shown}"
                f"{did_you_mean(chosen, config.stacks)}",
                hint=f"mlx stack set {next(iter(config.stacks), IMPLICIT_STACK)}",
            )
        return ActiveStack(chosen, ".mlx")
    if config.default_stack:
        return ActiveStack(config.default_stack, "default_stack")
    if len(config.stacks) == 1:
        return ActiveStack(next(iter(config.stacks)), "only stack")
    if config.stacks:
        names = ", ".join(config.stacks)
        raise ConfigError(
            f"no stack is active; there are {names}", hint=f"mlx stack set {next(iter(config.stacks))}"
        )
    return ActiveStack(IMPLICIT_STACK, "implicit")


def exists(name: str, config: Config) -> bool:
    """Say whether a stack can be used; `default` always can."""
    return name in config.stacks or name == IMPLICIT_STACK


def read_active(project: Project) -> str | None:
    """Return what `mlx stack set` chose in this checkout, or None."""
    path = project.state_dir / _FILE
    data = read_regular_file(path, str(path))
    if data is None:
        return None
    name = data.decode("utf-8", "replace").strip()
    if name_problem(name):
        raise ConfigError(f"{path} does not hold the name of a stack", hint="mlx stack set NAME")
    return name


def set_active(project: Project, name: str) -> None:
    """Remember the choice in this checkout's state."""
    folder = ensure_state_dir(project)
    with file_lock(folder / "active_stack.lock"):
        write_atomic(folder / _FILE, f"{name}\n".encode())


def clear_active(project: Project) -> None:
    """Forget the choice made in this checkout."""
    (project.state_dir / _FILE).unlink(missing_ok=True)


def _known(name: str, config: Config, message: str) -> str:
    if not exists(name, config):
        raise NotFoundError(f"{message}{did_you_mean(name, config.stacks)}", hint="mlx stack list")
    return name
