"""The table of built-in formats. A row is free to look at; its library is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from .. import classes


class Format(NamedTuple):
    """A way to write one kind of value into one file.

    `module` has `write(value, file)`, `read(path)` and `summary(value)`, or those of `part`.
    `is_code` content runs code when it is read, so that its digest is checked first, whatever its size.
    What `names_classes` has a `read` that takes `before_code` as `plain.loads` does.
    """

    name: str
    module: str
    suffix: str
    is_code: bool = False
    names_classes: bool = False

    def write(self, value: Any, file: Any) -> set[str]:
        """Write a value and name the classes and functions that are in it by name.

        Raises NotRepresentableError before the first byte when this format would change the value.
        """
        return self._load("write")(value, file) or set()

    def read(self, path: Path, before_code: classes.BeforeCode | None = None) -> Any:
        """Return a fresh value; `before_code` is asked before code runs that the content only names."""
        read = self._load("read")
        return read(path, before_code) if self.names_classes else read(path)

    def summary(self, value: Any) -> dict[str, Any]:
        """Return a few facts, cheap to find."""
        found: dict[str, Any] = self._load("summary")(value)
        return found

    def _load(self, name: str) -> Callable[..., Any]:
        module = import_module(f".{self.module}", __package__)
        found: Callable[..., Any] = getattr(module, name)
        return found


class NotRepresentableError(Exception):
    """A format would not bring this value back as it was."""


PICKLE = Format("cloudpickle", "pickles", ".pkl", is_code=True)

FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("npy", "arrays", ".npy"),
        Format("pandas", "frames", ".arrow", names_classes=True),
        Format("polars", "polar", ".arrow"),
        Format("arrow", "tables", ".arrow"),
        Format("npz", "sparse", ".npz"),
        PICKLE,
    )
}

_BY_CLASS: dict[tuple[str, str], str] = {
    ("numpy", "ndarray"): "npy",
    ("numpy", "memmap"): "npy",
    ("pandas", "DataFrame"): "pandas",
    ("pandas", "Series"): "pandas",
    ("polars", "DataFrame"): "polars",
    ("polars", "Series"): "polars",
    ("pyarrow", "Table"): "arrow",
    ("pyarrow", "RecordBatch"): "arrow",
    **{("scipy", f"{layout}_{kind}"): "npz" for layout in ("csr", "csc", "coo", "bsr", "dia") for kind in ("matrix", "array")},
}  # fmt: skip


def format_of(value: Any) -> Format | None:
    """Return the format made for a value's exact type, or None; found by name, so that nothing is imported."""
    kind = type(value)
    name = _BY_CLASS.get((classes.root_module(kind), kind.__name__))
    return FORMATS[name] if name else None
