"""Hold data against the part of JSON Schema that our descriptions use; whatever is not described is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from ....errors import did_you_mean

_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
Schema = Mapping[str, Any]


def problems(data: Any, name: str, part: str | None = None) -> list[str]:
    """Return what is wrong with data that `schemas/NAME.json` describes, or one definition of it; nothing is good."""
    schema = json.loads((files(__package__) / "schemas" / f"{name}.json").read_text())
    if part is None:
        return list(_problems(data, schema, schema, "it"))
    if part not in schema["definitions"]:
        return [f"{part} is not described{did_you_mean(part, schema['definitions'])}"]
    return list(_problems(data, schema["definitions"][part], schema, part))


def _problems(data: Any, schema: Schema, root: Schema, path: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    kind: str = schema["type"]
    if not _is(data, kind):
        yield f"{path}: {kind} expected"
        return
    if "enum" in schema and data not in schema["enum"]:
        yield f"{path}: {data!r} is none of {', '.join(map(str, schema['enum']))}"
    if kind == "string" and "pattern" in schema and not re.fullmatch(schema["pattern"], data, re.DOTALL):
        yield f"{path}: {data[:60]!r} does not match {schema['pattern']}"
    if kind == "string" and len(data) > schema.get("maxLength", len(data)):
        yield f"{path}: {data!r} is longer than {schema['maxLength']} characters"
    if kind == "integer" and not schema.get("minimum", data) <= data <= schema.get("maximum", data):
        yield f"{path}: {data} is out of range"
    if kind == "array":
        if len(data) < schema.get("minItems", 0):
            yield f"{path}: is empty"
        for position, item in enumerate(data):
            yield from _problems(item, schema["items"], root, f"{path}[{position}]")
    if kind == "object":
        yield from _inside(data, schema, root, path)


def _is(data: Any, kind: str) -> bool:
    return isinstance(data, _TYPES[kind]) and not (kind == "integer" and isinstance(data, bool))


def _inside(data: Mapping[str, Any], schema: Schema, root: Schema, path: str) -> Iterator[str]:
    known: Mapping[str, Schema] = schema.get("properties", {})
    other = schema.get("additionalProperties", False)
    for key in schema.get("required", ()):
        if key not in data:
            yield f"{path}: {key} is missing"
    choice = schema.get("oneKeyOf", ())
    if choice and sum(key in data for key in choice) != 1:
        yield f"{path}: exactly one of {', '.join(choice)} is needed"
    for key, value in data.items():
        if key in known:
            yield from _problems(value, known[key], root, f"{path}.{key}")
        elif other is False:
            yield f"{path}: no key {key!r} is known{did_you_mean(key, known)}"
        else:
            yield from _problems(value, other, root, f"{path}.{key}")
