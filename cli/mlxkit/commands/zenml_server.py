"""ZenML's commands for its server, which there is none of here: each says what to type instead."""

from __future__ import annotations

import typer

from ..errors import UsageError
from .app import new_app

_NO_LOGIN = ("there is no server to log in to", "mlx status")
_NO_SERVER = ("there is no server to start", "mlx tracker ui")
_NO_USERS = ("there is no server with users; a project is a folder with mlx.yaml", "mlx init")
_WORDS = {
    "login": _NO_LOGIN,
    "logout": _NO_LOGIN,
    "connect": _NO_LOGIN,
    "disconnect": _NO_LOGIN,
    "code-repository": (
        "there is no server to register it with; a run records its commit",
        "mlx runs describe RUN",
    ),
    "service-connector": (
        "there is no server to connect by; credentials are secrets",
        "mlx secret create NAME --KEY",
    ),
    **dict.fromkeys(("user", "project", "workspace", "service-account"), _NO_USERS),
}

app = new_app("There is no server here.")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def run(ctx: typer.Context) -> None:
    """Say what to type instead."""
    name = ctx.info_name or ""
    why, hint = _WORDS.get(name, _NO_SERVER)
    raise UsageError(f"mlx has no {name!r}: {why}", hint=hint)
