"""What every provider can do, and what none does: mlx reads a team's secrets and never writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import did_you_mean
from ..masking import mask_text
from ..names import is_key, is_name
from ..payload import LONE_KEY, as_text
from ..stores.protocol import StoreUnusableError

LIST_PATIENCE = 4.0  # seconds that a list of names may take, so that `mlx secret list` stays a quick word
READ_PATIENCE = 20.0  # seconds for one secret, a login included
CONNECT_PATIENCE = 2.0  # seconds until a server has to take a connection
ANSWER_PATIENCE = 10.0  # seconds between two signs of life of a server
_SHOWN = 3  # names that a note repeats


class NotListableError(StoreUnusableError):
    """The secrets can be read and their names not be listed."""


class Provider:
    """One provider of mlx.yaml; a SecretStore that only reads. Subclasses say how."""

    folder = "path"  # the attribute that names a folder of secrets

    def __init__(self, flavor: str, entry_name: str) -> None:
        self.entry_name = entry_name
        self.notes: dict[str, str] = {}  # what was left out, by the secret, under "" of the list of names
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

    def values(self, secret: str, place: str, data: Mapping[str, Any]) -> dict[str, str]:
        """Return the values of an entry that is a JSON object.

        Keys that cannot be referred to are left out with a note, as the others can be used all the same; where nothing
        would be left, the whole is the key `value`. Raises StoreUnusableError for one without keys.
        """
        if not data:
            raise self.unusable(f"{place} has no keys", self.how_to_write(secret))
        usable = {key: item for key, item in data.items() if is_key(key)}
        try:
            values = {key: as_text(item) for key, item in usable.items()} or {LONE_KEY: as_text(dict(data))}
        except RecursionError:
            raise self.unusable(f"{place} is nested too deeply", self.how_to_write(secret)) from None
        odd = len(data) - len(usable)
        if odd:
            what = "they are left out" if usable else f"the whole is its key {LONE_KEY}"
            self.notes[secret] = f"{odd} of the keys of {place} cannot be referred to: {what}"
        return values

    def named(self, found: Iterable[str]) -> list[str]:
        """Return the names that can be referred to, in order, and note the others."""
        everything = sorted(set(found))
        odd = [name for name in everything if not is_name(name)]
        if odd:
            shown = ", ".join(_harmless(name) for name in odd[:_SHOWN])
            more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
            how = (
                f"; one with the {self.folder} of a folder reads what is in it"
                if any("/" in name for name in odd)
                else ""
            )
            self.notes[""] = f"not listed, as no reference can name it: {shown}{more}{how}"
        return [name for name in everything if is_name(name)]

    def not_listable(self, reason: str, hint: str) -> NotListableError:
        """Return the error for names that may not be listed."""
        return NotListableError(self.name, reason, hint=hint)

    def like(self, secret: str) -> str:
        """Return ` (did you mean 'x'?)` from the provider's names, where they may be listed."""
        try:
            return did_you_mean(secret, self.names())
        except StoreUnusableError:
            return ""


def _harmless(name: str) -> str:
    """Return a name that anybody may have given, short, masked and without what steers a terminal."""
    shown = "".join(character if character.isprintable() else "?" for character in mask_text(name))
    return shown if len(shown) <= 60 else shown[:60] + "..."
