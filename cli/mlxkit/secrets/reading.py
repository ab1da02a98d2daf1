"""Values of one secret as they are used: the environment's first, the store's when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from . import masking
from .names import fold
from .stores.environment import EnvironmentStore


class LayeredValues(Mapping[str, str]):
    """Ask the environment for a key, and the store only when the environment has not got it."""

    def __init__(
        self,
        name: str,
        keys: tuple[str, ...],
        environment: EnvironmentStore,
        stored: Callable[[], Mapping[str, str]],
    ) -> None:
        self._name = name
        self._keys = keys
        self._environment = environment
        self._stored = stored

    def __getitem__(self, key: str) -> str:
        value = self._environment.value(self._name, key)
        if value is None:
            value = self._stored()[key]
        masking.register(value, key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(all_keys(self._keys, self._environment.keys(self._name)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<values of secret {self._name}>"


def all_keys(stored: tuple[str, ...], given: Iterable[str]) -> tuple[str, ...]:
    """Join the keys of both layers; where they differ in spelling only, the store's spelling counts."""
    folded = {fold(key) for key in stored}
    return (*stored, *(key for key in given if fold(key) not in folded))
