"""`mlx secret trust`: the one word that lets a provider of mlx.yaml be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import NotFoundError, UsageError
from . import terminal
from .options import Yes

if TYPE_CHECKING:
    from ..secrets.providers.chain import ProviderChain
    from ..secrets.service import SecretService


def add_trust(app: typer.Typer, opened: Callable[[], SecretService]) -> None:
    """Add the command to the group of secrets."""

    @app.command("trust")
    def trust(
        provider: Annotated[
            str | None,
            typer.Argument(metavar="[PROVIDER_NAME]", help="Its name in mlx.yaml; the only one without."),
        ] = None,
        revoke: Annotated[bool, typer.Option("--revoke", help="Ask it no more.")] = False,
        fingerprint: Annotated[
            bool, typer.Option("--fingerprint", help="Print what MLX_TRUSTED_PROVIDERS takes in CI.")
        ] = False,
        yes: Yes = False,
    ) -> None:
        """Let a provider of secrets that mlx.yaml names be asked.

        Examples:

          mlx secret trust team

          mlx secret trust team --revoke

        A provider is sent what you log in with, and mlx.yaml is written by others, too. So it is asked only after this
        command, which counts for exactly what mlx.yaml says of it: any change has to be trusted again.
        """
        from ..secrets.providers import trust as trusting

        chain = _chain(opened())
        entry = chain.entry(provider or _only(chain))
        if fingerprint:
            terminal.out(trusting.fingerprint(entry, chain.project))
        elif revoke:
            was = trusting.distrust(entry, chain.project)
            terminal.say(f"{entry.name} is not trusted any more" if was else f"{entry.name} was not trusted")
            why = trusting.why_trusted(entry, chain.project)
            if why:
                terminal.say(f"note: it can be asked all the same: {why}")
        else:
            place, sent = chain.provider(entry).location, trusting.what_is_sent(entry)
            terminal.confirm(
                f"provider {entry.name} ({entry.flavor} {place})\n  gets {sent}\ntrust it?", yes=yes
            )
            trusting.trust(entry, chain.project)
            terminal.say(f"{entry.name} ({entry.flavor} {place}) is trusted, and gets {sent}")


def _chain(secrets: SecretService) -> ProviderChain:
    chain = secrets.team.chain
    if chain is None or not chain.entries:
        raise NotFoundError(
            "mlx.yaml names no provider of secrets",
            hint="mlx help mlx.yaml, which says how secret_providers are written",
        )
    return chain


def _only(chain: ProviderChain) -> str:
    if len(chain.entries) > 1:
        names = ", ".join(chain.entries)
        raise UsageError(
            f"which one? There are {names}", hint=f"mlx secret trust {next(iter(chain.entries))}"
        )
    return next(iter(chain.entries))
