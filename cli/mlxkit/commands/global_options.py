"""The options of `mlx` itself, which every command takes too: most people type them last."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from . import terminal

_SPELLINGS = {"quiet": ("--quiet", "-q"), "verbose": ("--verbose", "-v"), "debug": ("--debug",)}
FLAGS = frozenset(name for names in _SPELLINGS.values() for name in names) | {"--help", "-h"}

Quiet = Annotated[bool, typer.Option(*_SPELLINGS["quiet"], help="Say nothing but warnings and errors.")]
Verbose = Annotated[bool, typer.Option(*_SPELLINGS["verbose"], help="Say more.")]
Debug = Annotated[bool, typer.Option(*_SPELLINGS["debug"], help="Show a traceback for an unexpected error.")]


class TakesGlobalOptions:
    """Adds them to a command, unseen by its help: those whose spelling means nothing of the command's own.

    A command whose unknown options are somebody's words (parameters, attributes, keys) takes none, or it would steal
    a word.
    """

    takes_any_option = False

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        if self.takes_any_option or ctx.ignore_unknown_options:
            return params
        taken = frozenset(name for item in params for name in (*item.opts, *item.secondary_opts))
        return [*params, *_options(taken)]


@cache
def _options(taken: frozenset[str]) -> tuple[TyperOption, ...]:
    free = {
        setting: [name for name in spellings if name not in taken]
        for setting, spellings in _SPELLINGS.items()
    }
    return tuple(_option(setting, names) for setting, names in free.items() if names)


def _option(setting: str, names: list[str]) -> TyperOption:
    def heard(_ctx: Any, _option: Any, is_given: bool) -> None:
        if is_given:
            setattr(terminal.settings, setting, True)

    return TyperOption(
        param_decls=names, is_flag=True, default=False, callback=heard, expose_value=False, hidden=True
    )
