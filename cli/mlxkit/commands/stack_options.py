"""What several commands of `mlx stack` take: a stack, and one option a kind of component."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from ..stacks.kinds import KINDS, Kind

AnyName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Name of the stack; the active one without it.")
]
Set = Annotated[bool, typer.Option("--set", help="Make it the active stack of this checkout.")]


def with_components(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each kind; it receives what was chosen as `components`, by kind."""

    @wraps(command)
    def parsed(**values: Any) -> None:
        chosen = {kind: values.pop(kind) for kind in KINDS}
        command(**values, components={kind: name for kind, name in chosen.items() if name})

    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "components"
    ]
    added = [
        inspect.Parameter(kind.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(kind))
        for kind in KINDS.values()
    ]
    del parsed.__wrapped__  # or the signature would be that of `command` again
    parsed.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    parsed.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return parsed


def _option(kind: Kind) -> Any:
    return Annotated[
        str | None,
        typer.Option(*kind.stack_flag, metavar="NAME", help=f"Use this {kind.title}.", show_default=False),
    ]
