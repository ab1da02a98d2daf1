"""Secrets as JSON or YAML text, read exactly as written and without ever quoting it in an error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..config.yamltext import FieldPath, dump_yaml, parse_yaml
from ..dataclass import dataclass
from ..errors import ConfigError, UsageError
from .names import check_keys

_MAX_BYTES = 64 << 20  # certificates and key files add up to more than a configuration
_QUOTE = "put it in quotes"


def values_from_text(text: str, *, what: str) -> dict[str, str]:
    """Return the keys and values of one secret; `what` names the source in messages."""
    return _Document(text, what).values((), "a secret is a map of keys to values")


def secrets_from_text(text: str, *, what: str) -> dict[str, dict[str, str]]:
    """Return many secrets: a map of names to maps of keys to values, as an export is written."""
    document = _Document(text, what)
    names = document.map((), "secrets are a map of names to maps of keys to values")
    return {name: document.values((name,), f"{name} is not a map of keys to values") for name in names}


def to_text(secrets: Mapping[str, Mapping[str, str]], *, as_json: bool) -> str:
    """Write secrets so that `secrets_from_text` reads the same."""
    data = {name: dict(values) for name, values in secrets.items()}
    return json.dumps(data, indent=2) + "\n" if as_json else dump_yaml(data)


class _Document:
    """A parsed text, and how its scalars were written."""

    def __init__(self, text: str, what: str) -> None:
        self._what = what
        self._lines: list[str] = []
        self._line_of: Mapping[FieldPath, int] = {}
        try:
            self._data = json.loads(
                text,
                parse_int=_Written,
                parse_float=_Written,
                parse_constant=_Written,
                object_pairs_hook=self._pairs,
            )
        except (ValueError, RecursionError):
            self._data = self._yaml(text)

    def map(self, path: FieldPath, problem: str) -> dict[str, Any]:
        data = self._data
        for part in path:
            data = data[part]
        if not isinstance(data, dict):
            raise UsageError(f"{self._what}: {problem}")
        return data

    def values(self, path: FieldPath, problem: str) -> dict[str, str]:
        found = self.map(path, problem)
        check_keys(found)
        return {key: self._text((*path, key), value) for key, value in found.items()}

    def _text(self, path: FieldPath, value: Any) -> str:
        """Return a value as text: what is not text in YAML or JSON, as it was written."""
        if isinstance(value, str):
            return value
        where = f"{self._what}: {'.'.join(map(str, path))}"
        if isinstance(value, _Written):
            return value.text
        if isinstance(value, bool) and not self._lines:
            return "true" if value else "false"
        if isinstance(value, (bool, int, float)):
            written = self._written(path)
            if written is None:
                raise UsageError(f"{where} is not text in YAML: {_QUOTE}")
            return written
        if value is None:
            raise UsageError(f"{where} has no value", hint='"" if it is meant to be empty')
        raise UsageError(f"{where} is a {'map' if isinstance(value, dict) else 'list'}, not a text: {_QUOTE}")

    def _written(self, path: FieldPath) -> str | None:
        """Return the scalar at `path` as it stands in a line of block style: 007 is not 7."""
        line = self._lines[self._line_of[path] - 1]
        key = re.escape(str(path[-1]))
        match = re.fullmatch(rf"""\s*(["']?){key}\1\s*:\s+([\w.+:-]+)\s*(?:\s#.*)?""", line)
        return match[2] if match else None

    def _yaml(self, text: str) -> Any:
        try:
            parsed = parse_yaml(text, what="", limit=_MAX_BYTES)
        except ConfigError as error:
            # The parser's own words may quote the text.
            line = re.match(r":(\d+):", error.message)
            place = f" (line {line[1]})" if line else ""
            raise UsageError(f"{self._what}: neither JSON nor YAML that mlx reads{place}") from None
        self._lines, self._line_of = text.splitlines(), parsed.lines
        return parsed.data

    def _pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) != len(pairs):
            raise UsageError(f"{self._what}: a key appears twice")
        return data


@dataclass(frozen=True)
class _Written:
    """A number of JSON, as it was written."""

    text: str
