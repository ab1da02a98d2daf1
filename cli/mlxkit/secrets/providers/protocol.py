"""What every provider can do, and what none does: mlx reads a team's secrets and never writes them."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import did_you_mean
from ..stores.protocol import StoreUnusableError

LIST_PATIENCE = 4.0  # seconds that a list of names may take, so that `mlx secret list` stays a quick word
READ_PATIENCE = 20.0  # seconds for one secret, a login included
CONNECT_PATIENCE = 2.0  # seconds until a server has to take a connection
ANSWER_PATIENCE = 10.0  # seconds between two signs of life of a server


class NotListableError(StoreUnusableError):
    """The secrets can be read and their names not be listed."""


class Provider:
    """One provider of mlx.yaml; a SecretStore that only reads. Subclasses say how."""

    def __init__(self, flavor: str, entry_name: str) -> None:
        self.entry_name = entry_name
        self.name = f"{flavor} {entry_name}"

    @property
    def location(self) -> str:
        """Where the values are, for people."""
        raise NotImplementedError

    @property
    def identity(self) -> str:
        """All that decides which secrets these are, to keep what was read apart from another provider's."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Get from this machine what the login needs; apart from the questions, because it may wait for a person."""

    def open(self) -> None:
        """Make sure that the server answers and takes our login, or raise StoreUnusableError with the reason."""
        raise NotImplementedError

    def read(self, secret: str) -> dict[str, str] | None:
        """Return the values of a secret, or None when there is no such entry."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """Return the names that can be referred to; raises NotListableError where that is not allowed."""
        raise NotImplementedError

    def how_to_write(self, secret: str) -> str:
        """Return the command of the provider's own tool that changes a secret."""
        raise NotImplementedError

    def write(self, secret: str, values: Mapping[str, str]) -> None:
        raise self.read_only(secret)

    def delete(self, secret: str) -> bool:
        raise self.read_only(secret)

    def read_only(self, secret: str) -> StoreUnusableError:
        """Say that a secret is the team's, and what changes it there."""
        return self.unusable(
            f"mlx only reads there: secret {secret!r} stays as it is", self.how_to_write(secret)
        )

    def unusable(self, reason: str, hint: str | None = None) -> StoreUnusableError:
        """Return the error that stands for this provider."""
        return StoreUnusableError(self.name, reason, hint=hint or "mlx secret where")

    def not_listable(self, reason: str, hint: str) -> NotListableError:
        """Return the error for names that may not be listed."""
        return NotListableError(self.name, reason, hint=hint)

    def like(self, secret: str) -> str:
        """Return ` (did you mean 'x'?)` from the provider's names, where they may be listed."""
        try:
            return did_you_mean(secret, self.names())
        except StoreUnusableError:
            return ""
