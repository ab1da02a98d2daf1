"""Changes to YAML text that touch nothing else: comments, order, quoting and blank lines stay byte for byte.

Each function finds the place in the parsed text and cuts or inserts there. A caller parses the result and compares
it with what was meant, so that a text these functions do not understand is refused and never damaged.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from .yamltext import FieldPath, compose_yaml, dump_flow, dump_yaml

_WIDEST_FLOW = 110
_ALIAS = re.compile(r"\s*:\s*\*[^\s,\]}]+")


class CannotSpliceError(Exception):
    """The text has a shape that cannot be changed in place."""


def put(text: str, path: FieldPath, value: Any, *, after: str | None = None) -> str:
    """Set the value at `path`, making the maps on the way to it; a new top-level key goes behind `after`."""
    root = compose_yaml(text)
    if root is None or (isinstance(root, yaml.ScalarNode) and _is_empty(root)):
        return _with_newline(text) + dump_yaml(_nested(path, value)).replace("\n", _newline(text))
    parent, depth = _deepest(root, path)
    if depth == len(path):
        key, old = _entry(parent, path[-1])
        return _replace(text, key, old, value)
    return _insert(text, parent, path[depth], _nested(path[depth + 1 :], value), after)


def remove(text: str, path: FieldPath) -> str:
    """Take out the key at `path` with its value; comments on lines of their own stay."""
    parent, depth = _deepest(compose_yaml(text), path)
    if depth != len(path):
        raise CannotSpliceError(path)
    position, (key, value) = _find(parent, path[-1])
    if parent.flow_style:
        return _remove_from_flow(text, parent, position)
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    return text[:start] + text[_line_end(text, _entry_end(text, key, value)) :]


def rename(text: str, path: FieldPath, name: str) -> str:
    """Give the key at `path` another name, in its place."""
    parent, depth = _deepest(compose_yaml(text), path)
    if depth != len(path):
        raise CannotSpliceError(path)
    key, _ = _entry(parent, path[-1])
    return text[: key.start_mark.index] + dump_flow(name) + text[key.end_mark.index :]


def _nested(path: FieldPath, value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _deepest(root: Any, path: FieldPath) -> tuple[Any, int]:
    """Return the map that holds the last part of `path` that exists, and how many parts exist."""
    node = root
    for depth, name in enumerate(path):
        if not isinstance(node, yaml.MappingNode):
            raise CannotSpliceError(path)
        found = [(key, value) for key, value in node.value if key.value == name]
        if not found:
            return node, depth
        if depth == len(path) - 1:
            return node, len(path)
        key, value = found[0]
        if _is_empty(value):
            return _Hole(key, value, node), depth + 1
        node = value
    return node, len(path)


class _Hole:
    """A key whose map is not there yet: `stacks:` or `stacks: {}`."""

    def __init__(self, key: Any, value: Any, parent: Any) -> None:
        self.key, self.value, self.parent = key, value, parent


def _is_empty(node: Any) -> bool:
    if isinstance(node, yaml.MappingNode):
        return not node.value
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _find(parent: Any, name: str) -> tuple[int, tuple[Any, Any]]:
    for position, (key, value) in enumerate(parent.value):
        if key.value == name:
            return position, (key, value)
    raise CannotSpliceError(name)


def _entry(parent: Any, name: str) -> tuple[Any, Any]:
    return _find(parent, name)[1]


def _replace(text: str, key: Any, old: Any, value: Any) -> str:
    """Put a value in the place of another; the comment behind it stays."""
    start, end = old.start_mark.index, _content_end(text, old)
    if isinstance(old, (yaml.MappingNode, yaml.SequenceNode)) and not old.flow_style:
        start = key.end_mark.index + 1
    gap = " " if text[start - 1 : start] == ":" else ""
    return text[:start] + gap + dump_flow(value) + text[end:]


def _insert(text: str, parent: Any, name: str, value: Any, after: str | None) -> str:
    if isinstance(parent, _Hole):
        return _fill(text, parent, {name: value})
    if parent.flow_style:
        written = dump_flow({name: value})[1:-1]
        if not parent.value:
            at = parent.start_mark.index + 1
            return text[:at] + written + text[at:]
        at = _entry_end(text, *parent.value[-1])
        return f"{text[:at]}, {written}{text[at:]}"
    names = [key.value for key, _ in parent.value]
    last = parent.value[names.index(after) if after in names else -1]
    at = _line_end(text, _entry_end(text, *last))
    indent = parent.value[0][0].start_mark.column
    return _with_newline(text[:at]) + _block(text, {name: value}, indent, _siblings_flow(parent)) + text[at:]


def _fill(text: str, hole: _Hole, value: dict[str, Any]) -> str:
    """Write a map under a key that had none; inside a flow map it has to be a flow map too."""
    start, end = hole.value.start_mark.index, hole.value.end_mark.index
    if hole.parent.flow_style:
        gap = " " if text[start - 1 : start] == ":" else ""
        return text[:start] + gap + dump_flow(value) + text[end:]
    text = text[:start].rstrip(" ") + text[end:] if end > start else text
    at = _line_end(text, hole.key.end_mark.index)
    indent = hole.key.start_mark.column + _step(text)
    return _with_newline(text[:at]) + _block(text, value, indent, False) + text[at:]


def _remove_from_flow(text: str, parent: Any, position: int) -> str:
    key, value = parent.value[position]
    if position + 1 < len(parent.value):
        return text[: key.start_mark.index] + text[parent.value[position + 1][0].start_mark.index :]
    start = _entry_end(text, *parent.value[position - 1]) if position else key.start_mark.index
    return text[:start] + text[_entry_end(text, key, value) :]


def _siblings_flow(parent: Any) -> bool:
    """Say whether the entries of a section are written as {...}, so that a new one looks like them."""
    maps = [value for _, value in parent.value if isinstance(value, yaml.MappingNode) and value.value]
    return bool(maps) and all(value.flow_style for value in maps)


def _block(text: str, entry: dict[str, Any], indent: int, flow: bool) -> str:
    """Write one entry on lines of its own, with the line ends that the file has."""
    ((name, value),) = entry.items()
    if flow and isinstance(value, dict) and value:
        line = f"{dump_flow(name)}: {dump_flow(value)}"
        if indent + len(line) <= _WIDEST_FLOW:
            return " " * indent + line + _newline(text)
    lines = dump_yaml(entry, indent=_step(text)).rstrip("\n").split("\n")
    return "".join(" " * indent + line + _newline(text) for line in lines)


def _entry_end(text: str, key: Any, value: Any) -> int:
    """The index behind the last character of an entry; an alias has the place of what it stands for."""
    if value.start_mark.index < key.end_mark.index:
        alias = _ALIAS.match(text, key.end_mark.index)
        return alias.end() if alias else int(key.end_mark.index)
    return _content_end(text, value)


def _content_end(text: str, node: Any) -> int:
    """The index behind the last character of a value, without the comments and blank lines that follow it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _entry_end(text, *node.value[-1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _content_end(text, node.value[-1])
    end: int = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        end = node.start_mark.index + len(text[node.start_mark.index : end].rstrip())
    return end


def _line_end(text: str, index: int) -> int:
    """The index behind the end of the line that `index` is on."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _with_newline(text: str) -> str:
    return text if not text or text.endswith("\n") else text + _newline(text)


def _step(text: str) -> int:
    """How far this file indents: as its first indented line that is no comment."""
    for line in text.splitlines():
        body = line.lstrip(" ")
        if body and body[0] != "#" and len(body) < len(line):
            return min(max(len(line) - len(body), 2), 8)
    return 2
