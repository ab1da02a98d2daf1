"""YAML text to plain data and back, safely: the only file that knows how YAML is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from ..dataclass import dataclass
from ..errors import ConfigError

try:
    from yaml import CSafeDumper as _Dumper
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml
    from yaml import SafeDumper as _Dumper  # type: ignore[assignment]
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

MAX_BYTES = 1_048_576
MAX_VALUES = 100_000
MAX_DEPTH = 50
_WIDTH = 2**20  # lines are never folded

FieldPath = tuple[Any, ...]

_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "map", "seq")
)


class _Loader(_Base):
    """The safe loader, without turning what looks like a date into one: dates stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own protocol
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }


class _TextDumper(_Dumper):
    """The safe dumper, with text of several lines on one: what is spliced into a file must not depend on indentation."""


def _represent_text(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style='"' if "\n" in text or "\r" in text else None
    )


_TextDumper.add_representer(str, _represent_text)


@dataclass(frozen=True)
class Parsed:
    """Plain data (text keys, no dates, no aliases) and the line on which each path in it begins."""

    data: Any
    lines: Mapping[FieldPath, int]


def load_yaml(text: str, *, what: str) -> Any:
    """Return the plain data in `text`; `what` names its source in messages."""
    return parse_yaml(text, what=what).data


def parse_yaml(text: str, *, what: str, limit: int = MAX_BYTES) -> Parsed:
    """Return the plain data in `text` and where each value stands."""
    if len(text) > limit:
        raise ConfigError(
            f"{what}: larger than {limit // 1024} KiB, which is more than any real configuration"
        )
    loader = None
    try:
        _refuse_deep_nesting(text, what)
        loader = _Loader(text)
        node = loader.get_single_node()
        return _Reader(loader, what).read(node)
    except yaml.YAMLError as error:
        raise _in_words(error, text, what) from None
    except RecursionError:  # the parser in Python, on what is not quite as deep
        raise _too_deep(what, 1) from None
    finally:
        if loader is not None:
            loader.dispose()


def compose_yaml(text: str) -> Any:
    """Return the nodes of a text that `parse_yaml` has accepted, for the places where things stand in it."""
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def dump_yaml(data: Any, *, indent: int = 2) -> str:
    """Write plain data as block-style YAML in the order given."""
    return yaml.dump(
        data, Dumper=_TextDumper, sort_keys=False, allow_unicode=True, width=_WIDTH, indent=indent
    )


def dump_flow(data: Any) -> str:
    """Write plain data on one line, as it can stand inside other YAML."""
    text = yaml.dump(
        [data], Dumper=_TextDumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=True
    )
    return text.strip()[1:-1]


def _refuse_deep_nesting(text: str, what: str) -> None:
    """Check the depth on the flat stream of events first: libyaml's composer recurses in C and would crash."""
    if sum(text.count(opener) for opener in "[{-?") < 1000:
        return
    depth = 0
    loader = _Loader(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise _too_deep(what, event.start_mark.line + 1 if event.start_mark else 1)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    finally:
        loader.dispose()


def _too_deep(what: str, line: int) -> ConfigError:
    return ConfigError(f"{what}:{line}: nested deeper than {MAX_DEPTH} levels")


class _Reader:
    """Turns nodes into data, counting what aliases expand to, so that a small text cannot fill the memory."""

    def __init__(self, loader: Any, what: str) -> None:
        self._loader = loader
        self._what = what
        self._count = 0
        self._lines: dict[FieldPath, int] = {}

    def read(self, node: Any) -> Parsed:
        return Parsed(None if node is None else self._value(node, ()), self._lines)

    def _value(self, node: Any, path: FieldPath) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise self._error(node, f"more than {MAX_VALUES} values once aliases are expanded")
        if len(path) > MAX_DEPTH:
            raise _too_deep(self._what, node.start_mark.line + 1)
        self._lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _PLAIN_TAGS:
            raise self._error(
                node, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not used here", path
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: Any, path: FieldPath) -> Any:
        try:
            return self._loader.construct_object(node)
        except (ValueError, OverflowError, LookupError, yaml.YAMLError):
            raise self._error(node, f"not a valid {node.tag.rpartition(':')[2]}", path) from None

    def _mapping(self, node: Any, path: FieldPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        first: dict[str, int] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.update(self._merge(value_node, path))
                continue
            key = self._key(key_node, path)
            line = key_node.start_mark.line + 1
            if key in first:
                raise self._error(key_node, f"{key!r} appears twice (first on line {first[key]})", path)
            first[key] = line
            here = (*path, key)
            self._lines[here] = line
            data[key] = self._value(value_node, here)
        return {**merged, **data}

    def _merge(self, node: Any, path: FieldPath) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in reversed(sources):
            if not isinstance(source, yaml.MappingNode):
                raise self._error(
                    source, "'<<:' merges maps only; a reference is written <<secret.key>>", path
                )
            merged.update(self._value(source, (*path, "<<")))
        return merged

    def _key(self, node: Any, path: FieldPath) -> str:
        """Return a key as the text that was written, so that a stack may be called 1 or yes."""
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, _unquoted_reference(node) or "a key has to be text", path)
        return str(node.value)

    def _error(self, node: Any, problem: str, path: FieldPath = ()) -> ConfigError:
        field = f"{dotted(path)}: " if path else ""
        return ConfigError(f"{self._what}:{node.start_mark.line + 1}: {field}{problem}")


def dotted(path: FieldPath) -> str:
    """Write a path as `stacks.team.experiment_tracker`."""
    return ".".join(str(part) for part in path)


def _unquoted_reference(node: Any) -> str | None:
    """Recognise `{{secret.key}}` without quotes, which YAML takes for a map in a map."""
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1:
        key = node.value[0][0]
        if isinstance(key, yaml.ScalarNode):
            return f'{{{{...}}}} without quotes is a map in YAML: write <<{key.value}>>, or "{{{{{key.value}}}}}" with quotes'
    return None


def _in_words(error: yaml.YAMLError, text: str, what: str) -> ConfigError:
    """Say what the parser found, without quoting the text as PyYAML does: it may hold a secret."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return ConfigError(_control_character(text, what) or f"{what}: {problem}")
    lines = text.splitlines() or [""]
    line = min(mark.line, len(lines) - 1)
    at = lines[line][mark.column : mark.column + 1] if line == mark.line else ""
    if at == "\t" or r"\t" in problem or "tab character" in problem:
        problem = "a tab is used for indentation, which YAML does not allow: use spaces"
    elif "cannot start any token" in problem:
        problem = f"a value that begins with {at!r} has to be quoted"
    return ConfigError(f"{what}:{line + 1}: {problem}")


def _control_character(text: str, what: str) -> str | None:
    for line, content in enumerate(text.split("\n"), start=1):
        for character in content:
            if not character.isprintable() and character not in "\t\r":
                return f"{what}:{line}: a control character (0x{ord(character):02x}) is not text"
    return None
