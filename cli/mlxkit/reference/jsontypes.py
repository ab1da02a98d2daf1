"""What a field of a record holds, said in the words of JSON, and which record is inside it."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_args

from ..records import Record

_MANY = ("tuple", "Sequence", "list")
_NAMED = ("Mapping", "dict")
_OUTER = re.compile(r"(\w+)\[(.*)\]")
# Annotation -> one of them, several of them.
_WORDS = {
    "str": ("text", "texts"), "int": ("a whole number", "whole numbers"), "float": ("a number", "numbers"),
    "bool": ("true or false", "true or false"), "Any": ("any value", "values"), "object": ("any value", "values"),
}  # fmt: skip


def said(annotation: str, record: type[Record]) -> str:
    """Say what a field of a record holds."""
    kind, may_be_null = _not_null(annotation)
    return _said(kind, record, 0) + (", or null" if may_be_null else "")


def inside(annotation: str, record: type[Record]) -> tuple[str, type[Record]] | None:
    """Return the record in a field with the way to it (`[]` for a list, `.NAME` for an object by name), or None."""
    kind, way = _not_null(annotation)[0], ""
    while outer := _OUTER.fullmatch(kind):
        if outer[1] in _NAMED:
            kind, way = outer[2].partition(",")[2].strip(), f"{way}.NAME"
        else:
            kind, way = outer[2].removesuffix(", ..."), f"{way}[]"
    found = _of_module(kind, record)
    return (way, found) if isinstance(found, type) and issubclass(found, Record) else None


def _said(kind: str, record: type[Record], number: int) -> str:
    """Say what one value holds, or several of them."""
    outer = _OUTER.fullmatch(kind)
    if kind in _WORDS:
        return _WORDS[kind][number]
    if outer and outer[1] in _NAMED:
        values = _said(outer[2].partition(",")[2].strip(), record, 1)
        return f"objects of {values}" if number else f"an object of {values} by name"
    if outer and outer[1] in _MANY:
        several = outer[2].removesuffix(", ...")
        if outer[1] == "tuple" and several == outer[2]:
            return ("a pair of numbers", "pairs of numbers")[number]
        return f"{('a list', 'lists')[number]} of {_said(several, record, 1)}"
    choices = get_args(_of_module(kind, record))
    if choices:
        return f"text: {', '.join(map(str, choices[:-1]))} or {choices[-1]}"
    return "text" if kind.startswith("Literal") else ("an object", "objects")[number]


def _not_null(annotation: str) -> tuple[str, bool]:
    kind = annotation.replace("| None", "").strip()
    return kind, kind != annotation.strip()


def _of_module(name: str, record: type[Record]) -> Any:
    return vars(inspect.getmodule(record)).get(name)
