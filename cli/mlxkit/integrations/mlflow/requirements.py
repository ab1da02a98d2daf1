"""What MLflow found out about a model's requirements, remembered for the next model of the same make.

To list them MLflow loads every logged model in a process of its own and watches what is imported: three seconds a
model. For models that hold no code of their own the answer depends on the libraries, their versions and the classes
that the model's file names; where all of these are as before, so is the answer.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickletools
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...config.files import write_atomic
from ...config.locks import file_lock
from ...runs.environment import capture_environment, version_of_module

# Flavors whose models are objects of a library's classes; what a pyfunc imports may stand in its code alone.
_FLAVORS = ("sklearn", "xgboost", "lightgbm", "catboost")
_LARGEST = 64 * 1024 * 1024  # bytes: reading more than that takes as long as asking MLflow
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_KEPT = 200
_TEXTS = ("GLOBAL", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")


class Requirements:
    """Answers MLflow's question for the modules that loading a model imports, from a file where it can."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "requirements.json"

    def imported_modules(
        self, original: Callable[..., Any], model_uri: Any, flavor: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Stand in for `mlflow.utils.requirements_utils._capture_imported_modules`."""
        key = None if args or kwargs.get("record_full_module") else _key(Path(str(model_uri)), str(flavor))
        if key is None:
            return original(model_uri, flavor, *args, **kwargs)
        known = self._read().get(key)
        if known is None:
            known = list(original(model_uri, flavor, **kwargs))
            self._remember(key, known)
        return known

    def _read(self) -> dict[str, list[str]]:
        try:
            found = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _remember(self, key: str, modules: list[str]) -> None:
        with file_lock(self._file.with_suffix(".lock")):
            known = list(self._read().items())[-_KEPT:]
            write_atomic(self._file, json.dumps({**dict(known), key: modules}).encode())


def _key(model: Path, flavor: str) -> str | None:
    """Return what the answer depends on, or None when that cannot be told; `model` is the saved object's file."""
    if flavor not in _FLAVORS or not model.is_file() or model.stat().st_size > _LARGEST:
        return None
    try:
        modules = sorted(_modules(model))
    except Exception:  # not in the form it is expected in: MLflow finds out
        return None
    if not all(_is_installed(name) for name in modules):
        return None  # the project's own code, which changes without its name changing
    examples = sorted(path.name for path in model.parent.glob("*input_example*"))
    parts = [flavor, model.name, modules, examples, capture_environment()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _modules(file: Path) -> set[str]:
    """Return the modules that a model's file names."""
    content = file.read_bytes()
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            schema = json.loads(archive.read("schema.json"))
        return set(_named(schema))
    # What is neither is a library's own format, which names no module.
    return _pickled(content) if content[:1] == b"\x80" else set()


def _named(tree: Any) -> Iterator[str]:
    """Yield every module of a skops schema."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "__module__" and isinstance(value, str):
                yield value
            else:
                yield from _named(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _named(value)


def _pickled(content: bytes) -> set[str]:
    """Return the loaded modules among the words of a pickle, which is not executed."""
    found = set()
    for operation, argument, _ in pickletools.genops(content):
        if operation.name in _TEXTS and isinstance(argument, str):
            name = argument.partition(" ")[0]
            if _DOTTED.fullmatch(name) and name in sys.modules:
                found.add(name)
    return found


def _is_installed(name: str) -> bool:
    name = name.partition(".")[0]
    return name in sys.stdlib_module_names or version_of_module(name) is not None
