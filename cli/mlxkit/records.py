"""Records: what services return and commands show; one `to_dict()` is the JSON, the table and the SDK."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any

from .dataclass import dataclass

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Record:
    """Base of everything that a command can print; field names are the JSON keys."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, with `schema_version` first; keys are only ever added."""
        data: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
        for item in fields(self):
            data[item.name] = plain(getattr(self, item.name))
        return data


def plain(value: Any) -> Any:
    """Turn records, tuples and mappings into what JSON can hold; nan and the infinities are text."""
    if isinstance(value, Record):
        nested = value.to_dict()
        nested.pop("schema_version", None)
        return nested
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


@dataclass(frozen=True)
class ComponentRecord(Record):
    """A registered component; attributes hold references, never the values behind them."""

    name: str
    kind: str
    flavor: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    stacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class StackRecord(Record):
    """A stack: one component name per kind."""

    name: str
    is_active: bool
    components: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SecretRecord(Record):
    """A secret without its values: its name, its keys and the store that holds it."""

    name: str
    keys: tuple[str, ...]
    store: str
