"""Metadata as the SDK hands it out: a mapping whose values also answer to `.value`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import did_you_mean


class MetadataText(str):
    """A metadata value that is text; `.value` gives it again, as ZenML's documents write it."""

    @property
    def value(self) -> str:
        """The text itself."""
        return str(self)


class MetadataValue:
    """A metadata value that is not text; `.value` is the plain value, and it compares as that."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, MetadataValue) else other))

    def __hash__(self) -> int:
        return hash(str(self.value))

    def __repr__(self) -> str:
        return repr(self.value)

    def __float__(self) -> float:
        return float(self.value)


class Metadata(Mapping[str, Any]):
    """Metadata of a step or a run; a missing key is named with what there is."""

    def __init__(self, values: Mapping[str, Any], owner: str) -> None:
        self._values = values
        self._owner = owner

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            raise KeyError(
                f"{self._owner} has no metadata {key!r}{did_you_mean(key, self._values)}; there is {', '.join(self._values) or 'none'}"
            )
        value = self._values[key]
        return MetadataText(value) if isinstance(value, str) else MetadataValue(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self._values))
