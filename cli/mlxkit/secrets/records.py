"""What the secret service returns: no values, but in the one record that is made to show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ..dataclass import dataclass
from ..records import Record, SecretRecord

UNFINISHED = "unfinished"  # a write was cut off; `mlx secret where` settles it


@dataclass(frozen=True)
class SecretListing(SecretRecord):
    """A secret, which of its keys the environment supplies, whether something is wrong, and which providers have it too."""

    from_environment: tuple[str, ...] = ()
    state: str = ""
    also_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoreRecord(Record):
    """A store: whether it can be used and if not why, where it is and which secrets are in it."""

    name: str
    is_usable: bool
    is_default: bool
    note: str
    location: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class PlaceRecord(Record):
    """A store that holds (some keys of) one secret: the environment counts by key, then the first store as a whole."""

    name: str
    secret: str
    keys: tuple[str, ...]
    location: str
    note: str = ""


@dataclass(frozen=True)
class RevealedSecret(SecretListing):
    """A secret with its values, for the one command that shows them."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
